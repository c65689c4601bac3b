"""The table that is filled: two million rows of 182 bytes with three indexes, one of them of five values.

All who fill it write `total = total_cents / 100.0`; the rest of a row is ballast. Made once as a template database.
"""

from cluster import Cluster

TEMPLATE = "template_items"
SET = "total = total_cents / 100.0"
# As an assignment to the column rounds it.
VALUE = "(total_cents / 100.0)::numeric(12,2)"
# One number for the column of the whole table: order does not matter, each value and its row does.
CHECKSUM = "select count(total) || ' ' || sum(hashtextextended(id || ' ' || total, 0)::numeric) from items"
TABLE = """
create table items (
    id bigint not null,
    customer_id bigint not null,
    total_cents bigint not null,
    touched int not null default 0,
    created_at timestamptz not null,
    status text not null,
    note text not null,
    total numeric(12,2)
)"""
ROWS = """
insert into items
select i, (i * 7919) % 100003, (i * 104729) % 1000000, 0, timestamptz '2026-01-01 00:00Z' + i * interval '1 s',
    (array['open', 'paid', 'sent', 'done', 'void'])[1 + i % 5], rpad(md5(i::text), 104, 'x'), null
from generate_series(1, {rows}::bigint) as i"""
INDEXES = ["alter table items add primary key (id)", "create index on items (customer_id)", "create index on items (status)"]


def make(cluster: Cluster, rows: int) -> None:
    """The template."""
    cluster.sql("postgres", f"create database {TEMPLATE}")
    # Frozen, so that whoever reads a row first need not write to it.
    cluster.sql(TEMPLATE, TABLE, ROWS.format(rows=rows), *INDEXES, "vacuum (freeze, analyze) items")


def checksum(cluster: Cluster, database: str) -> str:
    """How many are filled, and with what."""
    return cluster.sql(database, CHECKSUM)[0]
