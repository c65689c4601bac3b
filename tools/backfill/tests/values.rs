//! Columns of every type get exactly the value of their expression, and only the rows that need it are written.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails, fails its test")]

mod zoo;

use testbed::{Distribution, Postgres};
use zoo::Zoo;

/// A column: its type, the expression that fills it, and how row 7 shows it.
const COLUMNS: &[(&str, &str, &str)] = &[
    ("numeric(10, 2)", "n / 3.0", "2.33"),
    ("numeric", "n / 3.0", "2.3333333333333333"),
    ("varchar(9)", "'value ' || n", "value 7"),
    ("varchar(3)[]", "array['a' || n % 99]", "{a7}"),
    ("char(4)", "n", "7   "),
    ("\"Status\"", "(case when n % 2 = 1 then 'Published' else 'Draft' end)::\"Status\"", "Published"),
    ("json", "json_build_object('n', n, 'a', array[1, 2])", "{\"n\" : 7, \"a\" : [1,2]}"),
    ("json[]", "array[to_json(n)]", "{7}"),
    ("jsonb", "jsonb_build_object('n', n)", "{\"n\": 7}"),
    ("document", "to_json(n)", "7"),
    ("xml", "xmlelement(name n, n)", "<n>7</n>"),
    (
        "timestamptz",
        "timestamptz '2026-11-01 00:00 America/New_York' + n * interval '1 h'",
        "2026-11-01 11:00:00+00",
    ),
    (
        "timestamp(3)",
        "timestamp '2026-01-01 00:00:00.123456' + n * interval '1 s'",
        "2026-01-01 00:00:07.123",
    ),
    ("date", "date '2026-01-01' + n", "2026-01-08"),
    ("boolean", "n % 2 = 1", "t"),
    ("text[]", "array['a' || n, null, 'b,\"']", "{a7,NULL,\"b,\\\"\"}"),
    ("text", "case when n > 0 then 'it''s \\ 한국어 📦 ' || n end", "it's \\ 한국어 📦 7"),
    ("bigint", "n * 9000000000000", "63000000000000"),
    ("smallint", "n::text", "7"),
    ("real", "n / 3.0", "2.3333333"),
    ("uuid", "md5(n::text)::uuid", "8f14e45f-ceea-167a-5a36-dedd4bea2543"),
    ("bytea", "decode(md5(n::text), 'hex')", "\\x8f14e45fceea167a5a36dedd4bea2543"),
    ("point", "point(n, n)", "(7,7)"),
    ("circle", "circle(point(n, n), 1)", "<(7,7),1>"),
    ("interval", "n * interval '1 day'", "7 days"),
    ("inet", "inet '10.0.0.0' + n", "10.0.0.7"),
    ("int4range", "int4range(n, n + 1)", "[7,8)"),
    ("tsvector", "to_tsvector('simple', 'value ' || n)", "'7':2 'value':1"),
];

fn fixture() -> String {
    let columns: String = COLUMNS.iter().zip(1..).map(|((kind, ..), i)| format!(", c{i} {kind}")).collect();
    format!(
        "create type \"Status\" as enum ('Draft', 'Published'); create domain document as json;
         create table t (n int primary key{columns}); insert into t select generate_series(1, 120);"
    )
}

#[track_caller]
fn check_all(postgres: &Postgres) {
    let zoo = Zoo::open_in(postgres, &fixture());
    let set = COLUMNS.iter().zip(1..).map(|((_, expression, _), i)| (format!("c{i}"), *expression));
    let set = serde_json::to_string(&set.collect::<std::collections::BTreeMap<_, _>>()).unwrap();
    let spec = |name: &str| {
        format!(
            "{{\"name\": \"{name}\", \"table\": \"t\", \"set\": {set}, \"window\": \"always\", \"batch\": {{\"size\": 50, \"duty\": 1}}}}"
        )
    };
    assert_eq!(zoo.run(&zoo.file("first.json", &spec("first")), 0)["rows"], 120);
    for ((kind, expression, shown), i) in COLUMNS.iter().zip(1..) {
        assert_eq!(
            zoo.sql(&format!("set timezone = 'UTC'; select c{i} from t where n = 7")),
            *shown,
            "{kind}: {expression}"
        );
    }
    let again = zoo.run(&zoo.file("again.json", &spec("again")), 0);
    assert_eq!(again["rows"], 0, "what is equal is not written again");
}

#[test]
fn each_type_gets_the_value_of_its_expression() {
    check_all(zoo::cluster());
}

#[test]
fn each_type_does_on_postgres_18() {
    let options = testbed::PostgresOptions { distribution: Distribution::Embedded18, ..zoo::options() };
    check_all(&Postgres::start(&options).unwrap());
}

#[test]
fn a_text_that_is_too_long_is_a_dead_letter_and_never_cut() {
    let zoo = Zoo::open(
        "create table t (n int primary key, old text, v varchar(6), c char(6), a varchar(6)[]);
         insert into t select n, repeat('x', n) from generate_series(1, 8) n;",
    );
    for (column, expression) in [("v", "old"), ("c", "old"), ("a", "array[old]")] {
        let job = zoo.job(column, &format!("table = 't'\nset = {{ {column} = '{expression}' }}"));
        assert_eq!(zoo.run(&job, 1)["dead_letters"], 2, "{column}");
        assert_eq!(
            zoo.sql(&format!(
                "select count({column}), count(*) filter (where {column} is not null and n > 6) from t"
            )),
            "6|0"
        );
    }
}

#[test]
fn scope_and_where_choose_the_rows() {
    let zoo = Zoo::open(
        "create table t (n int primary key, old text, new text);
         insert into t select n, 'v' || n, case when n <= 10 then 'kept' end from generate_series(1, 100) n;",
    );
    let job = zoo.job(
        "t",
        "table = 't'\nset = { new = 'upper(t.old)' }\nscope = 'n % 2 = 0'\nwhere = 'new is null or n = 2'",
    );
    assert_eq!(zoo.run(&job, 0)["rows"], 46);
    let right = "case when n % 2 = 0 and (n > 10 or n = 2) then upper(old) when n <= 10 then 'kept' end";
    assert_eq!(zoo.sql(&format!("select count(*) from t where new is distinct from {right}")), "0");
}

#[test]
fn several_columns_are_filled_at_once_and_may_become_null() {
    let zoo = Zoo::open(
        "create table t (n int primary key, a int, b int default 1); insert into t select generate_series(1, 100);",
    );
    let job = zoo.job("t", "table = 't'\nset = { a = 'n * 2', b = 'nullif(n % 2, 0)' }");
    assert_eq!(zoo.run(&job, 0)["rows"], 100);
    assert_eq!(
        zoo.sql("select count(*) from t where a <> n * 2 or b is distinct from nullif(n % 2, 0)"),
        "0"
    );
}

#[test]
fn a_value_that_counts_itself_is_filled_once() {
    let zoo = Zoo::open(
        "create table t (id uuid primary key, n int default 0); insert into t select md5(i::text)::uuid from generate_series(1, 500) i;",
    );
    let job =
        zoo.job("t", "table = 't'\nset = { n = 'n + 1' }\nbatch = { size = 20, duty = 1, workers = 3 }");
    zoo.run(&job, 0);
    zoo.run(&job, 0);
    assert_eq!(zoo.sql("select count(*), min(n), max(n) from t"), "500|1|1");
}

#[test]
fn another_table_may_be_looked_up() {
    let zoo = Zoo::open(
        "create table t (n int primary key, new text); insert into t select generate_series(1, 100);
         create table names (n int, name text); insert into names select n, 'name ' || n from generate_series(1, 99) n;",
    );
    let job = zoo.job("t", "table = 't'\nset = { new = '(select name from names where names.n = t.n)' }");
    assert_eq!(zoo.run(&job, 0)["rows"], 99);
    zoo.sql("update t set new = null; insert into names values (50, 'another')");
    let job =
        zoo.job("second", "table = 't'\nset = { new = '(select name from names where names.n = t.n)' }");
    assert_eq!(zoo.run(&job, 1)["dead_letters"], 1, "two names for one row are that row's fault");
}
