//! What a store may do wrong: a run survives it or says what failed, nothing is recorded that is not whole, and the
//! same command works when the store does again.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails, fails its test")]

mod aftermath;
mod ground;

use std::process::Command;

use aftermath::noise;
use ground::{Done, Ground, done};
use testbed::{Fault, FaultProxy, Rule};

/// A store behind a proxy, and a database whose dump is stored in three parts.
struct Line {
    ground: Ground,
    proxy: FaultProxy,
}

impl Line {
    fn open() -> Line {
        let ground = Ground::with_s3();
        noise(&ground, "erp", 17);
        let server = ground.shelf.server();
        let proxy = FaultProxy::start(&server.endpoint()).unwrap();
        Line { ground, proxy }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.ground.command(arguments);
        command.env("AWS_ENDPOINT", self.proxy.endpoint());
        command
    }

    /// Runs a command while the store is at fault.
    #[track_caller]
    fn run(&self, rule: Rule, arguments: &[&str]) -> Done {
        let before = self.proxy.faults();
        self.proxy.add(rule);
        let did = done(&mut self.command(arguments));
        self.proxy.clear();
        assert!(self.proxy.faults() > before, "the fault was not met: {}{}", did.stdout, did.stderr);
        did
    }

    /// A `create` that outlives the fault: the backup exists and can be read to its end.
    #[track_caller]
    fn survives(&self, rule: Rule) {
        let before = self.ground.ids().len();
        let made = self.run(rule.clone(), &["create", "--json", "--timeout", "20s"]);
        assert_eq!(made.code, 0, "{rule:?}: {}", made.stderr);
        let id = made.summary()["id"].as_str().unwrap().to_owned();
        assert_eq!(self.ground.ids().len(), before + 1, "{rule:?}");
        self.ground.shell(&format!("pg-backup cat {id} | pg_restore --list")).expect(0);
    }

    /// A `create` that the fault ends so: nothing is recorded, and the same command works afterwards.
    #[track_caller]
    fn fails(&self, rule: Rule, code: i32, reason: &str) {
        let before = self.ground.ids();
        let failed = self.run(rule.clone(), &["create", "--json", "--timeout", "2s"]);
        assert_eq!(failed.code, code, "{rule:?}: {}{}", failed.stdout, failed.stderr);
        assert_eq!(failed.summary()["reason"], reason, "{rule:?}");
        assert_eq!(self.ground.ids(), before, "{rule:?}");
        done(&mut self.command(&["create"])).expect(0);
    }

    /// Whether the last upload in parts that was begun was also taken back.
    fn has_aborted(&self) -> bool {
        let is_abort = |(method, path): &(String, String)| method == "DELETE" && path.contains("uploadId=");
        self.proxy.seen().iter().any(is_abort)
    }
}

fn part(fault: Fault) -> Rule {
    Rule::new(fault).method("PUT").query("partNumber=2")
}

fn completion(fault: Fault) -> Rule {
    Rule::new(fault).method("POST").query("uploadId=")
}

fn manifest(fault: Fault) -> Rule {
    Rule::new(fault).method("PUT").key("manifest.json")
}

#[test]
fn what_passes_is_survived() {
    let line = Line::open();
    for rule in [
        part(Fault::Status(500)),
        part(Fault::SlowDown),
        part(Fault::Reset),
        part(Fault::AnswerLost),
        Rule::new(Fault::Status(500)).method("POST").query("uploads"),
        Rule::new(Fault::Reset).method("PUT").key("toc.txt"),
        Rule::new(Fault::AnswerLost).method("PUT").key("counts.json"),
        completion(Fault::Status(500)),
        completion(Fault::OkWithError),
        // The store has completed it: the object itself says so.
        completion(Fault::AnswerLost),
        manifest(Fault::SlowDown),
        manifest(Fault::Reset),
        // The backup exists, so it is told as made.
        manifest(Fault::AnswerLost),
        Rule::new(Fault::SlowDown).method("GET").key("store.json"),
    ] {
        line.survives(rule);
    }
    assert!(!line.has_aborted(), "{:?}", line.proxy.seen());
}

#[test]
fn parts_that_are_not_taken_end_the_backup_and_are_taken_back() {
    let line = Line::open();
    for rule in [
        part(Fault::Status(500)).always(),
        part(Fault::SlowDown).always(),
        part(Fault::Reset).always(),
        part(Fault::Stall).always(),
        completion(Fault::Status(500)).always(),
        completion(Fault::OkWithError).always(),
    ] {
        line.fails(rule, 75, "store_unreachable");
        assert!(line.has_aborted());
    }
}

#[test]
fn a_manifest_that_is_not_taken_is_no_backup() {
    let line = Line::open();
    line.fails(manifest(Fault::Status(403)).always(), 3, "store_denied");
    for fault in [Fault::Status(500), Fault::SlowDown, Fault::Reset, Fault::Stall] {
        line.fails(manifest(fault).always(), 75, "store_unreachable");
    }
}

#[test]
fn a_store_that_is_away_is_told_before_the_dump() {
    let line = Line::open();
    line.fails(Rule::new(Fault::Status(500)).always(), 75, "store_unreachable");
    line.fails(Rule::new(Fault::Stall).always(), 75, "store_unreachable");
    line.fails(Rule::new(Fault::Status(403)).always(), 2, "store_denied");
    let away = done(
        line.command(&["create", "--json", "--timeout", "1s"]).env("AWS_ENDPOINT", "http://127.0.0.1:1"),
    );
    assert_eq!(away.expect(75).summary()["reason"], "store_unreachable");
}

#[test]
fn an_object_that_the_store_lost_or_cut_is_no_backup() {
    let line = Line::open();
    line.fails(Rule::new(Fault::Status(404)).method("HEAD").key("dump.pgc").always(), 3, "object_damaged");
}

#[test]
fn a_listing_without_its_second_page_is_no_listing() {
    let line = Line::open();
    for _ in 0..3 {
        done(&mut line.command(&["create"])).expect(0);
    }
    // The clusters, the databases, and what one holds: the rest of none may be missing.
    for number in 1..=4 {
        let cut = Rule::new(Fault::MissingPage).method("GET").query("list-type=2").nth(number);
        let failed = line.run(cut, &["list", "--json", "--timeout", "1s"]).expect(75);
        assert_eq!(
            (failed.stdout.lines().count(), &failed.summary()["reason"]),
            (1, &"store_unreachable".into())
        );
    }
    assert_eq!(line.ground.ids().len(), 3);
}

#[test]
fn what_comes_back_otherwise_than_it_was_stored_is_never_passed_for_whole() {
    let line = Line::open();
    let id = line.ground.create();
    let shown = line.ground.run(&["show", &id, "--json"]).expect(0).summary();
    let objects = shown["manifest"]["objects"].as_array().unwrap();
    let dump = objects.iter().find(|object| object["role"] == "dump").unwrap();
    let bytes = dump["bytes"].as_u64().unwrap();
    let read = |fault| Rule::new(fault).method("GET").key("dump.pgc").always();
    for offset in [0, 3, 1 << 20, (8 << 20) - 1, 8 << 20, bytes - 1] {
        let spoiled = line.run(read(Fault::FlipByte { offset }), &["cat", &id]);
        assert_eq!(spoiled.code, 3, "{offset}: {}", spoiled.stderr);
    }
    let cut = line.run(read(Fault::TruncatedBody), &["cat", &id, "--timeout", "1s"]);
    assert!(matches!(cut.code, 3 | 75), "{}: {}", cut.code, cut.stderr);
    let once = line.run(Rule::new(Fault::TruncatedBody).method("GET").key("dump.pgc"), &["cat", &id]);
    once.expect(0);
    let gone = line.run(read(Fault::Status(404)), &["cat", &id]).expect(3);
    assert!(gone.stderr.contains("is missing"), "{}", gone.stderr);
}

#[test]
fn a_manifest_that_comes_back_damaged_is_not_believed() {
    let line = Line::open();
    let id = line.ground.create();
    let spoiled = Rule::new(Fault::FlipByte { offset: 200 }).method("GET").key("manifest.json").always();
    let refused = line.run(spoiled.clone(), &["cat", &id]).expect(2);
    assert_eq!(refused.stdout, "");
    let listed = line.run(spoiled, &["list", "--json"]).expect(0);
    assert_eq!((&listed.summary()["backups"], &listed.summary()["unreadable"]), (&0.into(), &1.into()));
}

#[test]
fn a_bucket_whose_mark_is_gone_is_not_written_to() {
    let line = Line::open();
    let id = line.ground.create();
    let mark = line.ground.shelf.files().join("v1/store.json");
    let text = std::fs::read(&mark).unwrap();
    std::fs::remove_file(&mark).unwrap();
    let refused = line.ground.run(&["create", "--json"]).expect(2);
    assert_eq!(refused.summary()["reason"], "foreign_bucket");
    assert_eq!(line.ground.ids(), [id]);
    std::fs::write(&mark, text).unwrap();
    line.ground.run(&["create"]).expect(0);
}
