"""A dump back into an empty database, by ours and by pg_restore."""

from pathlib import Path
from shlex import quote

import erp
from cluster import Cluster
from contest import Contestant, Stage
from dumping import Dumpers
from shelf import Shelf

DATABASE = "restored"


class Empty(Stage):
    """A new database before each run."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def set(self) -> None:
        """Nothing in it, and nothing for the server to write."""
        drop(self.cluster)
        self.cluster.administrator.ask(f"create database {DATABASE}")
        self.cluster.administrator.ask("checkpoint")


def drop(cluster: Cluster) -> None:
    """Gives the disk back."""
    cluster.administrator.ask(f"drop database if exists {DATABASE} with (force)")


class Restorers:
    """Everyone who can restore the database, from dumps that lie ready."""

    def __init__(self, dumpers: Dumpers) -> None:
        self.dumpers = dumpers
        self.cluster = dumpers.cluster
        self.pipe = dumpers.pipe("sha256sum", erp.DATABASE)
        self.pg_dump = dumpers.pg_dump(erp.DATABASE)

    def ours(self, name: str, shelf: Shelf, *flags: str) -> Contestant:
        """The tool."""
        command = [str(self.dumpers.binary), "restore", "--newest", "--to", DATABASE, "--json", *flags]
        where = {"DATABASE_URL": self.cluster.url("postgres"), "PG_BACKUP_PG_BIN": str(self.cluster.programs)}
        return self.contestant(name, command, shelf.environment | where)

    def zstd(self) -> Contestant:
        """What undoes the pipe."""
        line = f"zstd -q -d -c {quote(str(self.pipe.stage.file))} | {self.pg_restore()}"
        return self.contestant("zstd -dc | pg_restore", ["bash", "-o", "pipefail", "-c", line])

    def parallel(self, jobs: int) -> Contestant:
        """`pg_restore -j` from a file of `pg_dump -Fc`."""
        line = f"exec {self.pg_restore()} --jobs={jobs} {quote(str(self.pg_dump.stage.file))}"
        return self.contestant(f"pg_restore -j{jobs}", ["bash", "-c", line])

    def unpacking(self, jobs: int) -> Contestant:
        """The same from what the pipe has stored, which needs a file first."""
        file = quote(f"{self.pipe.stage.file}.unpacked")
        line = f"zstd -q -d -c {quote(str(self.pipe.stage.file))} > {file} && exec {self.pg_restore()} --jobs={jobs} {file}"
        return self.contestant(f"zstd -d, pg_restore -j{jobs}", ["bash", "-c", line])

    def pg_restore(self) -> str:
        """As ours calls it."""
        return f"{self.cluster.programs / 'pg_restore'} --exit-on-error --dbname={self.cluster.url(DATABASE)}"

    def contestant(self, name: str, command: list[str], environment: dict[str, str] | None = None) -> Contestant:
        """Its answer are the tables."""
        normalize = lambda _: erp.checksum(self.cluster, DATABASE)  # noqa: E731
        return Contestant(name, command, Path("/"), normalize, stage=Empty(self.cluster), environment=environment or {})
