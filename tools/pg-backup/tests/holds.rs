//! `hold` and `release`, alone and against retention.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails, fails its test")]

mod ground;

use std::io::Write;
use std::process::Stdio;

use ground::fixture::{Fixture, noon};
use jiff::SignedDuration;
use serde_json::Value;

const DAY: i64 = 24;
const PLAN: &[&str] =
    &["retain", "plan", "--daily", "2", "--weekly", "0", "--monthly", "0", "--json", "--allow-large"];
const APPLY: &[&str] = &["retain", "apply", "-", "--json"];

/// Five verified backups, the oldest first; the plan keeps two.
fn five(fixture: &Fixture) -> Vec<String> {
    (2..7).rev().map(|day| fixture.verified(day * DAY).to_string()).collect()
}

fn deleted(plan: &str) -> Vec<String> {
    let lines = plan.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .filter(|line| line["action"] == "delete")
        .map(|line| line["id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_held_backup_stays_until_it_is_released_or_the_hold_ends() {
    let mut fixture = Fixture::in_folder();
    let ids = five(&fixture);
    let held =
        fixture.run(&["hold", &ids[0], "--name", "v1", "--expires", "3h", "--json"]).expect(0).summary();
    assert_eq!((&held["name"], &held["expires_at"]), (&"v1".into(), &"2026-11-24T15:00:00Z".into()));
    fixture.run(&["hold", &ids[1], "--name", "audit", "--reason", "the auditors have asked"]).expect(0);
    assert_eq!(deleted(&fixture.run(PLAN).expect(0).stdout), ids[2..3]);
    fixture.set_clock(noon() + SignedDuration::from_hours(4));
    assert_eq!(deleted(&fixture.run(PLAN).expect(0).stdout), [&ids[0], &ids[2]].map(String::clone));
    fixture.run(&["release", &ids[1], "--name", "audit"]).expect(0);
    assert_eq!(deleted(&fixture.run(PLAN).expect(0).stdout), ids[..3]);
}

#[test]
fn what_is_not_there_is_neither_held_nor_released() {
    let fixture = Fixture::in_folder();
    let ids = five(&fixture);
    let reason = |arguments: &[&str], input: &str| {
        fixture.feed(&[arguments, &["--json"]].concat(), input).expect(2).summary()["reason"].clone()
    };
    assert_eq!(reason(&["hold", "20261123T104046Z-ffffffffffffffff", "--name", "v1"], ""), "not_found");
    assert_eq!(reason(&["release", &ids[0], "--name", "v1"], ""), "not_found");
    assert_eq!(reason(&["hold", "-", "--name", "v1"], ""), "stdin");
    assert_eq!(reason(&["hold", &ids[0], "--name", "v1", "--expires", "0"], ""), "usage");
    fixture.feed(&["hold", "-", "--name", "v1"], &ids[0]).expect(0);
    assert_eq!(fixture.run(&["show", &ids[0], "--json"]).expect(0).summary()["holds"][0], "v1");
}

/// What comes of a hold that is placed while `retain apply` stands at a point of the first deletion.
#[track_caller]
fn held_meanwhile(point: &str, hold_code: i32) -> (Fixture, Vec<String>, Value) {
    let fixture = Fixture::in_folder();
    let ids = five(&fixture);
    let plan = fixture.run(PLAN).expect(0).stdout;
    let mut apply = fixture.command(APPLY);
    apply.env("SLIPWAY_FAULT", format!("{point}=stop")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut apply = apply.spawn().unwrap();
    apply.stdin.take().unwrap().write_all(plan.as_bytes()).unwrap();
    ground::wait_until_stopped(apply.id());
    fixture.run(&["hold", &ids[0], "--name", "late"]).expect(hold_code);
    ground::resume(apply.id());
    let output = apply.wait_with_output().unwrap();
    assert!(output.status.success());
    let summary = serde_json::from_slice(&output.stdout).unwrap();
    (fixture, ids, summary)
}

#[test]
fn a_hold_that_comes_before_the_intent_wins() {
    let (fixture, ids, summary) = held_meanwhile("delete-begin", 0);
    assert_eq!(summary["held"][0], ids[0].as_str());
    assert_eq!(fixture.listed(), [&ids[0], &ids[3], &ids[4]].map(String::clone));
    assert!(fixture.objects().iter().all(|object| !object.contains("tombstones")));
}

#[test]
fn a_hold_that_comes_after_the_intent_is_refused_and_leaves_nothing() {
    let (fixture, ids, summary) = held_meanwhile("delete-intended", 2);
    assert_eq!(summary["deleted"][0], ids[0].as_str());
    assert_eq!(fixture.listed(), ids[3..]);
    assert!(fixture.objects().iter().all(|object| !object.contains("holds")));
}

#[test]
fn of_a_hold_and_an_intent_that_cross_nobody_loses_a_backup() {
    let fixture = Fixture::in_folder();
    let ids = five(&fixture);
    // The hold is written, and its command stands before it looks for an intent.
    let mut hold = fixture.command(&["hold", &ids[0], "--name", "late"]);
    let mut hold = hold.env("SLIPWAY_FAULT", "hold-placed=stop").spawn().unwrap();
    ground::wait_until_stopped(hold.id());
    let plan = fixture.run(PLAN).expect(0).stdout;
    assert_eq!(deleted(&plan), ids[1..3], "a hold counts from the moment that it is written");
    fixture.feed(APPLY, &plan).expect(0);
    ground::resume(hold.id());
    assert!(hold.wait().unwrap().success());
    assert!(fixture.listed().contains(&ids[0]));
}

#[test]
fn a_hold_that_comes_after_a_deletion_is_refused_and_leaves_nothing() {
    let fixture = Fixture::in_folder();
    let ids = five(&fixture);
    let mut hold = fixture.command(&["hold", &ids[0], "--name", "late"]);
    let mut hold = hold.env("SLIPWAY_FAULT", "hold-checked=stop").spawn().unwrap();
    ground::wait_until_stopped(hold.id());
    fixture.feed(APPLY, &fixture.run(PLAN).expect(0).stdout).expect(0);
    ground::resume(hold.id());
    assert_eq!(hold.wait().unwrap().code(), Some(2));
    assert!(fixture.objects().iter().all(|object| !object.contains("holds")));
}

#[test]
fn a_held_backup_is_hidden_at_no_moment() {
    let fixture = Fixture::in_folder();
    let ids = five(&fixture);
    let plan = fixture.run(PLAN).expect(0).stdout;
    let mut apply = fixture.command(APPLY);
    // Killed at the first intent that it writes, which must not be that of the held one.
    apply.env("SLIPWAY_FAULT", "apply-begin=stop,delete-intended=kill").stdin(Stdio::piped());
    let mut apply = apply.spawn().unwrap();
    apply.stdin.take().unwrap().write_all(plan.as_bytes()).unwrap();
    ground::wait_until_stopped(apply.id());
    fixture.run(&["hold", &ids[0], "--name", "late"]).expect(0);
    ground::resume(apply.id());
    assert_eq!(apply.wait().unwrap().code(), None);
    assert_eq!(fixture.listed(), [&ids[0], &ids[2], &ids[3], &ids[4]].map(String::clone));
}

#[test]
fn a_backup_may_be_held_from_its_first_moment_on() {
    let ground = ground::Ground::with_folder();
    for (words, series) in [(&["create"][..], &[][..]), (&["base", "--fast"], &["--base"])] {
        let made = ground.run(&[words, &["--hold", "kept", "--json"]].concat()).expect(0).summary();
        let shown = ground.run(&[&["show", "--newest", "--json"], series].concat()).expect(0).summary();
        assert_eq!((&shown["manifest"]["id"], &shown["holds"]), (&made["id"], &serde_json::json!(["kept"])));
    }
}
