//! Whatever dies whenever, every row is filled exactly once.
//!
//! Rounds of: start the tool, and at a random moment `kill -9` it; in each third round its sessions are terminated
//! before, in each tenth the server crashes before. All the while pgbench works on the same server. `scripts/soak kill`
//! runs more rounds on a larger table.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a helper fails its test, and tells the seed")]

mod arena;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use arena::pgbench::Pgbench;
use arena::{Arena, Fill, Run};
use testbed::Stop;

const TERMINATE: &str = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
                         where application_name like 'backfill%' and datname = current_database()";

/// What a kill loop does.
struct Plan {
    rounds: u64,
    rows: u32,
    /// Runs at a time, each with as many workers.
    runs: usize,
    workers: &'static str,
    /// Pgbench's accounts instead of a table of their own.
    fills_accounts: bool,
}

/// A kill loop under way.
struct Loop {
    arena: Arena,
    plan: Plan,
    random: Random,
    pgbench: Pgbench,
    /// Job and table of the moment, and how many jobs were finished before it.
    job: String,
    table: String,
    finished: u32,
    /// Rounds that died in the middle of work.
    interrupted: u64,
}

impl Loop {
    fn run(plan: Plan) {
        let arena = Arena::alone();
        let pgbench = Pgbench::begin(&arena);
        let (job, table) = (String::new(), "pgbench_accounts".to_owned());
        let mut it =
            Loop { arena, plan, random: Random::new(), pgbench, job, table, finished: 0, interrupted: 0 };
        it.next_table();
        for round in 1..=it.plan.rounds {
            it.round(round);
        }
        it.finish_table();
        it.pgbench.end(&it.arena);
        println!("{} rounds, {} interrupted, {} tables", it.plan.rounds, it.interrupted, it.finished);
        assert!(it.interrupted * 2 > it.plan.rounds, "only {} rounds died at work", it.interrupted);
    }

    fn next_table(&mut self) {
        self.job = format!("job{}", self.finished);
        if self.plan.fills_accounts {
            let column = "alter table pgbench_accounts drop column if exists n";
            self.arena
                .sql(&format!("{column}; alter table pgbench_accounts add column n int not null default 0"));
        } else {
            self.table = format!("t{}", self.finished);
            self.arena.table_in_chunks(&self.table, self.plan.rows, 9);
        }
    }

    fn fill(&self) -> Fill {
        // Two clients of pgbench may wait for each other, which is no reason to rest.
        let file = self.arena.file("throttle.toml", "throttle = { lock_waiters = 20 }");
        let batch = if self.plan.fills_accounts { "50" } else { "10" };
        let fill = self.arena.fill(&self.job, &self.table);
        fill.with(&[&file, "--batch-size", batch, "--workers", self.plan.workers])
    }

    fn round(&mut self, round: u64) {
        let before = self.arena.checkpoints(&self.job);
        let fill = self.fill();
        let mut runs: Vec<Run> = (0..self.plan.runs).map(|_| fill.start()).collect();
        let mut is_running = self.outlive(&mut runs, 150, 900);
        let codes: &[i32] = if round.is_multiple_of(10) {
            self.arena.server().stop(Stop::Immediate).unwrap();
            self.arena.server().start_again().unwrap();
            self.pgbench.begin_again();
            is_running &= self.outlive(&mut runs, 0, 600);
            &[0, 75, 137]
        } else if round.is_multiple_of(3) {
            self.arena.sql(TERMINATE);
            is_running &= self.outlive(&mut runs, 0, 600);
            &[0, 75, 137]
        } else {
            &[0, 137]
        };
        for ended in runs.into_iter().map(Run::killed) {
            let complaints = self.arena.complaints();
            assert!(codes.contains(&ended.code), "round {round}: {}\n{complaints}", ended.text());
            is_running &= ended.code == 137;
        }
        self.interrupted += u64::from(is_running && self.arena.checkpoints(&self.job) > before);
        if self.is_done() {
            self.finish_table();
            self.next_table();
        }
    }

    /// Whether all are still running after a random time.
    fn outlive(&mut self, runs: &mut [Run], least_ms: u64, most_ms: u64) -> bool {
        let mut moment = self.random.between(least_ms, most_ms);
        runs.iter_mut().all(|run| run.outlives(std::mem::take(&mut moment)))
    }

    fn is_done(&self) -> bool {
        let state = format!("select state from backfill.job where name = '{}'", self.job);
        self.arena.postgres().sql("postgres", &state).is_ok_and(|state| state == "done")
    }

    /// The same command once more, undisturbed.
    fn finish_table(&mut self) {
        self.fill().ended().assert(0, "done");
        self.arena.assert_filled_once(&self.job, &self.table);
        self.finished += 1;
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014), from a seed that is told when the test fails.
struct Random(u64);

impl Random {
    fn new() -> Random {
        let given = std::env::var("BACKFILL_KILL_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| RandomState::new().build_hasher().finish());
        println!("BACKFILL_KILL_SEED={seed}");
        Random(seed)
    }

    fn between(&mut self, least_ms: u64, most_ms: u64) -> Duration {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Duration::from_millis(least_ms + (mixed ^ (mixed >> 31)) % (most_ms - least_ms))
    }
}

/// What the soak sets, else what a test has time for.
fn asked<T: std::str::FromStr>(name: &str, usual: T) -> T {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn plan(runs: usize, workers: &'static str) -> Plan {
    let (rounds, rows) = (asked("BACKFILL_KILL_ROUNDS", 20), asked("BACKFILL_KILL_ROWS", 40_000));
    Plan { rounds, rows, runs, workers, fills_accounts: false }
}

#[test]
fn one_worker_that_dies_at_any_moment_fills_every_row_once() {
    Loop::run(plan(1, "1"));
}

#[test]
fn two_runs_of_four_workers_that_die_at_any_moment_fill_every_row_once() {
    Loop::run(plan(2, "4"));
}

#[test]
fn rows_that_pgbench_changes_meanwhile_are_filled_once_and_its_sums_hold() {
    Loop::run(Plan { fills_accounts: true, ..plan(1, "2") });
}
