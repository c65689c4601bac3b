//! Servers that stop, signals, locks that others hold, and tables that change: what the run waits for, and what ends it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails, fails its test")]

mod arena;

use arena::{Arena, Ended, Fill};
use testbed::{PostgresOptions, Signal, Stop};

/// Some seconds of work, in small batches.
const ROWS: u32 = 20_000;

fn fill(arena: &Arena, table: &str) -> Fill {
    arena.fill(table, table).with(&["--batch-size", "10"])
}

#[test]
fn a_run_survives_a_restart_of_the_server_and_a_crash() {
    let mut arena = Arena::alone();
    arena.table("t", ROWS);
    let run = fill(&arena, "t").start();
    for stop in [Stop::Fast, Stop::Immediate] {
        arena.wait_for_checkpoints("t", 20);
        arena.server().stop(stop).unwrap();
        arena.server().start_again().unwrap();
    }
    let summary = run.ended().assert(0, "done");
    assert_eq!(summary["reconnects"], 2, "{summary}");
    arena.assert_filled_once("t", "t");
}

#[test]
fn a_server_that_stays_away_is_unreachable_and_the_same_command_resumes() {
    let mut arena = Arena::alone();
    arena.table("t", ROWS);
    let run = fill(&arena, "t").with(&["--timeout", "2s"]).start();
    arena.wait_for_checkpoints("t", 20);
    arena.server().stop(Stop::Fast).unwrap();
    let summary = run.ended().assert(75, "unreachable");
    assert!(summary["detail"].as_str().is_some_and(|why| !why.is_empty()), "{summary}");
    let at_start = fill(&arena, "t").ended();
    assert_eq!(at_start.code, 75, "{}", at_start.text());
    arena.server().start_again().unwrap();
    fill(&arena, "t").ended().assert(0, "done");
    arena.assert_filled_once("t", "t");
}

/// After a failover the address may lead to a server that takes connections and no work. A database that is read only by
/// default answers as a standby does (25006).
#[test]
fn a_server_that_takes_no_work_is_left_for_another_and_then_given_up() {
    let arena = Arena::alone();
    arena.table("t", ROWS);
    let run = fill(&arena, "t").with(&["--timeout", "2s"]).start();
    arena.wait_for_checkpoints("t", 20);
    let database = arena.sql("select current_database()");
    arena.sql(&format!("alter database {database} set default_transaction_read_only = on"));
    arena.sql(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'backfill/%'",
    );
    let summary = run.ended().assert(75, "unreachable");
    assert!(summary["detail"].as_str().unwrap().contains("read-only"), "{summary}");
    arena.sql(&format!(
        "begin read write; alter database {database} reset default_transaction_read_only; commit"
    ));
    fill(&arena, "t").ended().assert(0, "done");
    arena.assert_filled_once("t", "t");
}

/// A commit of a batch does not wait for the disk: a crash may take the end of a chunk back from a worker that has
/// seen it. It fills the rows again, at once, because the chunk is its own.
#[test]
fn batches_that_a_crash_takes_back_are_filled_again() {
    let mut arena = Arena::with(PostgresOptions::default().set("wal_writer_delay", "10s"));
    arena.table("t", 80);
    let run = fill(&arena, "t").with(&["--timeout", "10s"]).fault("batch.committed:8=stop").start();
    run.wait_for_state('T');
    assert_eq!(arena.checkpoints("t"), 8);
    arena.server().stop(Stop::Immediate).unwrap();
    arena.server().start_again().unwrap();
    assert_eq!(arena.sql("select count(*) from backfill.chunk where is_done"), "0", "the crash lost nothing");
    run.signal(Signal::CONT);
    run.ended().assert(0, "done");
    arena.assert_filled_once("t", "t");
}

#[test]
fn a_signal_ends_the_run_after_its_batches_and_gives_all_chunks_back() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let arena = Arena::open();
        arena.table_in_chunks("t", ROWS, 9);
        let run = fill(&arena, "t").with(&["--workers", "4"]).start();
        arena.wait_for_checkpoints("t", 20);
        run.signal(signal);
        run.ended().assert(code, "signal");
        let held = "select count(*) from backfill.chunk where not is_done and (owner, lease_until) is distinct from (null, null)";
        assert_eq!(arena.sql(held), "0");
        let summary = fill(&arena, "t").ended().assert(0, "done");
        assert!(summary["elapsed_s"].as_f64().unwrap() < 15.0, "{summary}");
        arena.assert_filled_once("t", "t");
    }
}

#[test]
fn a_second_signal_ends_the_run_at_once() {
    let arena = Arena::open();
    arena.table("t", ROWS);
    let file = arena.file("patient.toml", "timeouts = { lock = \"60s\", statement = \"60s\" }");
    let lock = arena.locked("t", "id = 205");
    let mut run = fill(&arena, "t").with(&[&file]).start();
    arena.wait_for("select count(*) from pg_locks where not granted", "1");
    run.signal(Signal::TERM);
    run.wait_for("SIGTERM: stopping");
    run.signal(Signal::TERM);
    let ended = run.ended();
    assert_eq!((ended.code, ended.events("summary").len()), (143, 0), "{}", ended.text());
    drop(lock);
    fill(&arena, "t").ended().assert(0, "done");
    arena.assert_filled_once("t", "t");
}

fn retries(ended: &Ended, sqlstate: &str) -> usize {
    ended.events("retry").iter().filter(|retry| retry["sqlstate"] == sqlstate).count()
}

#[test]
fn a_row_that_somebody_holds_is_waited_for() {
    let arena = Arena::open();
    arena.table("t", ROWS);
    let lock = arena.locked("t", "id = 205");
    let mut run = fill(&arena, "t").start();
    run.wait_for("55P03");
    drop(lock);
    let ended = run.ended();
    let summary = ended.assert(0, "done");
    assert!(retries(&ended, "55P03") >= 1 && summary["retries"].as_u64() >= Some(1), "{summary}");
    arena.assert_filled_once("t", "t");
}

/// The other session locks a later row first, waits until the tool waits for it, and then wants an earlier one.
#[test]
fn a_deadlock_costs_the_batch_only() {
    let arena = Arena::open();
    arena.table("t", ROWS);
    arena.set("deadlock_timeout", "200ms");
    // Waits for us, that is: other tests have sessions that wait for each other.
    let waits =
        "do 'begin while not exists (select from pg_locks waiting join pg_locks own using (transactionid)
        where not waiting.granted and own.granted and own.pid = pg_backend_pid()) loop end loop; end'";
    let lock = |id: u32| format!("select 'locked' from t where id = {id} for update");
    let patient = "set deadlock_timeout = '60s'";
    let mut other = arena.session(&[patient, "begin", &lock(209), waits, &lock(202), "commit"]);
    other.wait_for_line("locked", arena::LIMIT).unwrap();
    let ended = fill(&arena, "t").ended();
    ended.assert(0, "done");
    assert_eq!(retries(&ended, "40P01"), 1, "{}", ended.text());
    assert_eq!(other.wait(arena::LIMIT).unwrap(), 0);
    arena.assert_filled_once("t", "t");
}

/// Each row takes longer than the role's statements may.
#[test]
fn a_statement_timeout_of_the_role_is_not_the_tools() {
    let arena = Arena::open();
    arena.table("t", 30);
    arena.sql(
        "create function slow() returns trigger language plpgsql as
             'begin perform pg_sleep(0.02); return new; end';
         create trigger slow before update on t for each row execute function slow();
         create role hasty superuser login; alter role hasty set statement_timeout = '5ms'",
    );
    let url = arena.url().replace("postgres@", "hasty@");
    fill(&arena, "t").at(url).ended().assert(0, "done");
    arena.assert_filled_once("t", "t");
}

/// Something is done to the table while the run fills it: the run fails and names the table.
#[track_caller]
fn check_change(change: &str) -> Arena {
    let arena = Arena::open();
    arena.table("orders", ROWS);
    let run = fill(&arena, "orders").but("--duty", "0.3").start();
    arena.wait_for_checkpoints("orders", 20);
    arena.sql(change);
    let ended = run.ended();
    let summary = ended.assert(3, "failed");
    assert!(summary["detail"].as_str().is_some_and(|why| why.contains("orders")), "{summary}");
    assert_eq!(arena.sql("select state, desired from backfill.job"), "failed|run");
    arena
}

#[test]
fn a_table_that_is_dropped_ends_the_run() {
    let arena = check_change("drop table orders");
    let again = fill(&arena, "orders").ended();
    assert_eq!(again.code, 2, "{}", again.text());
}

#[test]
fn a_column_that_gets_another_type_ends_the_run() {
    check_change("alter table orders alter column n type bigint");
}
