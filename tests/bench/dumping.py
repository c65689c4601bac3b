"""Dumps against each other: create, pg_dump alone, and the pipe that most teams run; what they have written is compared as SQL."""

import json
import os
import subprocess
from pathlib import Path
from shlex import quote

from cluster import Cluster
from contest import Contestant, Failed, Run, Stage
from counting_proxy import CountingProxy
from shelf import Bucket, Shelf

# pg_restore of late guards its SQL with a random word.
GUARD = r"^\\\(un\)\?restrict "


class Creating(Stage):
    """An empty shelf before; after it what the summary tells. The answer is the id."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf

    def set(self) -> None:
        """No earlier backup."""
        self.shelf.empty()

    def read(self, run: Run) -> None:
        """All objects of the backup are counted, also those that a peer does not have."""
        summary = json.loads(run.answer)
        if summary["result"] != "good":
            raise Failed(f"create: {run.answer.decode()}")
        run.figures |= {"stored_bytes": summary["stored_bytes"], "dump_bytes": summary["plain_bytes"]}
        run.answer = summary["id"].encode()


class Stalling(Creating):
    """A server that takes nothing at first."""

    # More than are ever sent side by side.
    PARTS = 16

    def __init__(self, bucket: Bucket, proxy: CountingProxy) -> None:
        super().__init__(bucket)
        self.proxy = proxy

    def set(self) -> None:
        """The first parts of each run wait."""
        super().set()
        self.proxy.stalls = self.PARTS


class Writing(Stage):
    """No file before; after it its size."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def set(self) -> None:
        """No earlier dump."""
        self.file.unlink(missing_ok=True)

    def read(self, run: Run) -> None:
        """What it takes on disk."""
        run.figures["stored_bytes"] = self.file.stat().st_size


class Dumpers:
    """Everyone who can dump a database of this cluster."""

    def __init__(self, binary: Path, cluster: Cluster, work: Path) -> None:
        self.binary = binary
        self.cluster = cluster
        self.work = work

    def stalled(self, name: str, database: str, bucket: Bucket, proxy: CountingProxy) -> Contestant:
        """The tool, to a bucket that takes nothing for a while: as much is held as ever can be, whatever the machine does."""
        ours = self.ours(name, database, bucket)
        ours.environment |= {"AWS_ENDPOINT": proxy.url}
        ours.stage = Stalling(bucket, proxy)
        return ours

    def ours(self, name: str, database: str, shelf: Shelf, *flags: str) -> Contestant:
        """The tool, to a bucket or a folder."""
        environment = shelf.environment | {"DATABASE_URL": self.cluster.url(database), "PG_BACKUP_PG_BIN": str(self.cluster.programs)}
        cat = f"{quote(str(self.binary))} cat"
        normalize = lambda answer: self.sql(f"{cat} {answer.decode()}", environment)  # noqa: E731
        command = [str(self.binary), "create", "--json", *flags]
        return Contestant(name, command, Path("/"), normalize, stage=Creating(shelf), environment=environment)

    def pg_dump(self, database: str) -> Contestant:
        """The custom format as it comes: gzip."""
        file = self.work / "pg_dump.pgc"
        command = [str(self.cluster.programs / "pg_dump"), "--format=custom", f"--file={file}", self.cluster.url(database)]
        return Contestant("pg_dump -Fc", command, Path("/"), lambda _: self.sql(f"cat {quote(str(file))}"), stage=Writing(file))

    def pipe(self, hash_program: str, database: str) -> Contestant:
        """`pg_dump -Z0 | zstd -3 | tee FILE | HASH`. With `tee >(HASH)` nobody would wait for the hash, nor count its time."""
        file = self.work / f"pipe-{hash_program.split()[0]}.pgc.zst"
        dump = f"{self.cluster.programs / 'pg_dump'} -Fc -Z0 {self.cluster.url(database)}"
        line = f"{dump} | zstd -q -3 | tee {quote(str(file))} | {hash_program}"
        normalize = lambda _: self.sql(f"zstd -q -d -c {quote(str(file))}")  # noqa: E731
        return Contestant(f"pipe with {hash_program}", ["bash", "-o", "pipefail", "-c", line], Path("/"), normalize, stage=Writing(file))

    def sql(self, read: str, environment: dict[str, str] | None = None) -> str:
        """The checksum of a dump as SQL."""
        line = f"{read} | {self.cluster.programs / 'pg_restore'} -f - | grep -v {quote(GUARD)} | sha256sum"
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", line], env=os.environ | (environment or {}), capture_output=True, check=False, text=True
        )
        if done.returncode != 0:
            raise Failed(f"{line}: exit {done.returncode}: {done.stderr}")
        return done.stdout
