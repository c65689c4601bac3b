//! `retain plan` and `retain apply` over stores with many backups, in folders and on S3.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails, fails its test")]

mod ground;

use ground::fixture::{Fixture, released};
use pg_backup::evidence::Verdict;
use serde_json::{Value, json};
use testbed::{Fault, FaultProxy, Rule};

const DAY: i64 = 24;
const PLAN: &[&str] = &["retain", "plan", "--json"];
const APPLY: &[&str] = &["retain", "apply", "-", "--json"];

/// A verified backup of each of so many days, from two days ago on.
fn days(fixture: &Fixture, count: i64) {
    for day in 0..count {
        fixture.verified((day + 2) * DAY);
    }
}

/// The plan that the flags make, as text.
#[track_caller]
fn plan(fixture: &Fixture, flags: &[&str]) -> String {
    fixture.run(&[PLAN, flags].concat()).expect(0).stdout
}

/// The ids with this action, as the plan has them.
fn ids(plan: &str, action: &str) -> Vec<String> {
    let lines = plan.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .filter(|line| line["action"] == action)
        .map(|line| line["id"].as_str().unwrap().to_owned())
        .collect()
}

/// A run of `apply` that must be refused for this reason, with nothing changed.
#[track_caller]
fn refused(fixture: &Fixture, plan: &str, reason: &str) {
    let before = fixture.objects();
    let summary = fixture.feed(APPLY, plan).expect(2).summary();
    assert_eq!(summary["reason"], reason, "{summary}");
    assert_eq!(fixture.objects(), before);
}

#[track_caller]
fn applies_the_default_plan(fixture: &Fixture) {
    days(fixture, 40);
    let plan = plan(fixture, &["--allow-large"]);
    let summary: Value = serde_json::from_str(plan.lines().last().unwrap()).unwrap();
    let (keep, delete) = (ids(&plan, "keep"), ids(&plan, "delete"));
    assert_eq!((summary["keep"].as_u64(), summary["delete"].as_u64()), (Some(11), Some(29)), "{summary}");
    assert_eq!(fixture.listed().len(), 40, "a plan changes nothing");
    let done = fixture.feed(APPLY, &plan).expect(0).summary();
    assert_eq!(done["deleted"], Value::from(delete.clone()));
    assert_eq!(done["freed_bytes"], summary["freed_bytes"]);
    assert_eq!(fixture.listed(), keep);
    let left = fixture.objects();
    assert!(delete.iter().all(|id| left.iter().all(|object| !object.contains(id.as_str()))), "{left:?}");
    assert_eq!(left.len(), 4 * keep.len(), "{left:?}");
}

#[test]
fn keeps_days_weeks_and_months_and_leaves_nothing_of_the_rest_in_a_folder() {
    applies_the_default_plan(&Fixture::in_folder());
}

#[test]
fn keeps_days_weeks_and_months_and_leaves_nothing_of_the_rest_on_s3() {
    applies_the_default_plan(&Fixture::on_s3());
}

#[test]
fn the_table_says_why() {
    let fixture = Fixture::in_folder();
    days(&fixture, 3);
    let held = fixture.changed(30 * DAY, released("v1"));
    fixture.run(&["hold", held.as_str(), "--name", "audit"]).expect(0);
    let table = fixture.run(&["retain", "plan", "--daily", "2"]).expect(0).stdout;
    let reasons =
        ["held as audit", "release v1", "newest verified", "last of 2026-11-22", "last of 2026-W47"];
    for text in reasons.iter().chain(&["1 to delete", "3 to keep", "unproven"]) {
        assert!(table.contains(text), "{text}: {table}");
    }
    assert!(table.starts_with("delete  20261120T120000Z"), "{table}");
}

#[test]
fn a_policy_that_is_dangerous_makes_no_plan() {
    let fixture = Fixture::in_folder();
    days(&fixture, 5);
    let check = |flags: &[&str], reason: &str| {
        let refused = fixture.run(&[PLAN, flags].concat()).expect(2);
        assert_eq!(refused.summary()["reason"], reason);
        assert_eq!(fixture.feed(APPLY, &refused.stdout).expect(2).summary()["reason"], "plan");
    };
    let zero = ["--daily", "0", "--weekly", "0", "--monthly", "0", "--releases", "0"];
    check(&["--newest", "0"], "keeps_nothing");
    check(&zero, "keeps_nothing");
    check(&[&zero[..], &["--newest", "1"]].concat(), "large_deletion");
    check(&["--zone", "Mars/Olympus"], "zone");
    assert_eq!(fixture.listed().len(), 5);
}

#[test]
fn nothing_is_deleted_while_nothing_is_verified() {
    let fixture = Fixture::in_folder();
    for day in 2..9 {
        let id = fixture.backup(day * DAY);
        fixture.evidence(&id, 10, |evidence| evidence.verdict = Verdict::Inconclusive);
    }
    assert!(ids(&plan(&fixture, &["--daily", "1", "--weekly", "0", "--monthly", "0"]), "delete").is_empty());
}

#[test]
fn what_cannot_be_read_is_kept_and_said() {
    let fixture = Fixture::in_folder();
    days(&fixture, 6);
    let damaged = fixture.verified(20 * DAY);
    fixture.write(fixture.series.manifest(&damaged), b"{\"format\":1,");
    let newer = fixture.verified(21 * DAY);
    let (bytes, _) = pg_backup::document::encode(&json!({"format": 2, "whatever": []})).unwrap();
    fixture.write(fixture.series.manifest(&newer), &bytes);
    let run = fixture.run(&[PLAN, &["--daily", "4", "--weekly", "0", "--monthly", "0"]].concat()).expect(0);
    let keep = ids(&run.stdout, "keep");
    assert!(keep.contains(&damaged.to_string()) && keep.contains(&newer.to_string()), "{}", run.stdout);
    assert!(run.stderr.contains("has format 2"), "{}", run.stderr);
}

#[test]
fn only_a_whole_and_unchanged_plan_of_the_store_as_it_is_is_carried_out() {
    let fixture = Fixture::in_folder();
    days(&fixture, 12);
    let plan = plan(&fixture, &[]);
    refused(&fixture, "", "stdin");
    refused(&fixture, "\n", "stdin");
    let lines: Vec<_> = plan.lines().collect();
    refused(&fixture, &lines[..lines.len() - 1].join("\n"), "plan");
    refused(&fixture, &lines[1..].join("\n"), "plan_edited");
    refused(&fixture, &plan.replacen("\"keep\"", "\"delete\"", 1), "plan_edited");
    let summary: Value = serde_json::from_str(lines.last().unwrap()).unwrap();
    assert!(summary["state_sha256"].is_string() && summary["delete"].as_u64() > Some(0), "{summary}");
    // A new backup, evidence that is gone, and a hold each change what the plan rests on.
    let new = fixture.verified(1);
    refused(&fixture, &plan, "store_changed");
    std::fs::remove_file(fixture.file(fixture.series.manifest(&new))).unwrap();
    let deleted = ids(&plan, "delete")[0].clone();
    fixture.run(&["hold", &deleted, "--name", "audit"]).expect(0);
    refused(&fixture, &plan, "store_changed");
    fixture.run(&["release", &deleted, "--name", "audit"]).expect(0);
    fixture.feed(APPLY, &plan).expect(0);
}

#[test]
fn a_first_command_that_is_killed_deletes_nothing() {
    let fixture = Fixture::in_folder();
    days(&fixture, 12);
    let before = fixture.objects();
    for fault in ["plan-line:1=kill", "plan-line:12=kill", "plan-line:12=exit"] {
        let mut first = fixture.command(PLAN);
        let first = ground::done(first.env("SLIPWAY_FAULT", fault));
        assert_ne!(first.code, 0);
        fixture.feed(APPLY, &first.stdout).expect(2);
        assert_eq!(fixture.objects(), before, "{fault}");
    }
}

#[test]
fn nothing_is_deleted_when_the_newest_verified_backup_lacks_an_object() {
    for damage in [None, Some(&b"short"[..])] {
        let fixture = Fixture::in_folder();
        days(&fixture, 12);
        let plan = plan(&fixture, &[]);
        let newest = fixture.listed().last().unwrap().parse().unwrap();
        let key = fixture.series.object(&newest, "toc.txt.zst");
        match damage {
            None => std::fs::remove_file(fixture.file(&key)).unwrap(),
            Some(bytes) => fixture.write(&key, bytes),
        }
        refused(&fixture, &plan, "no_verified_left");
    }
}

#[test]
fn killed_at_any_step_the_same_command_finishes_and_the_same_stays() {
    let points = [
        "delete-begin",
        "delete-intended",
        "delete-manifest",
        "delete-object",
        "delete-object:2",
        "delete-object:3",
        "delete-objects",
        "delete-done",
        "delete-intended:2",
        "delete-object:5",
    ];
    for (number, point) in points.iter().enumerate() {
        let fixture = Fixture::in_folder();
        days(&fixture, 12);
        let plan = plan(&fixture, &[]);
        let keep = ids(&plan, "keep");
        let is_kept = |object: &String| keep.iter().any(|id| object.contains(id.as_str()));
        let kept: Vec<_> = fixture.objects().into_iter().filter(is_kept).collect();
        fixture.killed(APPLY, &plan, point);
        let now = fixture.objects();
        assert!(kept.iter().all(|object| now.contains(object)), "{point}: {now:?}");
        assert!(keep.iter().all(|id| fixture.listed().contains(id)), "{point}");
        if number % 2 == 0 {
            fixture.run(&["gc"]).expect(0);
        }
        let done = fixture.feed(APPLY, &plan).expect(0).summary();
        assert_eq!(done["reason"], "applied", "{done}");
        assert_eq!(fixture.objects(), kept, "{point}");
        // What was done once is done.
        fixture.feed(APPLY, &plan).expect(0);
        assert_eq!(fixture.objects(), kept, "{point}");
    }
}

#[test]
fn a_dry_run_and_a_plan_in_a_file() {
    let fixture = Fixture::in_folder();
    days(&fixture, 12);
    let (plan, before) = (plan(&fixture, &[]), fixture.objects());
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &plan).unwrap();
    let path = file.path().to_str().unwrap();
    let dry = fixture.run(&["retain", "apply", path, "--dry-run", "--json"]).expect(0).summary();
    assert_eq!(dry["would_delete"], Value::from(ids(&plan, "delete")));
    assert_eq!(fixture.objects(), before);
    assert_eq!(
        fixture.run(&["retain", "apply", path, "--database", "other", "--json"]).expect(2).summary()["reason"],
        "plan"
    );
    fixture.run(&["retain", "apply", path]).expect(0);
    assert_eq!(fixture.listed(), ids(&plan, "keep"));
}

/// An S3 store behind a proxy, with a plan that deletes; the n-th request to delete is answered by 403.
#[track_caller]
fn denied(nth: usize) -> (Fixture, String, ground::Done) {
    let fixture = Fixture::on_s3();
    days(&fixture, 10);
    let plan = plan(&fixture, &[]);
    let server = fixture.shelf.server();
    let proxy = FaultProxy::start(&server.endpoint()).unwrap();
    proxy.add(Rule::new(Fault::Status(403)).method("POST").query("delete").nth(nth));
    let mut command = fixture.command(APPLY);
    command.envs(proxy.environment(server.environment()));
    let done = ground::fed(&mut command, plan.as_bytes());
    assert_eq!(proxy.faults(), 1, "{done:?}");
    (fixture, plan, done)
}

#[test]
fn a_store_that_lets_nothing_go_is_not_hidden_from_anybody() {
    let (fixture, plan, done) = denied(1);
    assert_eq!(done.expect(3).summary()["reason"], "delete_denied");
    assert_eq!(fixture.listed().len(), 10, "no intent hides a backup");
    fixture.feed(APPLY, &plan).expect(0);
}

#[test]
fn a_backup_that_the_store_keeps_stays_whole_and_is_told() {
    let (fixture, plan, done) = denied(2);
    let summary = done.expect(3);
    let first = ids(&plan, "delete")[0].clone();
    let told: Value = serde_json::from_str(summary.stdout.lines().next().unwrap()).unwrap();
    assert_eq!((&told["denied"][0], &told["reason"]), (&first.clone().into(), &"delete_denied".into()));
    assert!(fixture.listed().contains(&first));
    assert!(fixture.objects().iter().all(|object| !object.contains("tombstones")));
    fixture.feed(APPLY, &plan).expect(0);
    assert_eq!(fixture.listed(), ids(&plan, "keep"));
}

#[test]
fn an_object_that_the_store_keeps_is_told_and_goes_later() {
    let (fixture, plan, done) = denied(3);
    assert!(done.stderr.contains("1 of its objects are left"), "{done:?}");
    done.expect(3);
    assert_eq!(fixture.listed(), ids(&plan, "keep"));
    fixture.run(&["gc"]).expect(0);
    let first = &ids(&plan, "delete")[0];
    assert!(fixture.objects().iter().all(|object| !object.contains(first.as_str())));
}

#[test]
fn a_listing_that_is_not_whole_deletes_nothing() {
    let fixture = Fixture::on_s3();
    days(&fixture, 12);
    let (plan, before) = (plan(&fixture, &[]), fixture.objects());
    let server = fixture.shelf.server();
    for folder in ["backups", "verify"] {
        let proxy = FaultProxy::start(&server.endpoint()).unwrap();
        proxy.add(Rule::new(Fault::MissingPage).query(&format!("{folder}%2F")));
        let mut command = fixture.command(&[APPLY, &["--timeout", "1s"]].concat());
        let done = ground::fed(command.envs(proxy.environment(server.environment())), plan.as_bytes());
        assert!(proxy.faults() > 0, "{folder}");
        assert_eq!(done.expect(75).summary()["reason"], "store_unreachable");
        assert_eq!(fixture.objects(), before, "{folder}");
    }
}
