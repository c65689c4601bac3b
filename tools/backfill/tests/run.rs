//! Jobs against a real PostgreSQL: filled whole, in parts, by several workers, and after a kill.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;
use testbed::{Postgres, PostgresOptions};

/// One cluster for all tests of this program; it ends with the process.
fn cluster() -> &'static Postgres {
    static CLUSTER: OnceLock<Postgres> = OnceLock::new();
    CLUSTER.get_or_init(|| Postgres::start(&PostgresOptions::default()).unwrap())
}

/// A database of its own with a table to count up in.
struct Shop {
    name: &'static str,
    url: String,
}

impl Shop {
    fn open(name: &'static str) -> Shop {
        let url = cluster().create_database(name).unwrap();
        let shop = Shop { name, url };
        shop.sql(
            "create table item (id int primary key, cents int not null, n int not null default 0, price numeric(9,2));
             insert into item (id, cents) select i, i from generate_series(1, 5000) i; analyze item",
        );
        shop
    }

    fn sql(&self, sql: &str) -> String {
        cluster().sql(self.name, sql).unwrap()
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_backfill"));
        command.args(words).env("DATABASE_URL", &self.url).stdin(Stdio::null());
        command
    }

    fn tool(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// Runs a job at full speed; its exit code and summary.
    fn run(&self, words: &[&str]) -> (i32, Value) {
        let base =
            ["run", "--table", "item", "--window", "always", "--duty", "1", "--batch-size", "100", "--json"];
        ended(&self.tool(&[&base, words].concat()))
    }
}

fn ended(output: &Output) -> (i32, Value) {
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last().unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code().unwrap(), serde_json::from_str(last).unwrap())
}

#[test]
fn every_row_is_filled_and_a_second_run_does_nothing() {
    let shop = Shop::open("whole");
    let (code, summary) = shop.run(&["--set", "price=cents/100.0"]);
    assert_eq!((code, &summary["reason"], &summary["rows_written"]), (0, &"done".into(), &5000.into()));
    assert_eq!(shop.sql("select count(*) from item where price is distinct from cents/100.0"), "0");
    let (code, summary) = shop.run(&["--set", "price=cents/100.0"]);
    assert_eq!((code, &summary["batches"]), (0, &0.into()));
}

#[test]
fn four_workers_share_a_job_and_fill_each_row_once() {
    let shop = Shop::open("shared");
    let (code, summary) = shop.run(&["--set", "n=n+1", "--workers", "4"]);
    assert_eq!((code, &summary["rows_written"]), (0, &5000.into()), "{summary}");
    assert_eq!(shop.sql("select min(n), max(n) from item"), "1|1");
}

#[test]
fn a_run_that_is_killed_anywhere_resumes_and_fills_each_row_once() {
    let shop = Shop::open("killed");
    for point in ["init.recorded", "chunk.claimed", "batch.begun:3", "batch.updated:4", "batch.committed:5"] {
        let words = ["run", "--table", "item", "--set", "n=n+1", "--window", "always", "--batch-size", "100"];
        let killed = shop.command(&words).env("SLIPWAY_FAULT", format!("{point}=kill")).output().unwrap();
        assert_eq!(killed.status.code(), None, "{point}");
    }
    let (code, summary) = shop.run(&["--set", "n=n+1"]);
    assert_eq!((code, &summary["reason"]), (0, &"done".into()), "{summary}");
    assert_eq!(shop.sql("select min(n), max(n) from item"), "1|1");
}

#[test]
fn a_row_that_cannot_be_filled_is_left_out_and_told() {
    let shop = Shop::open("letters");
    shop.sql(
        "update item set cents = 0 where id in (777, 778, 5000); alter table item add check (price <> 0)",
    );
    let (code, summary) = shop.run(&["--set", "price=cents/100.0"]);
    assert_eq!((code, &summary["reason"], &summary["dead_letters"]), (1, &"dead_letters".into(), &3.into()));
    assert_eq!(shop.sql("select count(*) from item where price is null"), "3");
    assert_eq!(shop.sql("select string_agg(distinct sqlstate, ',') from backfill.deadletter"), "23514");
}

#[test]
fn nothing_is_written_for_a_job_that_is_refused() {
    let shop = Shop::open("refused");
    for set in
        ["price=random()", "price=centz", "price=1/(cents-cents)", "id=cents", "price=max(cents)", "nope=1"]
    {
        let output = shop.tool(&["init", "--table", "item", "--set", set]);
        assert_eq!(output.status.code(), Some(2), "{set}");
    }
    assert_eq!(shop.sql("select to_regnamespace('backfill') is null"), "t");
}

#[test]
fn a_closed_window_and_a_paused_job_leave_work_for_the_same_command() {
    let shop = Shop::open("waiting");
    let clock = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(clock.path(), "2026-11-24T00:00:00Z").unwrap();
    let clock = clock.path().to_str().unwrap();
    let words = ["run", "--table", "item", "--set", "n=n+1", "--json", "--test-clock", clock];
    let (code, summary) = ended(&shop.tool(&words));
    assert_eq!(
        (code, &summary["reason"], &summary["clock"]),
        (75, &"window_closed".into(), &"simulated".into())
    );
    assert_eq!(summary["opens_at"], "2026-11-24T17:00:00Z");
    assert_eq!(shop.tool(&["pause", "item-n", "--reason", "lunch"]).status.code(), Some(0));
    std::fs::write(clock, "2026-11-24T18:00:00Z").unwrap();
    let (code, summary) = ended(&shop.tool(&words));
    assert_eq!((code, &summary["reason"]), (75, &"paused".into()));
    assert_eq!(shop.tool(&["resume", "item-n"]).status.code(), Some(0));
    assert_eq!(ended(&shop.tool(&words)).0, 0);
    assert_eq!(shop.sql("select min(n), max(n) from item"), "1|1");
}
