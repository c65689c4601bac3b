"""A scratch PostgreSQL for measuring: settings of a server, and databases that are copies of one template."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from contest import Failed

# As a server has them, and nothing that starts by itself in the middle of a run.
SETTINGS = {
    "shared_buffers": "512MB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "1h",
    "autovacuum": "off",
    # The time of each batch is read from its rows afterwards, so that nothing looks on while it runs.
    "track_commit_timestamp": "on",
}
# Copying half a gigabyte to a busy disk takes seconds.
PATIENCE_S = 60


class Session:
    """A connection that stays: one psql, fed line by line."""

    END = "end of answer"

    def __init__(self, psql: Path, url: str) -> None:
        command = [str(psql), "--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1", url]
        self.psql = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def send(self, sql: str) -> None:
        """Sends statements and waits for nothing."""
        self.psql.stdin.write(f"{sql};\n\\echo {self.END}\n")
        self.psql.stdin.flush()

    def ask(self, sql: str) -> list[str]:
        """Sends statements; the lines of their answer, fields parted by `|`."""
        self.send(sql)
        lines = []
        for line in self.psql.stdout:
            if line.rstrip("\n") == self.END:
                return lines
            lines.append(line.rstrip("\n"))
        raise Failed(f"{sql}: {self.psql.stderr.read()}")

    def close(self) -> None:
        """Ends it, whatever it waits for."""
        self.psql.kill()
        self.psql.communicate()


class Cluster:
    """The server, for as long as this process lives."""

    def __init__(self, testbed: Path, work: Path, is_durable: bool = True) -> None:
        settings = SETTINGS | {"fsync": "on" if is_durable else "off"}
        command = [str(testbed), "postgres", *(f"--set={name}={value}" for name, value in settings.items())]
        environment = os.environ | ({"TMPDIR": str(work)} if is_open_to_all(work) else {})
        self.testbed = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self.testbed.stdout.readline()
        if not line:
            raise Failed("testbed postgres does not start")
        ready = json.loads(line)
        self.postmaster: int = ready["pid"]
        self.port: int = ready["port"]
        # Debian's psql in PATH is a script that looks for this one.
        self.programs = Path(f"/proc/{self.postmaster}/exe").readlink().parent
        self.administrator = self.session("postgres")

    def url(self, database: str) -> str:
        """The address of a database."""
        return f"postgres://postgres@127.0.0.1:{self.port}/{database}"

    def session(self, database: str) -> Session:
        """A new connection."""
        return Session(self.programs / "psql", self.url(database))

    def sql(self, database: str, *statements: str) -> list[str]:
        """Runs statements, each in a transaction of its own, by a connection that is then gone."""
        session = self.session(database)
        try:
            return [line for statement in statements for line in session.ask(statement)]
        finally:
            session.close()

    def copy(self, template: str, database: str) -> None:
        """Makes the database anew with the template's files, and leaves the server nothing to write."""
        self.administrator.ask(f"drop database if exists {database} with (force)")
        self.administrator.ask(f"create database {database} template {template} strategy file_copy")
        self.administrator.ask("checkpoint")

    def psql(self, database: str, sql: str) -> list[str]:
        """A contestant's command: one statement."""
        return [str(self.programs / "psql"), "--no-psqlrc", "--quiet", "--no-align", "--tuples-only", self.url(database), "--command", sql]

    def close(self) -> None:
        """Stops the server; its files go with it."""
        self.administrator.close()
        self.testbed.stdin.close()
        self.testbed.wait()


def is_open_to_all(folder: Path) -> bool:
    """Whether the user of the server, who may be another, reaches a folder in there."""
    return all(path.stat().st_mode & 0o001 for path in [folder, *folder.parents])


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    """Looks again and again."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not within {PATIENCE_S} s")
        time.sleep(0.005)
