"""backfill against one UPDATE, a keyset loop and an OFFSET loop; its verification against one scan; what others feel."""

import json
import os
import subprocess
from pathlib import Path

import filling
import foreground
import items
import offset_loop
import percentiles
from cluster import Cluster
from contest import Case, Contestant, Failed, Place, Target
from filling import Filling
from foreground import Background
from latency_plot import Curve, draw
from metric import RSS, WALL
from red_signal import DATABASE, RedSignal

MEGABYTE = 1_000_000
OURS = "backfill"
TWO_WORKERS = "backfill --workers 2"
ONE_UPDATE = "one UPDATE"
OFFSET = "OFFSET loop, sampled"
JOB = "bench"
# A paused job has work left.
PAUSED = 75
ALSO_BUILT = ["testbed"]
# Each run takes half a minute, and begins with the same files.
MOST_ROUNDS = 3


def cases(place: Place) -> list[Case]:
    """Every case, on one server."""
    bench = Bench(place)
    return [fill(bench), verify(bench), red_signal(bench), latency(bench)]


class Bench:
    """The tool, a server with the template, and the size of its table."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.binary = place.binaries / "backfill"
        self.rows = 5_000 if place.is_smoke else 2_000_000
        self.title = f"{self.rows} rows"
        self.cluster = Cluster(place.binaries / "testbed", place.work, is_durable=not place.is_smoke)
        place.at_end.callback(self.cluster.close)
        items.make(self.cluster, self.rows)

    def filling(self, is_in_order: bool = False) -> Filling:
        """The stage of who fills the table."""
        return Filling(self.cluster, self.rows, is_in_order)

    def command(self, database: str, *flags: str) -> tuple[list[str], dict[str, str]]:
        """What fills the table of a database, and its environment."""
        command = [str(self.binary), "run", "--json", "--name", JOB, "--table", "items", "--set", items.SET, "--window", "always"]
        return [*command, *flags], self.environment(database)

    def environment(self, database: str) -> dict[str, str]:
        """How the tool finds the database."""
        return {"DATABASE_URL": self.cluster.url(database)}

    def ours(self, name: str, *flags: str, is_in_order: bool = False) -> Contestant:
        """The tool without pauses; its answer is the table's."""
        command, environment = self.command(filling.DATABASE, "--duty", "1", *flags)
        return Contestant(name, command, Path("/"), bytes.decode, stage=self.filling(is_in_order), environment=environment)


def fill(bench: Bench) -> Case:
    """Two million rows, all by transactions that do not wait for the disk."""
    cluster, rows = bench.cluster, bench.rows
    contestants = [
        bench.ours(OURS, is_in_order=True),
        bench.ours(TWO_WORKERS, "--workers", "2"),
        filling.loop(ONE_UPDATE, cluster, filling.ONE_UPDATE, bench.filling()),
        filling.loop("keyset loop", cluster, filling.KEYSET_LOOP, bench.filling(is_in_order=True), is_slow=True),
        filling.loop(OFFSET, cluster, offset_loop.loop(rows), offset_loop.Sampled(cluster, rows, is_in_order=True), is_slow=True),
    ]
    targets = [
        Target("backend_per_row_us", OURS, [ONE_UPDATE], 1.6, 1.45),
        Target("backend_per_row_us", OURS, [OFFSET], 1 / 3, 1 / 3.7),
        Target("wal_per_row_bytes", OURS, [ONE_UPDATE], 1.03, 1.00),
        # Three quarters of its speed; the prototype had nine tenths.
        Target(WALL, OURS, [ONE_UPDATE], 1 / 0.75, 1 / 0.90),
        Target(WALL, TWO_WORKERS, [OURS], 1 / 1.6, 1 / 1.9),
        Target("slowdown_ratio", OURS, [], 1 / 0.8, 1.0),
        Target("client_per_row_us", OURS, [], 0.15, 0.10),
        Target(RSS, OURS, [], 30 * MEGABYTE, 15 * MEGABYTE),
        Target("first_batch_ms", OURS, [], 300, 100),
    ]
    metrics = (WALL, "fill_rows_per_s", "backend_per_row_us", "wal_per_row_bytes", "client_per_row_us", RSS, "first_batch_ms", "slowdown_ratio")
    return Case(f"fill, {bench.title}", lambda: None, contestants, targets, metrics, MOST_ROUNDS, is_check_timed=True)


def verify(bench: Bench) -> Case:
    """Every row compared, against one scan that counts what differs, on a table that a vacuum has been over."""
    database, cluster = "verification", bench.cluster

    def prepare() -> None:
        cluster.copy(items.TEMPLATE, database)
        command, environment = bench.command(database, "--duty", "1")
        subprocess.run(command, env=os.environ | environment, stdout=subprocess.DEVNULL, check=True)
        cluster.sql(database, "vacuum (analyze) items", "checkpoint")

    def differing(answer: bytes) -> int:
        summary = json.loads(answer.splitlines()[-1])
        if summary["rows_checked"] != bench.rows:
            raise Failed(f"verify has seen {summary['rows_checked']} of {bench.rows} rows")
        return summary["rows_different"]

    ours = Contestant(
        "backfill verify", [str(bench.binary), "verify", JOB, "--json"], Path("/"), differing, environment=bench.environment(database)
    )
    count = cluster.psql(database, f"select count(*) from items where total is distinct from {items.VALUE}")
    one_process = {"PGOPTIONS": "-c max_parallel_workers_per_gather=0"}
    scan = Contestant("one scan", count, Path("/"), int, environment=one_process)
    parallel = Contestant("one scan, in parallel", count, Path("/"), int)
    targets = [Target(WALL, ours.name, [scan.name], 2.0, 1.5)]
    return Case(f"verify, {bench.title}", prepare, [ours, scan, parallel], targets)


def red_signal(bench: Bench) -> Case:
    """From two sessions that wait for a lock to the last batch: a second between two looks, and what a batch takes."""
    # Five thousand rows are filled before anybody looks twice.
    slow = ["--batch-size", "50", "--duty", "0.02"] if bench.place.is_smoke else ["--duty", "1"]
    command, environment = bench.command(DATABASE, *slow)
    stage = RedSignal(bench.cluster, [str(bench.binary), "pause", JOB], environment)
    ours = Contestant(OURS, command, Path("/"), stage=stage, environment=environment, exit_code=PAUSED)
    targets = [Target("stopped_after_ms", OURS, [], 1050, 1000)]
    return Case(
        f"stop at a red signal, {bench.title}", lambda: None, [ours], targets, ("stopped_after_ms", "batch_ms"), MOST_ROUNDS, True
    )


def latency(bench: Bench) -> Case:
    """What an application feels that works on the same table."""
    folder, seconds = bench.place.work / "latency", 1 if bench.place.is_smoke else 15

    def contestant(name: str, command: list[str], environment: dict[str, str]) -> Contestant:
        stage = Background(bench.cluster, folder / name.replace(" ", "-"), command, environment)
        return foreground.contestant(name, bench.cluster, bench.rows, seconds, stage)

    statement = bench.cluster.psql(foreground.DATABASE, filling.ONE_UPDATE)
    contestants = [
        contestant("idle", [], {}),
        contestant(f"{OURS}, default", *bench.command(foreground.DATABASE)),
        contestant(f"{OURS} --duty 1", *bench.command(foreground.DATABASE, "--duty", "1")),
        contestant(ONE_UPDATE, statement, filling.SAME_COMMIT),
    ]
    targets = [
        Target("p99_ms", f"{OURS}, default", ["idle"], 1.5, 1.0, allowance=5),
        Target("max_ms", f"{OURS}, default", [], 250, 100),
        # The other way round: a statement that does no harm would leave nothing to improve.
        Target("p99_ms", "idle", [ONE_UPDATE], 1 / 100, 1 / 800),
    ]

    metrics = (*percentiles.FIGURES, "fill_rows_per_s")

    def finish() -> None:
        title = "Latency of an application while a column is filled"
        load = f"{foreground.RATE_PER_S} transactions/s on a table of {bench.rows:,} rows, {foreground.CLIENTS} clients, {os.cpu_count()} cores"
        curves = [Curve(contestant.name, contestant.stage.latencies) for contestant in contestants]
        (bench.place.work / "backfill-latency.svg").write_text(draw(title, load, curves))

    return Case(
        f"latency of others, {bench.title}", lambda: None, contestants, targets, metrics, MOST_ROUNDS, True, finish
    )
