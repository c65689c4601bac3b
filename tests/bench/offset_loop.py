"""The loop of most guides, `order by id offset N limit 1000`: each batch walks past all rows before it.

Whole, it takes minutes and grows with the square of the rows. So its cost is measured on stretches in the middle of each
quarter, whose mean is the integral (midpoint rule), with the rows before it filled already, as in a whole run.
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
    """Keyset up to the middle of a quarter, a stretch by OFFSET, and on; at the end all is filled."""
    stretch = min(STRETCH_BATCHES, rows // QUARTERS // BATCH_ROWS)
    return f"""do $$
declare
    walked bigint := 0;
    middle bigint;
    ticks bigint;
    began timestamptz;
begin
    for quarter in 0..{QUARTERS} loop
        middle := least(({rows} * (2 * quarter + 1) / {2 * QUARTERS}) / {BATCH_ROWS} * {BATCH_ROWS}, {rows});
        while walked < middle loop
            update items set {items.SET} where id > walked and id <= least(walked + {BATCH_ROWS}, middle);
            commit;
            walked := least(walked + {BATCH_ROWS}, middle);
        end loop;
        exit when quarter = {QUARTERS};
        select {TICKS}[12]::bigint + {TICKS}[13]::bigint, clock_timestamp() into ticks, began;
        for batch in 1..{stretch} loop
            execute 'update items set {items.SET} where id in (select id from items order by id offset ' || walked
                || ' limit {BATCH_ROWS})';
            commit;
            walked := walked + {BATCH_ROWS};
        end loop;
        insert into stretch select {stretch}, {TICKS}[12]::bigint + {TICKS}[13]::bigint - ticks,
            extract(epoch from clock_timestamp() - began);
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
