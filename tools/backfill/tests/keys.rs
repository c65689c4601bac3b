//! Tables of every shape of key are filled completely, and what cannot be walked is refused.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails, fails its test")]

mod zoo;

use serde_json::Value;
use testbed::{Distribution, Postgres};
use zoo::Zoo;

/// A key: its name, its column definitions with constraints, its column names, and their values for row `n`.
type Key = (&'static str, &'static str, &'static str, &'static str);

const KEYS: &[Key] = &[
    ("smallint", "k smallint primary key", "k", "n - 600"),
    ("int4", "k int primary key", "k", "n * 3"),
    ("int8", "k bigint generated always as identity primary key", "", ""),
    ("uuid_v4", "k uuid primary key", "k", "md5(n::text)::uuid"),
    (
        "uuid_v7",
        "k uuid primary key",
        "k",
        "('018f' || lpad(to_hex(n), 8, '0') || '7' || substr(md5(n::text), 1, 19))::uuid",
    ),
    ("text_c", "k text collate \"C\" primary key", "k", "chr(65 + n % 58) || n"),
    (
        "text_icu",
        "k text collate \"de-x-icu\" primary key",
        "k",
        "(array['ä','Z','a','é','ß','_'])[1 + n % 6] || n",
    ),
    ("varchar", "k varchar(20) primary key", "k", "E'it''s \\\\' || n"),
    (
        "composite",
        "a int, b text, c uuid, primary key (a, b, c)",
        "a, b, c",
        "n % 7, 'b' || n % 50, md5(n::text)::uuid",
    ),
    (
        "timestamptz_int",
        "a timestamptz, b int, primary key (a, b)",
        "a, b",
        "'2026-03-08 01:00 America/New_York'::timestamptz + (n / 3) * interval '7 min 1 us', n",
    ),
    (
        "enum",
        "k \"Grade\", n int, primary key (k, n)",
        "k, n",
        "(array['low', 'High', '높음'])[1 + n % 3]::\"Grade\", n",
    ),
    ("citext", "k citext primary key", "k", "case when n % 2 = 0 then 'Key' else 'kEY' end || n"),
    ("numeric", "k numeric primary key", "k", "n * 0.1000000000000000000000001"),
    ("numeric_scale", "k numeric(30, 20) primary key", "k", "n / 7.0"),
    ("double", "k float8 primary key", "k", "n / 3.0::float8 * 1e-9"),
    ("char", "k char(8) primary key", "k", "n::text"),
    ("date", "k date primary key", "k", "date '0001-01-01' - 200 + n"),
    ("bytea", "k bytea primary key", "k", "decode(md5(n::text), 'hex')"),
    ("boolean_int", "a boolean, b int, primary key (a, b)", "a, b", "n % 2 = 0, n"),
    ("interval", "k interval primary key", "k", "n * interval '1 mon -1 day 3 s'"),
    ("unique_index", "k int not null, unique (k)", "k", "n"),
    ("daterange", "k daterange primary key", "k", "daterange(date '2026-01-01' - n, date '2026-01-01')"),
];

/// A name that is no keyword.
fn table(key: &str) -> String {
    format!("by_{key}")
}

/// What the keys need, and a table of 1000 rows whose column `new` is to become `upper(old)`.
fn fixture(keys: &[Key]) -> String {
    let tables = keys.iter().map(|(name, definition, columns, values)| {
        let name = table(name);
        let (columns, values) = match *columns {
            "" => (String::new(), String::new()),
            columns => (format!("{columns}, "), format!("{values}, ")),
        };
        format!(
            "create table {name} ({definition}, old text, new text);
             insert into {name} ({columns}old) select {values}'value ' || n from generate_series(1, 1000) n;
             analyze {name}; update pg_class set reltuples = 300000 where oid = '{name}'::regclass;"
        )
    });
    let types = "create extension citext; create type \"Grade\" as enum ('low', 'High', '높음');";
    types.to_owned() + &tables.collect::<String>()
}

/// Fills `table`, and compares each row; the summary.
#[track_caller]
fn check(zoo: &Zoo<'_>, table: &str, more: &str) -> Value {
    let job = zoo.job(table, &format!("table = '{table}'\nset = {{ new = 'upper(old)' }}\n{more}"));
    let summary = zoo.run(&job, 0);
    let wrong = zoo.sql(&format!("select count(*) from {table} where new is distinct from upper(old)"));
    assert_eq!(wrong, "0", "{table}: {summary}");
    assert_eq!(summary["rows_written"], summary["rows"], "{table}");
    summary
}

#[track_caller]
fn check_all(postgres: &Postgres) {
    let zoo = Zoo::open_in(postgres, &fixture(KEYS));
    for (name, ..) in KEYS {
        let table = table(name);
        let workers = "batch = { size = 50, duty = 1, workers = 2 }";
        let summary = check(&zoo, &table, &format!("order = 'key'\n{workers}"));
        assert_eq!(summary["rows_written"], 1000, "{table}");
        assert!(summary["batches"].as_i64() >= Some(20), "{table}: {summary}");
        let chunks = zoo.sql(&format!("select count(*) from backfill.chunk c join backfill.job j on j.id = c.job_id where c.pass = 1 and name = '{table}'"));
        assert!(chunks.parse::<i64>().unwrap() >= 3, "{table}: {chunks} chunks");
    }
}

#[test]
fn every_type_of_key_is_walked_to_its_end() {
    check_all(zoo::cluster());
}

#[test]
fn postgres_18_is_walked_as_well() {
    let options = testbed::PostgresOptions { distribution: Distribution::Embedded18, ..zoo::options() };
    check_all(&Postgres::start(&options).unwrap());
}
