"""Full segments of WAL, pushed one after the other as a server's archiver does, or only compressed."""

import shutil
from pathlib import Path
from shlex import quote

from cluster import Cluster
from contest import Contestant, Failed, Run, Stage
from metric import WALL
from shelf import Bucket

SEGMENT_BYTES = 16 << 20


def take(cluster: Cluster, folder: Path, wanted: int) -> list[Path]:
    """Copies of the segments that the server has filled last."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    # Filled ones sort before the current one; after it lie files that wait to be used again.
    current, data = cluster.sql("postgres", "select pg_switch_wal()", "select pg_walfile_name(pg_current_wal_lsn()); show data_directory")[-2:]
    full = sorted(path for path in Path(data, "pg_wal").iterdir() if len(path.name) == 24 and path.name < current)[-wanted - 1 : -1]
    if len(full) < wanted or any(path.stat().st_size != SEGMENT_BYTES for path in full):
        raise Failed(f"the server has {len(full)} full segments of WAL instead of {wanted}")
    return [Path(shutil.copy(path, folder)) for path in full]


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


def push(name: str, binary: Path, bucket: Bucket, segments: list[Path]) -> Contestant:
    """Ours, a process for each, as archive_command starts it."""
    line = loop(segments, f"{quote(str(binary))} wal-push $segment")
    environment = bucket.environment | {"PG_BACKUP_CLUSTER": "bench"}
    return Contestant(name, ["sh", "-c", line], Path("/"), stage=Archiving(len(segments), bucket), environment=environment)


def zstd(segments: list[Path]) -> Contestant:
    """Compressing alone, to a file beside it."""
    line = loop(segments, "zstd -q -3 -f $segment -o $segment.zst")
    return Contestant("zstd -3 of it", ["sh", "-c", line], Path("/"), stage=Archiving(len(segments)))


def loop(segments: list[Path], command: str) -> str:
    """A process for each segment."""
    return f"for segment in {' '.join(quote(str(path)) for path in segments)}; do {command} || exit; done"
