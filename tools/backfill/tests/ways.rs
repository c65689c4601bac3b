//! Which way through a table is chosen, and that no row is left behind on it whatever other sessions do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails, fails its test")]

mod zoo;

use serde_json::{Value, json};
use zoo::Zoo;

/// A thousand rows with values in `a` (1 to 10), `b` (unique) and `k` (unique, of mixed case).
const ROWS: &str = "
    create table t (a int not null, b int not null, k text not null, old text not null, new text, touched int default 0);
    insert into t (a, b, k, old) select n % 10 + 1, n, chr(65 + n % 58) || n, 'value ' || n from generate_series(1, 1000) n;
";
const SPEC: &str = "table = 't'\nset = { new = 'upper(old)' }\n";
const LEFT: &str = "select count(*) from t where new is distinct from upper(old)";

/// Fills `t` of [`ROWS`] after `indexes`, completely; the columns it walked along, or `ctid`.
#[track_caller]
fn check(indexes: &str, expected: &str) -> Zoo<'static> {
    let zoo = Zoo::open(&format!("{ROWS}{indexes}; analyze t;"));
    let job = zoo.job("t", SPEC);
    let plan = zoo.backfill(&["plan", job.to_str().unwrap(), "--json"]);
    let plan = plan.last();
    let steps = plan["explain"].to_string();
    let step = if expected == "ctid" { "\"  Tid Range Scan" } else { "\"  Index Scan using" };
    assert!(steps.contains(step) && steps.contains(" where "), "rows are not locked in their order: {steps}");
    zoo.run(&job, 0);
    assert_eq!(zoo.sql(LEFT), "0");
    let walk = walk(&plan);
    assert_eq!(walk, expected, "{}", plan["why"]);
    zoo
}

fn walk(told: &Value) -> String {
    let walk = &told["walk"];
    match walk["by"].as_str() {
        Some("key") => {
            let columns = walk["columns"].as_array().unwrap().iter();
            columns
                .map(|column| column["name"].as_str().unwrap().replace('"', ""))
                .collect::<Vec<_>>()
                .join(",")
        }
        _ => "ctid".to_owned(),
    }
}

#[test]
fn an_index_in_one_direction_is_walked_whichever_it_is() {
    check("create unique index on t (a, b)", "a,b");
    check("create unique index on t (a desc, b desc)", "a,b");
    check("create unique index on t (b desc nulls last) include (old)", "b");
}

#[test]
fn an_index_of_two_directions_is_passed_over() {
    check("create unique index on t (a, b desc)", "ctid");
    check("create unique index on t (a, b desc); create unique index on t (a, b, k)", "a,b,k");
}

#[test]
fn an_index_in_another_collation_is_walked_in_its_order() {
    check("create unique index on t (k collate \"C\")", "k");
    check(
        "alter table t alter k type text collate \"C\"; create unique index on t (k collate \"sv-x-icu\")",
        "k",
    );
}

#[test]
fn a_collation_that_knows_no_case_is_walked() {
    let collation =
        "create collation nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false)";
    check(
        &format!("{collation}; alter table t alter k type text collate nocase; create unique index on t (k)"),
        "k",
    );
}

#[test]
fn an_index_that_promises_too_little_is_not_used() {
    check("create unique index on t (b) where b > 0", "ctid");
    check("alter table t add unique (b) deferrable", "ctid");
    check(
        "create unique index i on t (b); update pg_index set indisvalid = false where indexrelid = 'i'::regclass",
        "ctid",
    );
    check("create unique index on t ((b + 1))", "ctid");
    check("create unique index on t (touched, b)", "ctid");
    check("create unique index on t (k text_pattern_ops)", "ctid");
    check("create index on t (b)", "ctid");
}

#[test]
fn the_smallest_unique_index_stands_in_for_a_primary_key() {
    check("create unique index on t (k, b); create unique index z on t (b)", "b");
    check("create unique index on t (b); alter table t add primary key (a, k)", "a,k");
}

#[test]
fn a_partitioned_table_is_walked_along_its_key() {
    let zoo = Zoo::open(
        "create table t (id int, day date, old text, new text, primary key (id, day)) partition by range (day);
         create table t_1 partition of t for values from ('2026-01-01') to ('2026-06-01');
         create table t_2 partition of t default;
         insert into t select n, date '2026-01-01' + n % 300, 'value ' || n from generate_series(1, 1000) n;
         analyze t_1; analyze t_2;",
    );
    let job = zoo.job("t", SPEC);
    let plan = zoo.backfill(&["plan", job.to_str().unwrap(), "--json"]).last();
    assert_eq!(plan["rows_estimate"], 1000.0);
    assert_eq!(zoo.run(&job, 0)["rows"], 1000);
    assert_eq!(zoo.sql(LEFT), "0");
}

#[test]
fn a_partitioned_table_without_key_has_one_job_for_each_partition() {
    let zoo = Zoo::open(
        "create table t (day date, old text, new text) partition by range (day);
         create table t_1 partition of t default; insert into t values ('2026-01-01', 'value');",
    );
    let did = zoo.backfill(&["run", zoo.job("t", SPEC).to_str().unwrap()]);
    assert_eq!(did.exit, 2);
    assert!(did.stderr.contains("t.toml:") && did.stderr.contains("one job per partition"), "{}", did.stderr);
    zoo.run(&zoo.job("t_1", "table = 't_1'\nset = { new = 'upper(old)' }"), 0);
    assert_eq!(zoo.sql(LEFT), "0");
}

/// Runs a slow job, has `meanwhile` happen to the table while it is under way, and ends the job quickly; the summary.
#[track_caller]
fn check_meanwhile(table: &str, order: &str, meanwhile: &str) -> Value {
    let zoo = Zoo::open(table);
    let job = |batch: &str| zoo.job("t", &format!("{SPEC}order = '{order}'\nbatch = {{ {batch} }}"));
    let mut run = zoo.start_run(&job("size = 10, duty = 0.02"), &[]);
    run.until_working();
    zoo.sql(meanwhile);
    zoo.backfill(&["pause", "t"]);
    assert_eq!(run.end().0, 75);
    zoo.backfill(&["resume", "t"]);
    let summary = zoo.run(&job("size = 50, duty = 1"), 0);
    assert_eq!(zoo.sql(LEFT), "0", "{summary}");
    summary
}

#[test]
fn rows_that_move_along_the_blocks_are_found_by_another_pass() {
    let sparse = ROWS.replace(");\n", ") with (fillfactor = 10);\n");
    // What is not filled yet goes to the end of the table and to blocks that were seen already.
    let moved = "update t set touched = touched + 1 where new is null; vacuum t;".repeat(3);
    let summary = check_meanwhile(&sparse, "ctid", &moved);
    assert!(summary["pass"].as_i64() >= Some(2), "{summary}");
}

#[test]
fn rows_inserted_behind_a_scattered_cursor_are_found_by_another_pass() {
    let table = "create table t (id uuid primary key default gen_random_uuid(), old text, new text);
         insert into t (old) select 'value ' || n from generate_series(1, 1000) n;";
    let inserted = "insert into t select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'late'
         from generate_series(1, 100) n";
    assert_eq!(check_meanwhile(table, "key", inserted)["rows_written"], 1100);
}

#[test]
fn one_pass_is_enough_where_new_keys_are_larger() {
    let zoo = check("create unique index on t (b)", "b");
    assert_eq!(zoo.sql("select max(pass) from backfill.chunk"), "1");
    let zoo = check("alter table t add primary key (a, b)", "a,b");
    assert_eq!(zoo.sql("select max(pass) from backfill.chunk"), "2");
}

#[test]
fn a_scattered_table_that_is_large_is_walked_along_its_blocks() {
    let zoo = Zoo::open(
        "create table t (id uuid primary key, old text, new text);
         insert into t select md5(n::text)::uuid, 'value ' || n from generate_series(1, 2000) n; analyze t;
         update pg_class set relpages = 100000, reltuples = 4000000 where oid = 't'::regclass;",
    );
    let job = zoo.job("t", SPEC);
    let plan = zoo.backfill(&["plan", job.to_str().unwrap(), "--json"]).last();
    assert_eq!(walk(&plan), "ctid", "{plan}");
    zoo.run(&job, 0);
    assert_eq!(zoo.sql(LEFT), "0");
}

#[test]
fn an_empty_table_is_done_and_so_is_one_row() {
    for (rows, key) in [(0, "id int primary key"), (1, "id int primary key"), (0, "id int"), (1, "id int")] {
        let zoo = Zoo::open(&format!(
            "create table t ({key}, old text, new text); insert into t select n, 'v' from generate_series(1, {rows}) n"
        ));
        assert_eq!(zoo.run(&zoo.job("t", SPEC), 0)["rows"], rows, "{key}");
        assert_eq!(zoo.sql(LEFT), "0");
        let again = zoo.run(&zoo.job("t", SPEC), 0);
        assert_eq!((&again["reason"], &again["batches"]), (&json!("done"), &json!(0)));
    }
}

#[test]
fn names_may_be_anything() {
    let (schema, table) = ("스키마.A", "주문 📦\"{oid}' \\x");
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let whole = format!("{}.{}", quoted(schema), quoted(table));
    let zoo = Zoo::open(&format!(
        "create schema {};
         create table {whole} (\"Key.\"\"키 %1$s\" text primary key, \"Old 값\" text, \"select\" text, \"새 📦 = \\1\" text);
         insert into {whole} select 'k\"'',.{{}}' || n, 'value ' || n from generate_series(1, 300) n;",
        quoted(schema)
    ));
    let set = json!({"select": "upper(\"Old 값\")", "새 📦 = \\1": "\"Old 값\" || '🚚'"});
    let spec = json!({"table": whole, "name": "작업 📦 'x'", "set": set, "window": "always", "order": "key",
        "source": ["Old 값"], "batch": {"size": 50, "duty": 1}});
    let job = zoo.file("job.json", &spec.to_string());
    assert_eq!(zoo.run(&job, 0)["rows"], 300);
    let left = "\"select\" is distinct from upper(\"Old 값\") or \"새 📦 = \\1\" is distinct from \"Old 값\" || '🚚'";
    assert_eq!(zoo.sql(&format!("select count(*) from {whole} where {left}")), "0");
    assert_eq!(zoo.backfill(&["status", "작업 📦 'x'", "--json"]).lines()[0]["state"], "done");
}
