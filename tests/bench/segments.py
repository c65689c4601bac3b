"""Full segments of WAL, pushed one after the other as a server's archiver does, or only compressed."""

import shutil
from pathlib import Path
from shlex import quote

from cluster import Cluster
from contest import Contestant, Failed, Run, Stage
from metric import WALL
from shelf import Bucket

SEGMENT_BYTES = 16 << 20


# So many bytes of WAL outlive a checkpoint, for `take`.
KEPT = "512MB"


def keep(cluster: Cluster) -> None:
    """Lets the server keep what it has written."""
    cluster.sql("postgres", f"alter system set wal_keep_size = '{KEPT}'", "select pg_reload_conf()")


def take(cluster: Cluster, folder: Path, wanted: int) -> None:
    """Copies the segments that the server has filled last into a folder of their own."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (data,) = cluster.sql("postgres", "show data_directory")
    (current,) = cluster.sql("postgres", "select pg_walfile_name(pg_current_wal_lsn())")
    # Filled ones sort before the current one; after it lie files that wait to be used again.
    full = sorted(path for path in Path(data, "pg_wal").iterdir() if len(path.name) == 24 and path.name < current)[-wanted:]
    if len(full) < wanted or any(path.stat().st_size != SEGMENT_BYTES for path in full):
        raise Failed(f"the server has {len(full)} full segments of WAL instead of {wanted}")
    for path in full:
        shutil.copy(path, folder)


class Archiving(Stage):
    """An archive without them before; the time of each after."""

    def __init__(self, segments: int, bucket: Bucket | None = None) -> None:
        self.segments = segments
        self.bucket = bucket

    def set(self) -> None:
        """A segment that is there already is not sent again."""
        if self.bucket:
            self.bucket.empty()

    def read(self, run: Run) -> None:
        """The loop has pushed them all."""
        run.figures["per_segment_ms"] = run.figures[WALL] / self.segments * 1000
        if self.bucket:
            stored = len(list(self.bucket.files.glob("v1/*/wal/*/*/*.zst")))
            if stored != self.segments:
                raise Failed(f"the archive holds {stored} segments instead of {self.segments}")


def push(name: str, binary: Path, bucket: Bucket, folder: Path, count: int) -> Contestant:
    """Ours, a process for each, as archive_command starts it."""
    environment = bucket.environment | {"PG_BACKUP_CLUSTER": "bench"}
    stage = Archiving(count, bucket)
    return Contestant(name, loop(folder, f"{quote(str(binary))} wal-push $segment"), Path("/"), stage=stage, environment=environment)


def zstd(folder: Path, count: int) -> Contestant:
    """Compressing alone, to a file."""
    return Contestant("zstd -3 of it", loop(folder, f"zstd -q -3 -f $segment -o {quote(str(folder))}.zst"), Path("/"), stage=Archiving(count))


def loop(folder: Path, command: str) -> list[str]:
    """A process for each segment."""
    return ["sh", "-c", f"for segment in {quote(str(folder))}/*; do {command} || exit; done"]
