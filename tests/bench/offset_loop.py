"""The loop of most guides, `order by id offset N limit 1000`: each batch walks past all rows before it.

Whole, it takes minutes and grows with the square of the rows. So its cost is measured on stretches in the middle of each
quarter, whose mean is the integral (midpoint rule). The rows before a stretch are untouched, which is the cheapest that it
can be: the walk stays within the index, as if a vacuum had just been there. Where the rows before were filled and no vacuum
came, each of them is fetched one to two times from the table, and the same stretches cost about ten times as much.
"""

import items
from backends import TICKS_PER_S
from contest import Run
from filling import BATCH_ROWS, DATABASE, Filling

QUARTERS = 4
STRETCH_BATCHES = 20
STRETCHES = "create table stretch (batches int not null, ticks bigint not null, seconds double precision not null)"
# The server's process tells its own processor time; see backends.py for the fields.
TICKS = "(string_to_array(split_part(pg_read_file('/proc/self/stat'), ') ', 2), ' '))"


def loop(rows: int) -> str:
    """The stretches, and then what is left by keyset, so that the answer is that of all others."""
    stretch = min(STRETCH_BATCHES, rows // QUARTERS // BATCH_ROWS)
    return f"""do $$
declare
    walked bigint;
    ticks bigint;
    began timestamptz;
begin
    for quarter in 0..{QUARTERS - 1} loop
        walked := {rows}::bigint * (2 * quarter + 1) / {2 * QUARTERS};
        select {TICKS}[12]::bigint + {TICKS}[13]::bigint, clock_timestamp() into ticks, began;
        for batch in 1..{stretch} loop
            execute 'update items set {items.SET} where id in (select id from items order by id offset ' || walked
                || ' limit {BATCH_ROWS})';
            commit;
            walked := walked + {BATCH_ROWS};
        end loop;
        insert into stretch select {stretch}, {TICKS}[12]::bigint + {TICKS}[13]::bigint - ticks,
            extract(epoch from clock_timestamp() - began);
        commit;
    end loop;
    walked := 0;
    while walked < {rows} loop
        update items set {items.SET} where id > walked and id <= walked + {BATCH_ROWS} and total is null;
        commit;
        walked := walked + {BATCH_ROWS};
    end loop;
end $$"""


class Sampled(Filling):
    """What the stretches cost; the figures of the whole run say nothing."""

    def set(self) -> None:
        """With a place to write the costs down."""
        super().set()
        self.cluster.sql(DATABASE, STRETCHES)
        self.meter.begin()

    def read(self, run: Run) -> None:
        """Per row of the stretches."""
        super().read(run)
        (line,) = self.cluster.sql(DATABASE, "select sum(batches), sum(ticks), sum(seconds) from stretch")
        batches, ticks, seconds = map(float, line.split("|"))
        rows = batches * BATCH_ROWS
        run.figures.clear()
        run.figures |= {"fill_rows_per_s": rows / seconds, "backend_per_row_us": ticks / TICKS_PER_S / rows * 1e6}
