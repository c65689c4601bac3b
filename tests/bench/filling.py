"""Filling the whole table: everyone's loop, and what is read off the database after each."""

from pathlib import Path

import items
from backends import Meter
from cluster import Cluster
from contest import Contestant, Run, Stage
from metric import CPU, WALL

DATABASE = "filling"
# The default of ours; loops of the peers have the same.
BATCH_ROWS = 1000
# Batches of ours do not wait for the disk, because rows and checkpoint are lost together or not at all. So nobody waits.
SAME_COMMIT = {"PGOPTIONS": "-c synchronous_commit=off"}

ONE_UPDATE = f"update items set {items.SET}"
# The same range form as ours, without a checkpoint: a kill loses the place.
KEYSET_LOOP = f"""do $$
declare
    low bigint := 0;
    high bigint;
begin
    loop
        select max(id) into high from (select id from items where id > low order by id limit {BATCH_ROWS}) as batch;
        exit when high is null;
        update items set {items.SET} where id > low and id <= high;
        commit;
        low := high;
    end loop;
end $$"""


class Filling(Stage):
    """A fresh copy before; after it the figures per row, and the checksum as the answer."""

    def __init__(self, cluster: Cluster, rows: int, is_in_order: bool) -> None:
        self.cluster = cluster
        self.rows = rows
        # Whether it commits many batches along the key, so that their times tell how its speed changes.
        self.is_in_order = is_in_order
        self.meter = Meter(cluster)

    def set(self) -> None:
        """A table that nobody has touched."""
        self.cluster.copy(items.TEMPLATE, DATABASE)
        self.meter.begin()

    def read(self, run: Run) -> None:
        """Everything there is to know about it."""
        backend_s, wal_bytes = self.meter.end()
        run.figures |= {
            "fill_rows_per_s": self.rows / run.figures[WALL],
            "backend_per_row_us": backend_s / self.rows * 1e6,
            "wal_per_row_bytes": wal_bytes / self.rows,
            "client_per_row_us": run.figures[CPU] / self.rows * 1e6,
        }
        if self.is_in_order:
            self.read_times(run)
        run.answer = items.checksum(self.cluster, DATABASE).encode()

    def read_times(self, run: Run) -> None:
        """The wait for the first batch, and the last tenth's time by the first one's."""
        first, tenth, ninth, last = self.commit_times()
        run.figures["first_batch_ms"] = (first - run.started_at) * 1000
        # Of a few batches both ends may be one.
        if tenth > first:
            run.figures["slowdown_ratio"] = (last - ninth) / (tenth - first) * (1 - 10 * BATCH_ROWS / self.rows)

    def commit_times(self) -> list[float]:
        """When the rows at the beginning, at 10 %, at 90 % and at the end were committed."""
        places = [1, self.rows // 10, self.rows // 10 * 9, self.rows]
        found = self.cluster.sql(
            DATABASE,
            "select extract(epoch from pg_xact_commit_timestamp(items.xmin)) "
            f"from unnest(array{places}) with ordinality as place (id, number) join items using (id) order by number",
        )
        return [float(line) for line in found]


def loop(name: str, cluster: Cluster, sql: str, stage: Stage, is_slow: bool = False) -> Contestant:
    """A peer: statements that the server runs."""
    command = cluster.psql(DATABASE, sql)
    return Contestant(name, command, Path("/"), bytes.decode, stage=stage, environment=SAME_COMMIT, is_slow=is_slow)
