//! `trigger` against a real PostgreSQL.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod stage;

use serde_json::{Value, json};
use stage::{Run, Stage};

const TABLE: &str = "create table t (id int primary key, o int, n int); insert into t values (1, 1, null)";

/// A job `n = o * 2` over `t`.
fn job() -> Stage {
    let stage = Stage::with(TABLE);
    stage.job("t", "n=o * 2", &[]);
    stage
}

fn trigger(stage: &Stage, action: &str, more: &[&str]) -> Run {
    stage.backfill(&[&["trigger", action, "job", "--json"], more].concat())
}

#[track_caller]
fn check(run: &Run, code: i32, reason: &str) {
    assert_eq!((run.code, &run.summary()["reason"]), (code, &json!(reason)), "{}{}", run.stdout, run.stderr);
}

fn created(stage: &Stage) {
    check(&trigger(stage, "create", &[]), 0, "created");
}

#[test]
fn every_written_row_gets_its_new_value() {
    let stage = job();
    created(&stage);
    stage.sql("insert into t values (2, 2, null), (3, 3, 99); update t set o = 10 where id = 1; update t set n = 0 where id = 2");
    assert_eq!(stage.sql("select n from t order by id"), "20\n4\n6");
    assert_eq!(stage.sql("select kind from backfill.event order by id desc limit 1"), "trigger_created");
}

#[test]
fn expressions_may_qualify_columns_and_quote_names() {
    let stage = Stage::with("create table \"Post\" (\"Id\" int primary key, \"isOn\" bool, \"new\" text)");
    stage.job("\"Post\"", "\"new\"=case when \"Post\".\"isOn\" then 'on' else \"Id\"::text end", &[]);
    created(&stage);
    stage.sql("insert into \"Post\" values (1, true), (2, false)");
    assert_eq!(stage.sql("select \"new\" from \"Post\" order by 1"), "2\non");
}

#[test]
fn names_mean_what_they_meant_to_the_creator() {
    let stage = Stage::with(
        "create schema app; create function app.twice(int) returns int language sql immutable as 'select $1 * 2'; \
         create table t (id int primary key, n int); create role writer; grant all on t to writer; \
         grant usage on schema app to writer",
    );
    stage.sql(&format!("alter database {} set search_path = public, app", stage.database));
    stage.job("t", "n=twice(id)", &[]);
    created(&stage);
    stage.sql("set role writer; set search_path = public; insert into t values (4)");
    assert_eq!(stage.sql("select n from t"), "8");
    stage.sql("reset role; drop owned by writer; drop role writer");
}

#[test]
fn it_sees_what_other_triggers_made_of_the_row() {
    let stage = job();
    stage.sql(
        "create function change() returns trigger language plpgsql as $$ begin new.o := 50; return new; end $$; \
         create trigger z_last_but_one before insert on t for each row execute function change()",
    );
    created(&stage);
    stage.sql("insert into t values (2, 2)");
    assert_eq!(stage.sql("select n from t where id = 2"), "100");
}

#[test]
fn a_trigger_that_fires_later_is_told() {
    let stage = job();
    stage.sql(
        "create function change() returns trigger language plpgsql as $$ begin return new; end $$; \
         create trigger zzz before insert on t for each row execute function change()",
    );
    let run = trigger(&stage, "create", &[]);
    assert!(run.stderr.contains("trigger zzz fires after \"zz_backfill_1\""), "{}", run.stderr);
    assert_eq!(trigger(&stage, "check", &[]).summary()["fires_later"], json!(["zzz"]));
}

#[test]
fn rows_outside_of_the_scope_keep_what_was_written() {
    let stage = Stage::with("create table t (id int primary key, o text, n int)");
    stage.job("t", "n=o::int", &["--scope", "o ~ '^[0-9]+$'"]);
    created(&stage);
    stage.sql("insert into t values (1, '5', 0), (2, 'none', 7), (3, null, 8)");
    assert_eq!(stage.sql("select n from t order by id"), "5\n7\n8");
}

#[test]
fn partitions_have_it_as_well() {
    let stage = Stage::with(
        "create table t (id int primary key, o int, n int) partition by range (id); \
         create table t1 partition of t for values from (0) to (10)",
    );
    stage.job("t", "n=o * 2", &[]);
    created(&stage);
    stage.sql("insert into t values (1, 1); insert into t1 values (2, 2)");
    assert_eq!(stage.sql("select n from t order by id"), "2\n4");
    stage.sql("alter table t1 disable trigger zz_backfill_1");
    let run = trigger(&stage, "check", &[]);
    check(&run, 1, "different");
    assert_eq!(run.summary()["findings"], json!(["it is disabled on t1"]));
}

#[test]
fn creating_it_again_changes_nothing() {
    let stage = job();
    created(&stage);
    let before = stage.sql("select oid, xmin from pg_trigger");
    check(&trigger(&stage, "create", &[]), 0, "unchanged");
    assert_eq!(stage.sql("select oid, xmin from pg_trigger"), before);
    check(&trigger(&stage, "check", &[]), 0, "present");
}

/// What `damage` does is told by `check`, and `create` mends it.
fn check_damage(damage: &str, finding: &str) {
    let stage = job();
    created(&stage);
    stage.sql(damage);
    let run = trigger(&stage, "check", &[]);
    assert_eq!((run.code, &run.summary()["findings"]), (1, &json!([finding])));
    let mended = trigger(&stage, "create", &[]);
    assert_eq!(mended.code, 0, "{}", mended.stderr);
    check(&trigger(&stage, "check", &[]), 0, "present");
    stage.sql("insert into t values (2, 2)");
    assert_eq!(stage.sql("select n from t where id = 2"), "4");
}

#[test]
fn a_disabled_trigger_is_found_and_mended() {
    check_damage("alter table t disable trigger zz_backfill_1", "it is disabled on t");
    check_damage("alter table t enable replica trigger zz_backfill_1", "it is disabled on t");
}

#[test]
fn another_body_is_found_and_mended() {
    check_damage(
        "create or replace function backfill.fill_1() returns trigger language plpgsql as \
         $$ begin new.n := 1; return new; end $$",
        "its function is not what the job's expressions make",
    );
}

#[test]
fn a_trigger_of_other_events_is_found_and_mended() {
    check_damage(
        "drop trigger zz_backfill_1 on t; \
         create trigger zz_backfill_1 before insert on t for each row execute function backfill.fill_1()",
        "it does not fire before each insert and update of a row",
    );
}

#[test]
fn a_missing_trigger_is_found_and_mended() {
    check_damage("drop trigger zz_backfill_1 on t", "there is no trigger");
}

#[test]
fn a_dry_run_prints_the_sql_that_creates_it() {
    let stage = job();
    let run = stage.backfill(&["trigger", "create", "job", "--dry-run"]);
    assert_eq!(run.code, 0);
    check(&trigger(&stage, "check", &[]), 1, "absent");
    stage.sql(&run.stdout);
    check(&trigger(&stage, "check", &[]), 0, "present");
    let run = stage.backfill(&["trigger", "drop", "job", "--dry-run"]);
    check(&trigger(&stage, "check", &[]), 0, "present");
    stage.sql(&run.stdout);
    check(&trigger(&stage, "check", &[]), 1, "absent");
}

#[test]
fn dropping_it_leaves_nothing() {
    let stage = job();
    created(&stage);
    check(&trigger(&stage, "drop", &[]), 0, "dropped");
    check(&trigger(&stage, "drop", &[]), 0, "unchanged");
    assert_eq!(
        stage.sql("select count(*) from pg_trigger where not tgisinternal and tgrelid = 't'::regclass"),
        "0"
    );
    assert_eq!(stage.sql("select to_regprocedure('backfill.fill_1()') is null"), "t");
    assert_eq!(stage.sql("select count(*) from backfill.event where kind = 'trigger_dropped'"), "1");
}

#[test]
fn whoever_holds_the_table_is_named() {
    let stage = job();
    let _held = stage.session("begin; update t set o = 5; select pg_sleep(60)");
    let pid = "select pid from pg_stat_activity where query like '%pg_sleep(60)' and wait_event = 'PgSleep' \
               and datname = current_database() and pid <> pg_backend_pid()";
    stage.wait_for(&format!("select count(*) = 1 from ({pid}) one"));
    let run = trigger(&stage, "create", &["--timeout", "1s"]);
    check(&run, 75, "locked");
    let holder: Value = serde_json::from_str(&stage.sql(pid)).unwrap();
    assert_eq!(run.summary()["blockers"][0]["pid"], holder, "{}", run.stdout);
    assert!(run.stderr.contains("update t set o = 5"), "{}", run.stderr);
    check(&trigger(&stage, "check", &[]), 1, "absent");
}

#[test]
fn it_is_created_as_soon_as_the_table_is_free() {
    let stage = job();
    let held = stage.session("begin; update t set o = 5; select pg_sleep(60)");
    stage.wait_for(
        "select count(*) = 1 from pg_stat_activity where query like '%pg_sleep(60)' \
                    and wait_event = 'PgSleep' and datname = current_database()",
    );
    let running = stage.start(&["trigger", "create", "job", "--json"]);
    // After a try that did not get the lock it asks who holds it.
    stage.wait_for(
        "select count(*) > 0 from pg_stat_activity where application_name = 'backfill' \
         and datname = current_database() and query like '%pg_locks%'",
    );
    stage.sql(
        "select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(60)' \
               and wait_event = 'PgSleep' and datname = current_database()",
    );
    drop(held);
    check(&running.end(), 0, "created");
}

#[test]
fn what_it_cannot_compute_is_refused() {
    let stage = Stage::with(
        "create table t (id int primary key, n int default 0, g int generated always as (id * 2) stored, m int)",
    );
    stage.job("t", "n=n + 1", &["--where", "true"]);
    let run = trigger(&stage, "create", &[]);
    assert_eq!(run.code, 2, "{}", run.stdout);
    stage.sql("delete from backfill.job");
    stage.job("t", "m=g + 1", &[]);
    let run = trigger(&stage, "create", &[]);
    assert_eq!(run.code, 2, "{}", run.stdout);
    assert!(run.stderr.contains("set.m: the expression reads the generated column \"g\""), "{}", run.stderr);
}
