"""A whole cluster as files: base, and a full backup by pgBackRest, which reads the data folder itself.

The one asks a walsender for the files and the other opens them, so what the server's processes spend is told beside.
"""

import json
import shutil
import subprocess
from pathlib import Path

from backends import Meter, children
from cluster import Cluster, wait_until
from contest import Contestant, Failed, Run, Stage
from metric import CPU
from shelf import Bucket

STANZA = "bench"


class Physical(Stage):
    """Nothing kept before; after it what is kept, and what the server's sessions took."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.meter = Meter(cluster)
        # The server's own processes and the administrator's session.
        self.first = children(cluster.postmaster)

    def set(self) -> None:
        """Nothing for the first checkpoint to write, and no earlier session that would end meanwhile and be counted."""
        self.empty()
        wait_until(lambda: children(self.cluster.postmaster) <= self.first, "earlier sessions end")
        self.cluster.administrator.ask("checkpoint")
        self.meter.begin()

    def read(self, run: Run) -> None:
        """The work on both sides, and the bytes in the end."""
        backend_s, _ = self.meter.end()
        stored, plain = self.sizes(run)
        run.figures |= {"with_backends_s": run.figures[CPU] + backend_s, "stored_bytes": stored, "cluster_bytes": plain}

    def empty(self) -> None:
        """As it was in the beginning."""

    def sizes(self, run: Run) -> tuple[int, int]:
        """Bytes stored, and before compression."""


class Base(Physical):
    """Ours."""

    def __init__(self, cluster: Cluster, bucket: Bucket) -> None:
        super().__init__(cluster)
        self.bucket = bucket

    def empty(self) -> None:
        """An empty bucket."""
        self.bucket.empty()

    def sizes(self, run: Run) -> tuple[int, int]:
        """From the summary."""
        summary = json.loads(run.answer)
        return summary["stored_bytes"], summary["plain_bytes"]


class Repository(Physical):
    """pgBackRest's, on the local disk."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        super().__init__(cluster)
        self.folder = folder
        (socket,) = cluster.administrator.ask("show unix_socket_directories")
        (data,) = cluster.administrator.ask("show data_directory")
        own = [f"--repo1-path={folder}", f"--lock-path={folder}/lock", f"--log-path={folder}", "--log-level-file=off"]
        server = [f"--pg1-path={data}", f"--pg1-socket-path={socket}", f"--pg1-port={cluster.port}", "--pg1-user=postgres"]
        self.info = ["pgbackrest", "--config=/dev/null", f"--stanza={STANZA}", *own]
        self.command = [*self.info, *server]

    def empty(self) -> None:
        """A new repository."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self.ask([*self.command, "stanza-create"])

    def sizes(self, run: Run) -> tuple[int, int]:
        """From its own answer."""
        (stanza,) = json.loads(self.ask([*self.info, "info", "--output=json"]))
        info = stanza["backup"][0]["info"]
        return info["repository"]["delta"], info["size"]

    def ask(self, command: list[str]) -> bytes:
        """What it answers."""
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode != 0:
            raise Failed(f"{' '.join(command)}: exit {done.returncode}: {done.stdout.decode()}{done.stderr.decode()}")
        return done.stdout


def base(name: str, binary: Path, cluster: Cluster, bucket: Bucket) -> Contestant:
    """The tool, to its bucket."""
    environment = bucket.environment | {"DATABASE_URL": cluster.url("postgres"), "PG_BACKUP_PG_BIN": str(cluster.programs)}
    return Contestant(name, [str(binary), "base", "--fast", "--json"], Path("/"), stage=Base(cluster, bucket), environment=environment)


def pgbackrest(name: str, cluster: Cluster, folder: Path, *more: str) -> Contestant:
    """The peer, as alike as it can be: one process, the same compression, no archive of WAL to wait for."""
    stage = Repository(cluster, folder)
    flags = ["--type=full", "--start-fast", "--no-archive-check", "--process-max=1", "--compress-type=zst", "--compress-level=3"]
    return Contestant(name, [*stage.command, *flags, *more, "backup"], Path("/"), stage=stage)
