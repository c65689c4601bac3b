//! The work stops while something is wrong with the database, and goes on when that is over.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails, fails its test")]

mod zoo;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;

use serde_json::{Value, json};
use testbed::Postgres;
use zoo::{Tool, Zoo};

const ROWS: &str = "create table t (id int primary key, old text, new text, touched int default 0);
    insert into t select n, 'value ' || n from generate_series(1, 3000) n; create table other (n int); insert into other values (1);";
const SPEC: &str = "table = 't'\nset = { new = 'upper(old)' }\n";
const SLOW: &str = "batch = { size = 10, duty = 0.05 }\n";

/// A slow job with these limits, under way.
fn working(zoo: &Zoo<'_>, throttle: &str) -> Tool {
    let job = zoo.job("t", &format!("{SPEC}{SLOW}throttle = {{ {throttle} }}"));
    let mut run = zoo.start_run(&job, &[]);
    run.until_working();
    run
}

/// The next line that says what holds the work; at most this many lines about other things come before it.
#[track_caller]
fn held(run: &mut Tool, why: &str, looks: usize) -> Value {
    let before = run.seen.len();
    let is_it = |line: &Value| line["held"].as_str().is_some_and(|text| text.contains(why));
    let line = run.until(why, is_it);
    assert!(run.seen.len() - before <= looks, "{why} took {} looks", run.seen.len() - before);
    line
}

/// No row is written while the work is held: a batch that was under way may still have ended.
#[track_caller]
fn stands_still(run: &mut Tool) {
    let next = |run: &mut Tool| run.until_type("progress");
    let (first, second, third) = (next(run), next(run), next(run));
    for line in [&first, &second, &third] {
        assert!(line["held"].is_string() && line["duty"] == 0.0, "{line}");
    }
    assert_eq!(first["rows_written"], third["rows_written"]);
}

/// The work goes on by itself.
#[track_caller]
fn goes_on(run: &mut Tool, from: &Value) {
    let written = from["rows_written"].as_i64();
    let line =
        run.until("more rows", |line| line["type"] == "progress" && line["rows_written"].as_i64() > written);
    assert!(line["rows_written"].as_i64() > written, "{line}");
}

#[test]
fn a_standby_that_stops_replaying_holds_the_work() {
    let primary = Postgres::start(&zoo::options()).unwrap();
    let zoo = Zoo::open_in(&primary, ROWS);
    let standby = primary.standby(&[]).unwrap();
    let mut run = working(&zoo, "replica_lag_bytes = '300kB', replica_lag = '1h'");
    standby.sql("postgres", "select pg_wal_replay_pause()").unwrap();
    zoo.sql("create table bulk as select n, repeat('x', 100) from generate_series(1, 10000) n");
    // One look may have begun before, and the hold must come with the next.
    held(&mut run, "replica_lag_bytes", 3);
    stands_still(&mut run);
    standby.sql("postgres", "select pg_wal_replay_resume()").unwrap();
    let calm = run.until("calm", |line| line["type"] == "progress" && line["findings"] == json!([]));
    assert!(calm["held"].is_string(), "ten calm seconds come first: {calm}");
    goes_on(&mut run, &calm);
}

#[test]
fn a_slot_in_danger_holds_the_work_and_a_lost_one_ends_it() {
    let options = zoo::options().set("max_slot_wal_keep_size", "1MB").set("wal_keep_size", 0);
    let primary = Postgres::start(&options).unwrap();
    let zoo = Zoo::open_in(&primary, ROWS);
    let mut run = working(&zoo, "lock_waiters = 1000");
    zoo.sql("select pg_create_physical_replication_slot('laggard', true)");
    for _ in 0..4 {
        zoo.sql("insert into other values (2); select pg_switch_wal()");
    }
    let line = held(&mut run, "replication slot laggard is about to lose its WAL", 3);
    assert_eq!(line["findings"][0]["signal"], "slot");
    stands_still(&mut run);
    zoo.sql("checkpoint");
    let (exit, summary) = run.end();
    assert_eq!(
        (exit, &summary["reason"], &summary["state"]),
        (3, &json!("failed"), &json!("failed")),
        "{summary}"
    );
    assert_eq!(summary["detail"], "replication slot laggard lost its WAL");
    assert_eq!(zoo.sql("select reason from backfill.job"), "replication slot laggard lost its WAL");
}

#[test]
fn a_session_that_waits_for_us_stops_us() {
    let zoo = Zoo::open(ROWS);
    zoo.sql(
        "create function slowly() returns trigger language plpgsql as 'begin
             if new.id > 200 and new.new is distinct from old.new then perform pg_sleep(0.05); end if; return new; end';
         create trigger slowly before update on t for each row execute function slowly();",
    );
    let job = zoo.job("t", SPEC);
    let mut foreground = zoo.session();
    foreground.send(
        "do $$ begin for i in 1..1000 loop update t set touched = i where id = 205; commit; perform pg_sleep(0.01); end loop; end $$",
    );
    let mut run = zoo.start_run(&job, &[]);
    let line = held(&mut run, "sessions wait for us", 60);
    assert_eq!(
        (&line["findings"][0]["signal"], &line["findings"][0]["color"]),
        (&json!("blocked_by_us"), &json!("red"))
    );
    assert!(line["signals"]["blocked_by_us_ms"].as_f64() >= Some(250.0), "{line}");
}

#[test]
fn work_is_held_until_the_last_signal_is_calm() {
    let zoo = Zoo::open(ROWS);
    let (mut holder, mut waiter, mut busy) = (zoo.session(), zoo.session(), zoo.session());
    holder.ask("begin; update other set n = 2");
    waiter.send("update other set n = 3");
    busy.send("select pg_sleep(600)");
    let asleep = "select count(*) from pg_stat_activity where datname = current_database()
         and (wait_event_type = 'Lock' or wait_event = 'PgSleep')";
    zoo.wait_for(asleep, "2");
    let throttle = "hook = 'test -e calm', lock_waiters = 1, active = 1";
    let mut run = zoo.start_run(&zoo.job("t", &format!("{SPEC}throttle = {{ {throttle} }}")), &[]);
    let line = held(&mut run, "lock_waiters", 2);
    for signal in ["lock_waiters", "active", "hook"] {
        let findings = line["findings"].as_array().unwrap();
        let is_red = |finding: &&Value| finding["signal"] == signal && finding["color"] == "red";
        assert!(findings.iter().any(|finding| is_red(&finding)), "{signal}: {line}");
    }
    assert_eq!((stands_still(&mut run), line["keys_seen"].as_i64()), ((), Some(0)), "it does not even begin");
    holder.ask("commit");
    zoo.sql("select pg_cancel_backend(pid) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'");
    held(&mut run, "the hook says no", 60);
    zoo.file("calm", "");
    assert_eq!(run.end().0, 0);
    assert_eq!(zoo.sql("select count(*) from t where new is null"), "0");
}

#[test]
fn a_window_that_closes_on_held_work_says_that_the_database_had_no_time() {
    let zoo = Zoo::open(ROWS);
    let clock: PathBuf = zoo.file("clock", "2026-11-24T18:00:00Z");
    let nights = "window = '02:00-05:00 Asia/Seoul'";
    let job = zoo.job("t", &format!("{SPEC}{nights}\nthrottle = {{ hook = 'false', lock_waiters = 1000 }}"));
    let mut run = zoo.start_run(&job, &["--test-clock", clock.to_str().unwrap()]);
    held(&mut run, "the hook says no", 2);
    std::fs::write(&clock, "2026-11-24T20:00:00Z").unwrap();
    let (exit, summary) = run.end();
    assert_eq!(
        (exit, &summary["reason"], &summary["rows"]),
        (75, &json!("throttled"), &json!(0)),
        "{summary}"
    );
}

#[test]
fn counters_are_served_to_prometheus() {
    let zoo = Zoo::open(ROWS);
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let job = zoo.job("t", &format!("{SPEC}{SLOW}"));
    let mut run = zoo.start_run(&job, &["--metrics", &address.to_string()]);
    let line = run.until_working();
    let get = |path: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    };
    let page = get("/metrics");
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("text/plain; version=0.0.4"), "{page}");
    let value = |name: &str| {
        let found =
            page.lines().find_map(|line| line.strip_prefix(&format!("backfill_{name}{{job=\"t\"}} ")));
        found.unwrap_or_else(|| panic!("{name}: {page}")).parse::<f64>().unwrap()
    };
    assert!(value("rows_total") >= line["rows_written"].as_f64().unwrap());
    assert!(value("batches_total") > 0.0 && value("worked_seconds_total") > 0.0);
    assert!(value("duty") > 0.0 && value("held") == 0.0 && value("dead_letters") == 0.0);
    assert!(get("/").starts_with("HTTP/1.1 404"));
}

#[test]
fn an_address_that_is_taken_is_refused() {
    let zoo = Zoo::open(ROWS);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let did = zoo.backfill(&["run", zoo.job("t", SPEC).to_str().unwrap(), "--metrics", &address]);
    assert_eq!(did.exit, 2);
    assert!(did.stderr.contains(&format!("{address}: cannot listen")), "{}", did.stderr);
}
