//! Whatever kills a `create` at whichever of its points, what is listed is what was listed before, nothing of it lives
//! on, and the same command works.
//!
//! `scripts/soak backup-kill` visits every point; a test visits some of them, spread over all.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a helper that fails, fails its test, and tells what it does"
)]

mod aftermath;
mod ground;

use std::process::{Command, Stdio};

use aftermath::{mark, marked, noise, start, wait_until_gone, wait_until_noticed};
use ground::{Ground, done};
use serde_json::Value;

/// The smaller database is dumped in some forty readings, the larger one in hundreds, and stored in three parts.
const SMALL: (&str, &[&str]) = ("erp", &[]);
const LARGE: (&str, &[&str]) = ("noise", &[]);
const IN_FILES: (&str, &[&str]) = ("erp", &["--layout", "directory", "--jobs", "2"]);

/// Every point at which a run is killed: what it does, and `NAME[:PASS]`.
fn deaths() -> Vec<((&'static str, &'static [&'static str]), String)> {
    let small = [
        "planned",
        "claimed",
        "leased",
        "snapshot",
        "read:1",
        "read:2",
        "read:4",
        "read:8",
        "read:16",
        "read:24",
        "read:32",
        "ended",
        "stored:1",
        "stored:2",
        "dumped",
        "stored:3",
        "stored:4",
        "stored:5",
        "held",
        "commit",
        "committed",
    ];
    let large = [
        "part:1", "part:2", "part:3", "read:40", "read:80", "read:120", "read:160", "read:200", "read:240",
        "read:280", "read:320", "read:400", "ended", "stored:1", "commit",
    ];
    let in_files = [
        "leased",
        "snapshot",
        "dumping",
        "spooled",
        "read:1",
        "read:3",
        "stored:1",
        "stored:2",
        "stored:3",
        "stored:4",
        "dumped",
        "stored:5",
        "stored:6",
        "commit",
        "committed",
    ];
    let of = |run, points: &[&str]| points.iter().map(|point| (run, (*point).to_owned())).collect::<Vec<_>>();
    [of(SMALL, &small), of(LARGE, &large), of(IN_FILES, &in_files)].concat()
}

struct Rounds {
    ground: Ground,
    spool: String,
}

impl Rounds {
    fn over(ground: Ground) {
        ground.shop(20_000);
        ground.postgres.create_database("noise").unwrap();
        noise(&ground, "noise", 17);
        let spool = ground.folder.path().join("spool");
        std::fs::create_dir(&spool).unwrap();
        let it = Rounds { ground, spool: spool.display().to_string() };
        let all = deaths();
        let asked = std::env::var("PG_BACKUP_KILL_ROUNDS").ok().and_then(|text| text.parse().ok());
        let rounds: usize = asked.unwrap_or(12);
        for round in 0..rounds {
            // Spread over all points, and over all of them again.
            let (run, point) = &all[round * all.len() / rounds.min(all.len()) % all.len()];
            it.round(*run, point);
        }
        println!("{rounds} rounds over {} points", all.len());
    }

    fn command(&self, (database, flags): (&str, &[&str])) -> Command {
        let usual = ["create", "--json", "--hold", "kept", "--spool", &self.spool];
        let mut command = self.ground.command(&[&usual, flags].concat());
        command.env("DATABASE_URL", self.ground.postgres.url(database));
        command
    }

    /// What is listed, a line for each backup.
    fn listed(&self, database: &str) -> Vec<String> {
        let listed = self.ground.run(&["list", "--json", "--database", database]);
        if listed.code == 2 && listed.summary()["reason"] == "not_found" {
            return Vec::new();
        }
        let mut lines: Vec<_> = listed.expect(0).stdout.lines().map(str::to_owned).collect();
        lines.pop();
        lines
    }

    fn round(&self, run: (&str, &[&str]), point: &str) {
        let place = format!("{} {:?} at {point}", run.0, run.1);
        let before = self.listed(run.0);
        let mut killed = self.command(run);
        mark(&mut killed, &place);
        let killed = done(killed.env("SLIPWAY_FAULT", format!("{point}=kill")));
        assert_eq!(killed.code, -1, "{place}: it was not killed: {}", killed.stderr);
        let after = self.listed(run.0);
        if point == "committed" {
            assert_eq!(after[..before.len()], before, "{place}");
            let last: Value = serde_json::from_str(&after[before.len()]).unwrap();
            self.assert_whole(run, last["id"].as_str().unwrap());
        } else {
            assert_eq!(after, before, "{place}");
        }
        wait_until_gone(&place);
        wait_until_noticed(&self.ground);
        let made = done(&mut self.command(run));
        assert_eq!(made.code, 0, "{place}: the same command: {}", made.stderr);
        self.assert_whole(run, made.summary()["id"].as_str().unwrap());
        assert_eq!(self.listed(run.0).len(), after.len() + 1, "{place}");
        assert_eq!(
            std::fs::read_dir(&self.spool).unwrap().count(),
            0,
            "{place}: something is left in the spool"
        );
    }

    /// Every object can be read to its end.
    fn assert_whole(&self, (database, _): (&str, &[&str]), id: &str) {
        let shown = self.ground.run(&["show", id, "--json", "--database", database]).expect(0).summary();
        for object in shown["manifest"]["objects"].as_array().unwrap() {
            let name = object["name"].as_str().unwrap();
            let mut cat = self.ground.command(&["cat", id, "--object", name, "--database", database]);
            assert!(cat.stdout(Stdio::null()).status().unwrap().success(), "{id}: {name}");
        }
    }
}

#[test]
fn there_are_fifty_points() {
    assert!(deaths().len() >= 50, "{}", deaths().len());
}

#[test]
fn a_run_that_dies_at_any_point_changes_nothing_in_a_folder() {
    Rounds::over(Ground::with_folder());
}

#[test]
fn a_run_that_dies_at_any_point_changes_nothing_on_s3() {
    Rounds::over(Ground::with_s3());
}

/// A dump that waits for a lock writes nothing and so meets no broken pipe: only the kernel tells it.
#[test]
fn a_dump_that_waits_does_not_outlive_a_killed_run() {
    for flags in [SMALL.1, IN_FILES.1] {
        let ground = Ground::with_folder();
        ground.shop(10);
        let spool = ground.folder.path().display().to_string();
        let mut run = ground.command(&[&["create", "--spool", &spool], flags].concat());
        mark(&mut run, &spool);
        let mut run = start(run.env("SLIPWAY_FAULT", "snapshot=stop"));
        ground.wait_until_stopped(run.id());
        // It queues behind the lock of the snapshot, and the dump behind it; it has the lock when the snapshot is gone.
        let lock = "begin; lock table customer in access exclusive mode; select pg_sleep(3600)";
        let psql = ground.postgres.program("psql");
        let mut locker =
            Command::new(psql).args(["-qX", "-d", &ground.postgres.url("erp"), "-c", lock]).spawn().unwrap();
        ground.wait_for("select count(*) from pg_locks where not granted", "1");
        ground.resume(run.id());
        ground.wait_for("select count(*) from pg_locks where not granted", "2");
        assert!(marked(&spool).iter().any(|line| line.contains("pg_dump")), "{:?}", marked(&spool));
        run.kill().unwrap();
        run.wait().unwrap();
        wait_until_gone(&spool);
        locker.kill().unwrap();
        locker.wait().unwrap();
    }
}
