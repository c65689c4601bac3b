//! Rows that cannot be filled are found one by one and left out, and nothing else is.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails, fails its test")]

mod zoo;

use serde_json::{Value, json};
use zoo::Zoo;

const ROWS: i64 = 400;

/// A table whose column `new` refuses the rows of `bad`, by a rule of this kind.
fn fixture(rule: &str, bad: &[i64]) -> String {
    let bad = bad.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let deferred = "alter table t add unique (new) deferrable initially deferred";
    let rule = match rule {
        "unique" => "alter table t add unique (new)",
        "deferred" => deferred,
        "check" => "alter table t add check (new <> all (array(select 'VALUE ' || n from bad)))",
        "trigger" => {
            "create function refuse() returns trigger language plpgsql as 'begin
                 if exists (select from bad where n = new.id) then raise exception ''not this one''; end if; return new; end';
             create trigger refuse after update on t for each row execute function refuse()"
        }
        other => other,
    };
    // A check may not look into another table, unless a function does.
    let rule = rule.replace("new <> all (array(select 'VALUE ' || n from bad))", "is_good(new)");
    // Rows that are filled already hold the values that the bad ones want.
    let holders = if rule.contains("unique") {
        "insert into t select -n, 'value ' || n, 'VALUE ' || n from bad;"
    } else {
        ""
    };
    format!(
        "create table bad (n int); insert into bad select unnest(array[{bad}]::int[]);
         create table t (id int not null, old text, new text);
         create function is_good(text) returns bool language sql stable as 'select not exists (select from bad where ''VALUE '' || n = $1)';
         create unique index t_id on t (id);
         insert into t (id, old) select n, 'value ' || n from generate_series(1, {ROWS}) n; {holders} {rule};"
    )
}

const SPEC: &str = "table = 't'\nset = { new = 'upper(old)' }\n";

#[track_caller]
fn check(rule: &str, code: &str, bad: &[i64], order: &str) {
    let zoo = Zoo::open(&fixture(rule, bad));
    let job = zoo.job("t", &format!("{SPEC}order = '{order}'"));
    let summary = zoo.run(&job, 1);
    assert_eq!(
        (&summary["reason"], &summary["dead_letters"]),
        (&json!("dead_letters"), &json!(bad.len())),
        "{rule}"
    );
    let left = zoo.sql("select coalesce(string_agg(id::text, ',' order by id), '') from t where new is null");
    assert_eq!(left, bad.iter().map(ToString::to_string).collect::<Vec<_>>().join(","), "{rule} {order}");
    assert_eq!(zoo.sql("select string_agg(distinct sqlstate, ',') from backfill.deadletter"), code, "{rule}");
    if order == "key" {
        let keys =
            zoo.sql("select string_agg(key ->> 0, ',' order by (key ->> 0)::int) from backfill.deadletter");
        assert_eq!(keys, left, "{rule}");
    }
    assert_eq!(zoo.run(&job, 1)["batches"], 0, "it stays done, and says again what is missing");
}

#[test]
fn a_unique_violation_is_found_wherever_it_is() {
    for bad in [&[1][..], &[ROWS], &[50], &[51], &[3, 4, 200, 399], &[1, ROWS]] {
        check("unique", "23505", bad, "key");
    }
}

#[test]
fn a_violation_that_shows_at_commit_is_found() {
    check("deferred", "23505", &[1, 77, ROWS], "key");
}

#[test]
fn checks_and_triggers_refuse_rows_too() {
    check("check", "23514", &[2, 300], "key");
    check("trigger", "P0001", &[2, 300], "key");
}

#[test]
fn bad_rows_are_found_along_the_blocks() {
    check("unique", "23505", &[1, 200, ROWS], "ctid");
    check("deferred", "23505", &[7, 8], "ctid");
    check("trigger", "P0001", &[2, 300], "ctid");
}

#[test]
fn too_many_bad_rows_fail_the_job_and_keep_what_is_filled() {
    let bad: Vec<i64> = (201..=ROWS).collect();
    let zoo = Zoo::open(&fixture("trigger", &bad));
    let job = zoo.job("t", &format!("{SPEC}errors = {{ dead_letter_max = 5 }}"));
    let did = zoo.backfill(&["run", job.to_str().unwrap(), "--json"]);
    let summary: Value = did.last();
    assert_eq!(
        (did.exit, &summary["state"], &summary["dead_letters"]),
        (3, &json!("failed"), &json!(6)),
        "{summary}"
    );
    assert!(did.stderr.contains("more than 5 rows could not be filled"), "{}", did.stderr);
    assert!(did.stderr.contains("hint: `backfill deadletter list t` shows them"), "{}", did.stderr);
    assert_eq!(zoo.sql("select count(*), max(id) from t where new is not null"), "200|200");
    assert_eq!(zoo.events("t"), "recorded running failed");
    let more = zoo.job("t", &format!("{SPEC}errors = {{ dead_letter_max = 1000 }}"));
    assert_eq!(zoo.run(&more, 1)["dead_letters"], 200, "a higher limit goes on");
}

#[test]
fn a_first_row_that_cannot_be_filled_is_a_wrong_expression() {
    let zoo = Zoo::open(&fixture("trigger", &[1]));
    let did = zoo.backfill(&["run", zoo.job("t", SPEC).to_str().unwrap()]);
    assert_eq!(did.exit, 2);
    assert!(did.stderr.contains("not this one (P0001)"), "{}", did.stderr);
}

#[test]
fn dead_letters_count_although_the_session_of_the_summary_was_cut_off() {
    let zoo = Zoo::open(&fixture("unique", &[390]));
    let job = zoo.job("t", &format!("{SPEC}batch = {{ size = 5, duty = 0.03 }}"));
    let mut run = zoo.start_run(&job, &[]);
    run.until_working();
    let cut = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
               where datname = current_database() and application_name = 'backfill'";
    assert_eq!(zoo.sql(cut), "1");
    let (exit, summary) = run.end();
    assert_eq!(
        (exit, &summary["dead_letters"], &summary["rows_written"]),
        (1, &json!(1), &json!(ROWS - 1)),
        "{summary}"
    );
    assert_eq!(zoo.events("t"), "recorded running done stopped");
}
