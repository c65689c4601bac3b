//! The moments at which a crash is worst, one by one: dead, asleep, or cut off from the answer.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails, fails its test")]

mod arena;

use std::thread;
use std::time::Instant;

use arena::{Arena, Ended, Fill, LIMIT};
use serde_json::Value;
use testbed::{CutProxy, Signal};

/// A lease ends by itself after half a minute; whoever takes less has not waited for that.
const LEASE_S: f64 = 30.0;
/// Eight batches.
const ROWS: u32 = 400;

fn fill(arena: &Arena, table: &str) -> Fill {
    arena.fill(table, table).with(&["--batch-size", "50"])
}

#[track_caller]
fn assert_did_not_wait_for_a_lease(summary: &Value) {
    assert!(summary["elapsed_s"].as_f64().unwrap() < LEASE_S / 2.0, "{summary}");
}

/// Dies at the point; the same command completes the work, without waiting for the lease of the dead.
#[track_caller]
fn check_kill(point: &str) {
    let arena = Arena::open();
    arena.table("t", ROWS);
    let dead = fill(&arena, "t").fault(&format!("{point}=kill")).ended();
    assert_eq!(dead.code, 137, "{}", dead.text());
    assert_did_not_wait_for_a_lease(&fill(&arena, "t").ended().assert(0, "done"));
    arena.assert_filled_once("t", "t");
}

#[test]
fn resumes_after_a_death_with_the_job_recorded_and_not_begun() {
    check_kill("init.recorded");
}

#[test]
fn resumes_after_a_death_with_a_chunk_claimed_and_not_begun() {
    check_kill("chunk.claimed");
}

#[test]
fn resumes_after_a_death_at_any_point_of_the_first_a_middle_or_the_last_batch() {
    for point in ["batch.begun", "batch.updated", "batch.committed"] {
        for pass in [1, 3, 8] {
            check_kill(&format!("{point}:{pass}"));
        }
    }
}

#[test]
fn resumes_after_a_death_with_the_job_done_and_not_told() {
    check_kill("pass.closed");
}

#[test]
fn a_row_that_was_left_out_before_a_death_is_left_out_once() {
    let arena = Arena::open();
    arena.table("t", ROWS);
    arena.sql("alter table t add check (id <> 77 or n = 0)");
    let dead = fill(&arena, "t").fault("deadletter.written=kill").ended();
    assert_eq!(dead.code, 137, "{}", dead.text());
    let summary = fill(&arena, "t").ended().assert(1, "dead_letters");
    assert_eq!((&summary["rows_written"], &summary["dead_letters"]), (&(ROWS - 1).into(), &1.into()));
    assert_eq!(arena.sql("select n, count(*) from t group by n order by n"), "0|1\n1|399");
    assert_eq!(arena.sql("select key, tries, sqlstate from backfill.deadletter"), "[\"77\"]|1|23514");
}

/// Sleeps at the point until another run has taken its chunk and finished, then wakes. Where its session is alive,
/// only the number of the claim keeps it from filling rows again.
fn zombie(point: &str, timeouts: &str) -> Ended {
    let arena = Arena::open();
    arena.table("t", ROWS);
    let file = arena.file("timeouts.toml", timeouts);
    let asleep = fill(&arena, "t").with(&[&file]).fault(&format!("{point}=stop")).start();
    asleep.wait_for_state('T');
    arena.sql("update backfill.chunk set lease_until = clock_timestamp() - interval '1 s'");
    fill(&arena, "t").with(&[&file]).ended().assert(0, "done");
    arena.assert_filled_once("t", "t");
    asleep.signal(Signal::CONT);
    let woken = asleep.ended();
    woken.assert(0, "done");
    arena.assert_filled_once("t", "t");
    woken
}

/// The server ends a transaction that sleeps, so that its row locks hurt nobody for long.
const IMPATIENT: &str = "timeouts = { statement = \"1s\" }";

#[test]
fn a_sleeper_with_updated_rows_wakes_to_a_lost_session_and_writes_nothing() {
    assert_eq!(zombie("batch.updated:3", IMPATIENT).events("reconnected").len(), 1);
}

#[test]
fn a_sleeper_before_its_update_wakes_to_a_lost_lease_and_takes_the_update_back() {
    assert_eq!(zombie("batch.begun:3", "").events("lost_lease").len(), 1);
}

#[test]
fn a_sleeper_between_two_batches_wakes_to_a_lost_lease_and_writes_nothing() {
    assert_eq!(zombie("batch.committed:3", "").events("lost_lease").len(), 1);
}

#[test]
fn a_sleeper_before_its_first_batch_wakes_to_a_lost_lease_and_writes_nothing() {
    assert_eq!(zombie("chunk.claimed", "").events("lost_lease").len(), 1);
}

/// The chunk is not finished when the sleeper wakes: the number of the claim alone keeps it out.
#[test]
fn a_sleeper_that_wakes_while_another_is_at_work_writes_nothing() {
    let arena = Arena::open();
    arena.table("t", ROWS);
    let mut asleep = fill(&arena, "t").fault("batch.committed:3=stop").start();
    asleep.wait_for_state('T');
    arena.sql("update backfill.chunk set lease_until = clock_timestamp() - interval '1 s'");
    let at_work = fill(&arena, "t").fault("batch.committed:2=stop").start();
    at_work.wait_for_state('T');
    asleep.signal(Signal::CONT);
    asleep.wait_for("lost_lease");
    assert_eq!(arena.sql("select n, count(*) from t group by n order by n"), "0|150\n1|250");
    at_work.signal(Signal::CONT);
    at_work.ended().assert(0, "done");
    asleep.ended().assert(0, "done");
    arena.assert_filled_once("t", "t");
}

/// The server does what the message with this text asks for, and the answer is lost, as often as asked.
#[track_caller]
fn cut(arena: &Arena, text: &str, times: usize) -> Ended {
    arena.table("t", ROWS);
    let proxy = CutProxy::start(arena.postgres().address()).unwrap();
    proxy.cut_after_answer_to(text);
    let run = fill(arena, "t").at(proxy.url(&arena.url())).start();
    for cuts in 1..=times {
        wait_for_cuts(&proxy, cuts);
        if cuts < times {
            proxy.cut_after_answer_to(text);
        }
    }
    run.ended()
}

#[track_caller]
fn wait_for_cuts(proxy: &CutProxy, cuts: usize) {
    let deadline = Instant::now() + LIMIT;
    while proxy.cuts() < cuts {
        assert!(Instant::now() < deadline, "{} cuts instead of {cuts}", proxy.cuts());
        thread::yield_now();
    }
}

/// Whatever answer is lost, the run goes on by itself, and at once.
#[track_caller]
fn check_cut(text: &str, times: usize) {
    let arena = Arena::open();
    let summary = cut(&arena, text, times).assert(0, "done");
    assert_eq!(summary["reconnects"], times, "{summary}");
    assert_did_not_wait_for_a_lease(&summary);
    arena.assert_filled_once("t", "t");
}

#[test]
fn a_lost_answer_to_a_commit_is_found_out_each_time() {
    check_cut("with moved as", 4);
}

#[test]
fn a_lost_answer_to_the_last_commit_of_a_chunk_is_found_out() {
    check_cut("is_done = true", 1);
}

#[test]
fn a_lost_answer_to_a_claim_makes_nobody_wait_for_the_lease() {
    check_cut("claimed as (update", 1);
}

#[test]
fn a_lost_answer_to_the_end_of_the_job_ends_the_run_well() {
    check_cut("set state = 'done'", 1);
}

#[test]
fn a_lost_answer_while_recording_a_job_is_temporary() {
    for text in ["create schema", "insert into backfill.job"] {
        let arena = Arena::open();
        let ended = cut(&arena, text, 1);
        assert_eq!(ended.code, 75, "{}", ended.text());
        fill(&arena, "t").ended().assert(0, "done");
        arena.assert_filled_once("t", "t");
    }
}

/// The sessions of worker, watch and run at once: the summary is right all the same.
#[test]
fn a_wire_that_is_cut_everywhere_is_tied_again_everywhere() {
    let arena = Arena::open();
    arena.table("t", 20_000);
    let proxy = CutProxy::start(arena.postgres().address()).unwrap();
    let run = fill(&arena, "t").but("--batch-size", "10").at(proxy.url(&arena.url())).start();
    for _ in 0..3 {
        arena.wait_for_checkpoints("t", 10);
        proxy.cut_now();
    }
    let summary = run.ended().assert(0, "done");
    assert_eq!((&summary["reconnects"], &summary["rows_written"]), (&3.into(), &20_000.into()), "{summary}");
    arena.assert_filled_once("t", "t");
}
