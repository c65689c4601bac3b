"""An application at work on the same table: 300 transactions a second, each an update and a select of single rows."""

import os
import subprocess
from pathlib import Path

import items
import percentiles
from cluster import Cluster
from contest import Contestant, Failed, Run, Stage
from metric import WALL

DATABASE = "foreground"
SCRIPT = """\\set written random(1, {rows})
\\set read random(1, {rows})
begin;
update items set touched = touched + 1 where id = :written;
select status, total_cents from items where id = :read;
commit;
"""
RATE_PER_S = 300
CLIENTS = 4
THREADS = 2
PREFIX = "latency"


class Background(Stage):
    """Begins a filling before the application, and ends it after; keeps the latencies of every round."""

    def __init__(self, cluster: Cluster, folder: Path, command: list[str], environment: dict[str, str]) -> None:
        self.cluster = cluster
        self.folder = folder
        # Empty: an idle server.
        self.command = command
        self.environment = environment
        self.process: subprocess.Popen | None = None
        self.latencies: list[float] = []

    def set(self) -> None:
        """A fresh copy, and the filling at work."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for old in self.folder.glob(f"{PREFIX}.*"):
            old.unlink()
        self.cluster.copy(items.TEMPLATE, DATABASE)
        if self.command:
            quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
            self.process = subprocess.Popen(self.command, env=os.environ | self.environment, **quiet)

    def read(self, run: Run) -> None:
        """Percentiles of this round alone, and how much was filled meanwhile: one that rests disturbs nobody."""
        if self.process:
            self.process.terminate()
            _, messages = self.process.communicate()
            # Done before the application was, or stopped by us.
            if self.process.returncode not in (0, 143, -15):
                raise Failed(f"{' '.join(self.command)}: exit {self.process.returncode}: {messages.decode('utf-8', 'replace')}")
        rising = percentiles.read(self.folder, PREFIX)
        if not rising:
            raise Failed("pgbench has logged nothing")
        run.figures |= percentiles.figures(rising)
        if self.command:
            (filled,) = self.cluster.sql(DATABASE, "select count(total) from items")
            run.figures["fill_rows_per_s"] = int(filled) / run.figures[WALL]
        self.latencies = sorted(self.latencies + rising)


def contestant(name: str, cluster: Cluster, rows: int, seconds: int, stage: Background) -> Contestant:
    """The application, measured with this in the background."""
    script = stage.folder.parent / "foreground.sql"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(SCRIPT.format(rows=rows))
    command = [str(cluster.programs / "pgbench"), "--no-vacuum", f"--file={script}", f"--time={seconds}", f"--rate={RATE_PER_S}"]
    command += [f"--client={CLIENTS}", f"--jobs={THREADS}", "--random-seed=1", "--log", f"--log-prefix={stage.folder / PREFIX}"]
    return Contestant(name, [*command, cluster.url(DATABASE)], stage.folder.parent, stage=stage)
