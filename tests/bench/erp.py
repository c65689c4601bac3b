"""The database that is backed up: the tables of pgbench, and documents of words and JSON as an application has them.

Half of the dump is short numbers that compress by twenty, the other half is text of phrases that recur, as people write them all day.
"""

import subprocess
from dataclasses import dataclass
from random import Random

from cluster import Cluster

DATABASE = "erp"
WORDS = (
    "the order of to item and customer is for with invoice paid open was sent stock late price note from has not returned "
    "warehouse shipment please call before delivery address changed damaged box pallet by train second reminder discount "
    "agreed contract new old branch Seoul Busan Incheon Daegu harbour truck driver confirmed partial refund tax exempt "
    "export import customs cleared waiting supplier answer quality inspection failed passed serial number missing replaced "
    "under warranty repair quote accepted declined budget approved manager signature scanned attached duplicate merged "
    "closed reopened urgent holiday season inventory counted difference written off adjusted ledger account currency rate"
).split()
TABLE = """
create table documents (
    id bigint primary key,
    customer_id bigint not null,
    created_at timestamptz not null,
    title text not null,
    body text not null,
    attributes jsonb not null
)"""
PHRASES = 3000
# Six phrases by a hash of row and place, the frequent ones more often, each with a number: the same text in every run.
ROWS = """
insert into documents
select id, (id * 7919) % 50021, timestamptz '2026-01-01 00:00Z' + id * interval '37 s',
    'document ' || id || ' about ' || split_part(body, ' ', 3), body,
    jsonb_build_object('status', (array['open', 'paid', 'sent', 'done'])[1 + id % 4], 'total_cents', (id * 104729) % 1000000,
        'tags', jsonb_build_array(split_part(body, ' ', 5), split_part(body, ' ', 7)),
        'address', jsonb_build_object('street', split_part(body, ' ', 9) || ' ' || id % 250, 'postcode', id % 90000),
        'trace', gen.uuid)
from (
    select id, string_agg(phrase || ' ' || hash % 10000, ', ' order by place) as body
    from (
        select id, place, hashint8extended(id, place) & 1048575 as hash
        from generate_series(1, {documents}::bigint) as id, generate_series(1, 6) as place
    ) as chosen join phrases on number = floor({phrases} * power(hash / 1048576.0::float8, 2.5))::int
    group by id
) as texts, lateral (select md5(id::text)::uuid as uuid) as gen"""
INDEXES = ["create index on documents (customer_id)", "create index on documents (created_at)"]
TABLES = ("documents", "pgbench_accounts", "pgbench_branches", "pgbench_tellers")


@dataclass(frozen=True)
class Size:
    """How much there is of it."""

    # Of pgbench: 100,000 accounts each.
    scale: int
    documents: int

    @property
    def title(self) -> str:
        """For the names of cases."""
        return f"{self.scale * 100_000} accounts + {self.documents} documents"


def make(cluster: Cluster, size: Size) -> None:
    """Fills the database."""
    cluster.sql("postgres", f"create database {DATABASE}")
    command = [str(cluster.programs / "pgbench"), "--initialize", "--quiet", f"--scale={size.scale}", cluster.url(DATABASE)]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    values = ", ".join(f"({number}, '{phrase}')" for number, phrase in enumerate(phrases()))
    rows = ROWS.format(documents=size.documents, phrases=PHRASES)
    temporary = ["create temp table phrases (number int, phrase text)", f"insert into phrases values {values}", "analyze phrases"]
    cluster.sql(DATABASE, TABLE, *temporary, rows, *INDEXES, "vacuum (freeze, analyze)", "checkpoint")


def phrases() -> list[str]:
    """What is written again and again."""
    random = Random(1)
    return [" ".join(random.choices(WORDS, k=random.randint(4, 9))) for _ in range(PHRASES)]


def checksum(cluster: Cluster, database: str) -> str:
    """One number for each table, whatever the order of its rows."""
    one = "select '{table} ' || count(*) || ' ' || coalesce(sum(hashtextextended({table}::text, 0)::numeric), 0) from {table}"
    return "\n".join(cluster.sql(database, *(one.format(table=table) for table in TABLES)))
