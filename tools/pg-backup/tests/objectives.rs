//! `rpo` and `rto`: answers from evidence, by exit code, and what they cost.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails, fails its test")]

mod ground;

use ground::Done;
use ground::fixture::{DATABASE_BYTES, Fixture, noon};
use jiff::SignedDuration;
use pg_backup::evidence::{Level, Verdict};
use serde_json::{Value, json};
use testbed::{Fault, FaultProxy, Rule};

const RPO: &[&str] = &["rpo", "--max", "2h", "--json"];

/// What `rpo --max 2h` answers.
#[track_caller]
fn rpo(fixture: &Fixture, code: i32) -> Value {
    fixture.run(RPO).expect(code).summary()
}

/// Fails unless `rpo --max 2h` answers so.
#[track_caller]
fn check(fixture: &Fixture, code: i32, reason: &str, age_s: Option<u64>) {
    let summary = rpo(fixture, code);
    assert_eq!((&summary["reason"], &summary["age_s"]), (&json!(reason), &json!(age_s)), "{summary}");
}

#[test]
fn the_age_is_that_of_the_snapshot_of_the_newest_restored_backup() {
    let fixture = Fixture::in_folder();
    check(&fixture, 1, "no_backup", None);
    fixture.verified(5);
    check(&fixture, 1, "too_old", Some(5 * 3600));
    fixture.verified(2);
    check(&fixture, 0, "within", Some(2 * 3600));
    let newer = fixture.backup(1);
    let summary = rpo(&fixture, 0);
    assert_eq!((&summary["age_s"], &summary["newest_backup"]), (&json!(7200), &json!(newer.as_str())));
    fixture.prove(&newer);
    check(&fixture, 0, "within", Some(3600));
}

#[test]
fn evidence_that_is_gone_edited_or_of_other_bytes_proves_nothing() {
    let fixture = Fixture::in_folder();
    let id = fixture.backup(1);
    check(&fixture, 1, "nothing_proven", None);
    let key = fixture.evidence(&id, 10, |_| {});
    check(&fixture, 0, "within", Some(3600));
    let whole = std::fs::read_to_string(fixture.file(&key)).unwrap();
    let edited = whole.replace("\"restore_s\":240.0", "\"restore_s\":241.0");
    assert_ne!(edited, whole);
    for text in [&edited, "", "{}", &whole[..whole.len() - 1]] {
        fixture.write(&key, text.as_bytes());
        check(&fixture, 1, "nothing_proven", None);
    }
    fixture.write(&key, whole.as_bytes());
    check(&fixture, 0, "within", Some(3600));
    // The same evidence beside another manifest is about other bytes.
    fixture.changed(1, |manifest| manifest.database_bytes += 1);
    check(&fixture, 1, "nothing_proven", None);
    fixture.changed(1, |_| {});
    check(&fixture, 0, "within", Some(3600));
    std::fs::remove_file(fixture.file(&key)).unwrap();
    check(&fixture, 1, "nothing_proven", None);
}

#[test]
fn only_a_whole_restore_counts_and_a_later_damage_ends_it() {
    let fixture = Fixture::in_folder();
    fixture.verified(2);
    let id = fixture.backup(1);
    fixture.evidence(&id, 1, |evidence| evidence.level = Level::Decode);
    fixture.evidence(&id, 2, |evidence| evidence.verdict = Verdict::Inconclusive);
    fixture.evidence(&id, 3, |evidence| evidence.restore.as_mut().unwrap().found.rows -= 1);
    check(&fixture, 0, "within", Some(7200));
    fixture.prove(&id);
    check(&fixture, 0, "within", Some(3600));
    fixture.evidence(&id, 20, |evidence| {
        (evidence.level, evidence.verdict) = (Level::Checksum, Verdict::Bad);
    });
    let summary = rpo(&fixture, 0);
    assert_eq!((&summary["age_s"], &summary["bad_backups"]), (&json!(7200), &json!([id.as_str()])));
}

#[test]
fn a_clock_that_is_wrong_is_no_answer() {
    let mut fixture = Fixture::in_folder();
    fixture.verified(0);
    fixture.set_clock(noon() - SignedDuration::from_mins(5));
    check(&fixture, 0, "within", Some(0));
    fixture.set_clock(noon() - SignedDuration::from_mins(6));
    assert_eq!(rpo(&fixture, 2)["reason"], "clock_skew");
}

#[test]
fn it_says_what_dumps_alone_can_keep() {
    let fixture = Fixture::in_folder();
    for hours in [7, 4, 3, 1] {
        fixture.verified(hours);
    }
    let summary = rpo(&fixture, 0);
    assert_eq!(
        (&summary["interval_s"], &summary["dump_s"], &summary["verify_s"]),
        (&json!(10800), &json!(300), &json!(300))
    );
    assert_eq!((&summary["worst_age_s"], &summary["dumps_suffice"]), (&json!(11400), &json!(false)));
    assert_eq!(summary["needed_interval_s"], json!(6600));
    let text = fixture.run(&["rpo", "--max", "2h"]).expect(0).stdout;
    assert!(text.starts_with("RPO 1h: good, at most 2h is allowed\n"), "{text}");
    let worst =
        "at worst 3h 10m (3h between backups, 5m to dump, 5m to verify): dumps alone need one every 1h 50m";
    assert!(text.contains(worst), "{text}");
}

#[test]
fn a_backup_that_is_being_deleted_counts_no_longer() {
    let fixture = Fixture::in_folder();
    fixture.verified(5);
    let id = fixture.verified(1);
    fixture.write(fixture.series.tombstone(&id), b"{}");
    check(&fixture, 1, "too_old", Some(5 * 3600));
    fixture.run(&["rto"]).expect(0);
}

#[test]
fn a_store_that_cannot_be_reached_is_no_answer() {
    for command in [&["rpo", "--json", "--timeout", "1s"][..], &["rto", "--json", "--timeout", "1s"]] {
        let fixture = Fixture::on_s3();
        fixture.verified(0);
        let server = fixture.shelf.server();
        let proxy = FaultProxy::start(&server.endpoint()).unwrap();
        proxy.add(Rule::new(Fault::Status(503)).nth(3).always());
        let done = ground::done(fixture.command(command).envs(proxy.environment(server.environment())));
        assert_eq!(done.expect(75).summary()["result"], "failed");
    }
}

/// Requests that a command sends to a store with a thousand verified backups.
#[track_caller]
fn requests(fixture: &Fixture, arguments: &[&str]) -> (Done, Vec<(String, String)>) {
    let server = fixture.shelf.server();
    let proxy = FaultProxy::start(&server.endpoint()).unwrap();
    let done = ground::done(fixture.command(arguments).envs(proxy.environment(server.environment())));
    (done, proxy.seen())
}

#[test]
fn of_a_thousand_backups_only_those_that_decide_are_read() {
    let fixture = Fixture::on_s3();
    for hours in 0..1000 {
        fixture.verified(hours);
    }
    for (command, documents) in [(RPO, 9), (&["rto", "--json"][..], 15)] {
        let (done, seen) = requests(&fixture, command);
        assert_eq!(done.expect(0).summary()["result"], "good");
        let lists = seen.iter().filter(|(_, uri)| uri.contains("list-type=2")).count();
        // The cluster and the database, intents, evidence, and the names of backups: a page each.
        assert!(lists <= 5, "{lists}: {seen:?}");
        assert!(seen.len() - lists <= documents, "{seen:?}");
    }
}

#[test]
fn the_time_of_a_restore_is_told_by_those_that_were_measured() {
    let fixture = Fixture::in_folder();
    let rto = |max: &str, code| fixture.run(&["rto", "--max", max, "--json"]).expect(code).summary();
    assert_eq!(rto("4h", 1)["reason"], "no_backup");
    fixture.changed(0, |manifest| manifest.database_bytes = 2 * DATABASE_BYTES);
    assert_eq!(rto("4h", 1)["reason"], "nothing_measured");
    for (hours, restore_s) in [(3, 100.0), (2, 200.0), (1, 400.0)] {
        let id = fixture.backup(hours);
        fixture.evidence(&id, 10, |evidence| evidence.restore.as_mut().unwrap().restore_s = restore_s);
    }
    let summary = rto("400s", 0);
    assert_eq!((&summary["estimate_s"], &summary["slowest_estimate_s"]), (&json!(400.0), &json!(800.0)));
    assert_eq!((&summary["samples"], &summary["reason"]), (&json!(3), &json!("within")));
    assert_eq!(rto("399s", 1)["reason"], "too_slow");
    let text = fixture.run(&["rto"]).expect(0).stdout;
    assert!(text.starts_with("RTO 6m 40s: good, at most 4h is allowed\n"), "{text}");
}
