//! Through PgBouncer in transaction mode a job completes, and leaves nothing in the sessions that others get next.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails, fails its test")]

mod zoo;

use serde_json::json;
use testbed::PgBouncer;
use zoo::{Session, Zoo};

const FIXTURE: &str = "
    create table t (id int primary key, old text, new text);
    insert into t select n, 'value ' || n from generate_series(1, 2000) n; analyze t;
    update pg_class set reltuples = 800000 where oid = 't'::regclass;
";
const SPEC: &str = "table = 't'\nset = { new = 'upper(old)' }\n";
/// What a session of the pool could have kept.
const KEPT: &str = "select count(*) from pg_prepared_statements; show lock_timeout; show statement_timeout; \
                    show idle_in_transaction_session_timeout; show synchronous_commit; show enable_seqscan; show enable_bitmapscan; show jit; \
                    select count(*) from pg_class where relnamespace = pg_my_temp_schema()";

/// A database behind a pooler.
fn behind(bouncer: &PgBouncer) -> Zoo<'static> {
    let zoo = Zoo::open(FIXTURE);
    Zoo { url: bouncer.url(&zoo.database), ..zoo }
}

/// Every session of the pool, each held by a transaction, is as new.
#[track_caller]
fn check_sessions(zoo: &Zoo<'_>) {
    let pooled = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()";
    let sessions: usize = zoo.sql(pooled).parse().unwrap();
    assert!(sessions > 0, "there is no pool");
    let mut held: Vec<Session> = Vec::new();
    for _ in 0..sessions {
        let mut session = zoo.session_at(&zoo.url);
        assert_eq!(session.ask(&format!("begin; {KEPT}")), ["0", "0", "0", "0", "on", "on", "on", "on", "0"]);
        held.push(session);
    }
    assert_eq!(zoo.sql(pooled), sessions.to_string(), "they were the pool's");
    assert_eq!(zoo.sql("select count(*) from pg_locks where locktype = 'advisory'"), "0");
}

#[test]
fn four_workers_share_a_pool_and_leave_it_clean() {
    let bouncer = PgBouncer::start(zoo::cluster(), &[]).unwrap();
    let zoo = behind(&bouncer);
    let job = zoo.job("t", &format!("{SPEC}batch = {{ size = 20, duty = 1, workers = 4 }}"));
    assert_eq!(zoo.backfill(&["plan", job.to_str().unwrap()]).exit, 0);
    assert_eq!(zoo.run(&job, 0)["rows"], 2000);
    assert_eq!(zoo.sql("select count(*) from t where new is distinct from upper(old)"), "0");
    check_sessions(&zoo);
}

#[test]
fn orders_and_errors_pass_the_pool() {
    let bouncer = PgBouncer::start(zoo::cluster(), &[]).unwrap();
    let zoo = behind(&bouncer);
    zoo.sql("alter table t add check (new <> 'VALUE 1999')");
    let job = zoo.job("t", &format!("{SPEC}batch = {{ size = 5, duty = 0.03, workers = 4 }}"));
    let mut run = zoo.start_run(&job, &[]);
    run.until_working();
    assert_eq!(zoo.backfill(&["status", "t", "--json"]).lines()[0]["workers"], 4);
    assert_eq!(zoo.backfill(&["pause", "t"]).exit, 0);
    assert_eq!(run.end().0, 75);
    check_sessions(&zoo);
    assert_eq!(zoo.backfill(&["resume", "t"]).exit, 0);
    let fast = zoo.job("t", &format!("{SPEC}batch = {{ size = 20, duty = 1, workers = 4 }}"));
    assert_eq!(zoo.run(&fast, 1)["dead_letters"], json!(1));
    check_sessions(&zoo);
}

#[test]
fn a_pool_smaller_than_the_workers_only_makes_them_wait() {
    let bouncer = PgBouncer::start(zoo::cluster(), &[testbed::Setting::new("default_pool_size", 2)]).unwrap();
    let zoo = behind(&bouncer);
    let job = zoo.job("t", &format!("{SPEC}batch = {{ size = 50, duty = 1, workers = 4 }}"));
    assert_eq!(zoo.run(&job, 0)["rows"], 2000);
}
