//! `deadletter` against a real PostgreSQL.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod stage;

use serde_json::json;
use stage::{Run, Stage};

/// A job that has left out rows 2 and 4, because their texts are no numbers.
fn with_letters() -> Stage {
    let stage = Stage::with(
        "create table t (id int primary key, o text, n int); \
         insert into t select g, case when g in (2, 4) then 'x' else g::text end from generate_series(1, 9) g",
    );
    stage.job("t", "n=o::int", &["--source", "o"]);
    let run = stage.backfill(&["run", "--name", "job", "--duty", "1"]);
    assert_eq!(stage.sql("select count(*) from backfill.deadletter"), "2", "{}{}", run.stdout, run.stderr);
    stage
}

fn deadletter(stage: &Stage, action: &str) -> Run {
    stage.backfill(&["deadletter", action, "job", "--json"])
}

#[test]
fn lists_each_row_with_the_words_of_the_server() {
    let stage = with_letters();
    let run = deadletter(&stage, "list");
    let letters = run.of_type("dead_letter");
    let told: Vec<_> = letters.iter().map(|letter| (&letter["key"], &letter["sqlstate"])).collect();
    assert_eq!(told, [(&json!(["2"]), &json!("22P02")), (&json!(["4"]), &json!("22P02"))]);
    assert_eq!((run.code, &run.summary()["dead_letters"]), (1, &json!(2)));
    let human = stage.backfill(&["deadletter", "list", "job"]);
    assert!(human.stdout.starts_with("row (2)  22P02  1 try  invalid input syntax"), "{}", human.stdout);
}

#[test]
fn retries_each_row_by_itself() {
    let stage = with_letters();
    stage.sql("update t set o = '20' where id = 2");
    let run = deadletter(&stage, "retry");
    let summary = run.summary();
    assert_eq!(
        (run.code, &summary["filled"], &summary["failed"]),
        (1, &json!(1), &json!(1)),
        "{}",
        run.stdout
    );
    assert_eq!(stage.sql("select n from t where id = 2"), "20");
    assert_eq!(stage.sql("select key, tries from backfill.deadletter"), "[\"4\"]|2");
    let event = "select detail->'key' from backfill.event where kind = 'dead_letter_retried'";
    assert_eq!(stage.sql(event), "[\"2\"]");
}

#[test]
fn forgets_rows_that_are_gone_and_says_what_comes_next() {
    let stage = with_letters();
    stage.sql("delete from t where id = 4; update t set o = '3' where id = 2");
    let run = stage.backfill(&["deadletter", "retry", "job"]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("row (4) is not there any more"), "{}", run.stdout);
    assert!(
        run.stdout
            .ends_with("1 filled, 1 gone, 0 left; `backfill verify job` proves that nothing is missing\n"),
        "{}",
        run.stdout
    );
    let run = deadletter(&stage, "list");
    assert_eq!((run.code, &run.summary()["reason"]), (0, &json!("none")));
}

#[test]
fn a_locked_row_keeps_its_letter() {
    let stage = with_letters();
    stage.sql("update t set o = '3'");
    let _held = stage.session("begin; select from t where id = 2 for update; select pg_sleep(60)");
    stage.wait_for(
        "select count(*) = 1 from pg_stat_activity where query like '%for update%pg_sleep%' \
                    and datname = current_database() and wait_event = 'PgSleep'",
    );
    let run = stage.backfill(&["deadletter", "retry", "job", "--json", "--timeout", "1s"]);
    assert_eq!(run.code, 1);
    assert_eq!(stage.sql("select key, sqlstate from backfill.deadletter"), "[\"2\"]|55P03");
}
