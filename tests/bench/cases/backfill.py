"""backfill against one UPDATE, a keyset loop and an OFFSET loop; its verification against one scan; what others feel."""

from pathlib import Path

import filling
import items
import offset_loop
from cluster import Cluster
from contest import Case, Contestant, Place, Target
from filling import Filling
from metric import RSS, WALL

MEGABYTE = 1_000_000
OURS = "backfill"
TWO_WORKERS = "backfill --workers 2"
ONE_UPDATE = "one UPDATE"
OFFSET = "OFFSET loop, sampled"
ALSO_BUILT = ["testbed"]
# Each run takes half a minute, and begins with the same files.
MOST_ROUNDS = 3


def cases(place: Place) -> list[Case]:
    """Every case, on one server."""
    bench = Bench(place)
    return [fill(bench)]


class Bench:
    """The tool, a server with the template, and the size of its table."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.binary = place.binaries / "backfill"
        self.rows = 5_000 if place.is_smoke else 2_000_000
        self.title = f"{self.rows} rows"
        self.cluster = Cluster(place.binaries / "testbed", place.work)
        place.at_end.callback(self.cluster.close)
        items.make(self.cluster, self.rows)

    def filling(self, is_in_order: bool = False) -> Filling:
        """The stage of who fills the table."""
        return Filling(self.cluster, self.rows, is_in_order)

    def ours(self, name: str, *flags: str, is_in_order: bool = False) -> Contestant:
        """The tool, without pauses."""
        command, environment = filling.ours(self.binary, self.cluster, filling.DATABASE, "--duty", "1", *flags)
        return Contestant(name, command, Path("/"), lambda answer: answer.decode(), stage=self.filling(is_in_order), environment=environment)


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
