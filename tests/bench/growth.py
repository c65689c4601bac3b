"""Databases of one and of four times the same volume: random bytes, which hardly compress, and text."""

from cluster import Cluster

ONCE = "bulk_once"
FOUR_TIMES = "bulk_four_times"
# A row of a dump: a thousand bytes as hexadecimal digits, and a line of text.
ROW_BYTES = 2_100
TABLE = """
create unlogged table {name} as
select id, gen_random_bytes(1000) as payload, repeat('checked and passed on ', 4) || id as note
from generate_series(1, {rows}::bigint) as id"""


def make_once(cluster: Cluster, rows: int) -> None:
    """One table, unless it is there."""
    if not cluster.sql("postgres", f"select 1 from pg_database where datname = '{ONCE}'"):
        cluster.sql("postgres", f"create database {ONCE}")
        cluster.sql(ONCE, "create extension pgcrypto", TABLE.format(name="part_1", rows=rows), "vacuum (freeze)", "checkpoint")


def make_four_times(cluster: Cluster) -> None:
    """Four tables of what is in the one."""
    cluster.copy(ONCE, FOUR_TIMES)
    for number in (2, 3, 4):
        cluster.sql(FOUR_TIMES, f"create unlogged table part_{number} as table part_1")
    cluster.sql(FOUR_TIMES, "vacuum (freeze)", "checkpoint")


def drop(cluster: Cluster, database: str) -> None:
    """Gives the disk back."""
    cluster.sql("postgres", f"drop database if exists {database} with (force)", "checkpoint")
