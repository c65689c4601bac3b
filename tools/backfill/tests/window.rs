//! Work happens within the window and stops when somebody says so; all of it is written down.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails, fails its test")]

mod zoo;

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use zoo::{Did, Tool, Zoo};

const ROWS: &str = "create table t (id int primary key, old text, new text);
    insert into t select n, 'value ' || n from generate_series(1, 2000) n;";
const SPEC: &str = "table = 't'\nset = { new = 'upper(old)' }\n";
const SLOW: &str = "batch = { size = 10, duty = 0.05 }\n";
const FAST: &str = "batch = { size = 1000, duty = 1 }\n";
const NIGHTS: &str = "window = '02:00-05:00 Asia/Seoul'\n";
const LEFT: &str = "select count(*) from t where new is null";

/// A database, and a clock that stands where the test puts it.
struct Night {
    zoo: Zoo<'static>,
    clock: PathBuf,
}

impl Night {
    fn at(now: &str) -> Night {
        let zoo = Zoo::open(ROWS);
        let clock = zoo.file("clock", now);
        Night { zoo, clock }
    }

    fn set(&self, now: &str) {
        std::fs::write(&self.clock, now).unwrap();
    }

    fn run(&self, text: &str, more: &[&str]) -> Did {
        let job = self.zoo.job("t", &format!("{SPEC}{text}"));
        self.zoo.backfill(&[self.arguments(&job)[..].as_ref(), more].concat())
    }

    fn start(&self, text: &str, more: &[&str]) -> Tool {
        let job = self.zoo.job("t", &format!("{SPEC}{text}"));
        self.zoo.start(&[self.arguments(&job)[..].as_ref(), more].concat())
    }

    fn arguments<'a>(&'a self, job: &'a std::path::Path) -> [&'a str; 5] {
        ["run", job.to_str().unwrap(), "--json", "--test-clock", self.clock.to_str().unwrap()]
    }

    /// Every line and event knows that time was moved.
    #[track_caller]
    fn is_simulated(&self, lines: &[Value]) {
        let clocks = lines.iter().filter_map(|line| line.get("clock")).collect::<Vec<_>>();
        assert!(!clocks.is_empty() && clocks.iter().all(|clock| **clock == "simulated"), "{lines:?}");
        assert_eq!(self.zoo.sql("select string_agg(distinct clock, ',') from backfill.event"), "simulated");
    }
}

#[test]
fn a_closed_window_says_when_it_opens() {
    let night = Night::at("2026-11-24T12:00:00Z");
    let did = night.run(NIGHTS, &[]);
    let summary = did.last();
    assert_eq!((did.exit, &summary["reason"], &summary["rows"]), (75, &json!("window_closed"), &json!(0)));
    assert_eq!(summary["opens_at"], "2026-11-24T17:00:00Z");
    night.is_simulated(&did.lines());
    assert_eq!(night.run(NIGHTS, &["--window-exit-0"]).exit, 0);
    assert_eq!(night.zoo.sql(LEFT), "2000");
    night.set("2026-11-24T17:00:00Z");
    let did = night.run(&format!("{NIGHTS}{FAST}"), &[]);
    assert_eq!((did.exit, night.zoo.sql(LEFT).as_str()), (0, "0"));
    night.is_simulated(&did.lines());
}

#[test]
fn a_window_that_closes_stops_the_work_and_the_next_night_resumes_it() {
    let night = Night::at("2026-11-24T19:59:00Z");
    let mut run = night.start(&format!("{NIGHTS}{SLOW}"), &[]);
    run.until_working();
    night.set("2026-11-24T20:00:00Z");
    let (exit, summary) = run.end();
    assert_eq!((exit, &summary["reason"]), (75, &json!("window_closed")), "{summary}");
    assert_eq!(summary["opens_at"], "2026-11-25T17:00:00Z");
    let written = summary["rows_written"].as_i64().unwrap();
    assert!(written > 0 && written < 2000, "{summary}");
    assert_eq!(night.zoo.sql("select count(*) from backfill.chunk where lease_until is not null"), "0");
    night.set("2026-11-25T17:00:00Z");
    let did = night.run(&format!("{NIGHTS}{FAST}"), &[]);
    assert_eq!((did.exit, &did.last()["rows"]), (0, &json!(2000 - written)), "no row is filled twice");
    assert_eq!(night.zoo.events("t"), "recorded running stopped done stopped");
}

#[test]
fn a_batch_that_would_end_after_the_window_does_not_begin() {
    // A batch is expected to take its 150 ms at first.
    let night = Night::at("2026-11-24T19:59:59.9Z");
    let did = night.run(NIGHTS, &[]);
    assert_eq!((did.exit, &did.last()["batches"]), (75, &json!(0)));
}

#[test]
fn until_done_waits_for_the_next_night_even_if_its_session_is_cut() {
    let night = Night::at("2026-11-24T19:59:00Z");
    let mut run = night.start(&format!("{NIGHTS}{SLOW}"), &["--until-done"]);
    run.until_working();
    night.set("2026-11-24T20:00:00Z");
    let waiting = run.until_type("waiting");
    assert_eq!(
        (&waiting["reason"], &waiting["opens_at"]),
        (&json!("window_closed"), &json!("2026-11-25T17:00:00Z"))
    );
    night.zoo.sql("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'backfill'");
    night.zoo.backfill(&["rate", "t", "1", "--test-clock", night.clock.to_str().unwrap()]);
    night.set("2026-11-25T17:00:00Z");
    let (exit, summary) = run.end();
    assert_eq!((exit, night.zoo.sql(LEFT).as_str(), &summary["rows"]), (0, "0", &json!(2000)), "{summary}");
    assert_eq!(run.seen.iter().filter(|line| line["type"] == "waiting").count(), 1, "waiting is told once");
    night.is_simulated(&run.seen);
}

#[test]
fn windows_pass_midnight_and_keep_their_hours_when_clocks_change() {
    let night = Night::at("2026-11-24T00:00:00Z");
    for (number, (window, now, is_open)) in [
        // Tuesday 00:30 in Seoul belongs to Monday's window, Monday 00:30 to no window.
        ("mon 23:00-01:00 Asia/Seoul", "2026-11-23T15:30:00Z", true),
        ("mon 23:00-01:00 Asia/Seoul", "2026-11-22T15:30:00Z", false),
        // On 8 March 02:00 is followed by 03:00 in New York: this window has one hour.
        ("01:30-03:30 America/New_York", "2026-03-08T06:29:00Z", false),
        ("01:30-03:30 America/New_York", "2026-03-08T06:31:00Z", true),
        ("01:30-03:30 America/New_York", "2026-03-08T07:29:00Z", true),
        ("01:30-03:30 America/New_York", "2026-03-08T07:31:00Z", false),
        // On 1 November 01:00 to 02:00 comes twice: it has three.
        ("01:30-03:30 America/New_York", "2026-11-01T05:29:00Z", false),
        ("01:30-03:30 America/New_York", "2026-11-01T05:31:00Z", true),
        ("01:30-03:30 America/New_York", "2026-11-01T08:29:00Z", true),
        ("01:30-03:30 America/New_York", "2026-11-01T08:31:00Z", false),
    ]
    .into_iter()
    .enumerate()
    {
        night.set(now);
        let did = night.run(&format!("name = 'job {number}'\nwindow = '{window}'\n{FAST}"), &[]);
        assert_eq!(did.exit == 0, is_open, "{window} at {now}: {}", did.stdout);
        assert_eq!(did.exit == 75, !is_open, "{window} at {now}: {}", did.stdout);
    }
}

#[test]
fn a_pause_holds_until_it_is_taken_back() {
    let night = Night::at("2026-11-24T18:00:00Z");
    let mut run = night.start(SLOW, &[]);
    run.until_working();
    assert_eq!(night.zoo.backfill(&["pause", "t", "--reason", "a deploy"]).exit, 0);
    let (exit, summary) = run.end();
    assert_eq!((exit, &summary["reason"]), (75, &json!("paused")));
    let status = night.zoo.backfill(&["status", "t", "--json"]).lines().remove(0);
    assert_eq!(
        (&status["state"], &status["reason"], &status["workers"]),
        (&json!("paused"), &json!("a deploy"), &json!(0))
    );
    let again = night.run(FAST, &[]);
    assert_eq!((again.exit, &again.last()["batches"]), (75, &json!(0)));
    assert_eq!(night.zoo.backfill(&["resume", "t"]).exit, 0);
    assert_eq!(night.run(FAST, &[]).exit, 0);
    assert_eq!(night.zoo.events("t"), "recorded running paused stopped stopped resumed done stopped");
    let told = night.zoo.sql("select actor like '%@%/% as postgres', detail ->> 'reason' from backfill.event where kind = 'paused'");
    assert_eq!(told, "t|a deploy");
}

#[test]
fn a_cancelled_job_is_over() {
    let night = Night::at("2026-11-24T18:00:00Z");
    let mut run = night.start(SLOW, &[]);
    run.until_working();
    assert_eq!(night.zoo.backfill(&["cancel", "t", "--reason", "wrong table"]).exit, 0);
    let (exit, summary) = run.end();
    assert_eq!((exit, &summary["reason"], &summary["state"]), (3, &json!("cancelled"), &json!("cancelled")));
    for arguments in [&["run", "--name", "t"][..], &["resume", "t"], &["pause", "t"]] {
        assert_eq!(night.zoo.backfill(arguments).exit, 2, "{arguments:?}");
    }
    assert_eq!(night.zoo.backfill(&["cancel", "t"]).exit, 0, "twice is no error");
    assert_eq!(night.zoo.backfill(&["drop-state", "t"]).exit, 2, "it would lose the record");
    assert_eq!(night.zoo.backfill(&["drop-state", "t", "--yes"]).exit, 0);
    assert_eq!(night.run(FAST, &[]).exit, 0);
}

#[test]
fn a_rate_holds_for_workers_that_run() {
    let night = Night::at("2026-11-24T18:00:00Z");
    let mut run = night.start(SLOW, &[]);
    run.until_working();
    assert_eq!(night.zoo.backfill(&["rate", "t", "1%"]).exit, 0);
    let line = run.until("slower line", |line| line["duty"].as_f64().is_some_and(|duty| duty <= 0.01));
    assert_eq!(line["type"], "progress");
    assert_eq!(
        night.zoo.sql("select detail ->> 'duty' from backfill.event where kind = 'rate_changed'"),
        "0.01"
    );
    let status = night.zoo.backfill(&["status", "t", "--json"]).lines().remove(0);
    assert_eq!(
        (&status["state"], &status["duty"], &status["workers"]),
        (&json!("running"), &json!(0.01), &json!(1))
    );
}

#[test]
fn a_reader_of_the_status_may_leave() {
    let night = Night::at("2026-11-24T12:00:00Z");
    night.run(NIGHTS, &[]);
    let line = format!("{} status t --watch --json | head -1; exit ${{PIPESTATUS[0]}}", zoo::TOOL);
    let mut bash = Command::new("bash");
    bash.args(["-c", &line]).env("DATABASE_URL", &night.zoo.url);
    let output = bash.output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
    let line: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&line["type"], &line["state"]), (&json!("job"), &json!("ready")));
}

#[test]
fn status_lists_jobs_and_what_was_done_to_them() {
    let night = Night::at("2026-11-24T12:00:00Z");
    assert!(night.zoo.backfill(&["status"]).stdout.starts_with("no jobs in "));
    assert_eq!(night.zoo.backfill(&["status", "t"]).exit, 2);
    night.run(FAST, &[]);
    let events = night.zoo.backfill(&["status", "t", "--events", "--json"]).lines();
    let kinds: Vec<_> =
        events.iter().filter(|line| line["type"] == "event").map(|line| line["kind"].as_str()).collect();
    assert_eq!(kinds, [Some("recorded"), Some("running"), Some("done"), Some("stopped")]);
    assert!(night.zoo.backfill(&["status"]).stdout.contains("rows          2000 filled, 2000 keys seen"));
}
