//! `retain plan | retain apply` as a shell runs it: pipes that break, and signals.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails, fails its test")]

mod ground;

use std::io::Write;
use std::process::Stdio;

use ground::fixture::Fixture;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const DAY: i64 = 24;

/// A store with forty backups, of which a plan keeps eleven.
fn forty() -> Fixture {
    let fixture = Fixture::in_folder();
    (2..42).for_each(|day| drop(fixture.verified(day * DAY)));
    fixture
}

#[test]
fn the_pipe_of_the_manual_holds() {
    let fixture = forty();
    let line = "pg-backup retain plan --allow-large --format json $CLOCK | pg-backup retain apply - $CLOCK";
    let done = fixture.shell(line).expect(0);
    assert!(done.stdout.starts_with("deleted 29 backups"), "{done:?}");
    assert_eq!(fixture.listed().len(), 11);
    assert!(fixture.shell(line).expect(0).stdout.starts_with("deleted 0 backups"));
}

#[test]
fn a_first_command_that_fails_or_is_killed_fails_the_pipe_and_deletes_nothing() {
    let fixture = forty();
    let before = fixture.objects();
    let apply = "pg-backup retain apply - $CLOCK; echo ${PIPESTATUS[1]}";
    for first in [
        "pg-backup retain plan --json $CLOCK",
        "pg-backup retain plan --json --database other $CLOCK",
        "SLIPWAY_FAULT=plan-line:1=kill pg-backup retain plan --allow-large --json $CLOCK",
        "SLIPWAY_FAULT=plan-line:40=kill pg-backup retain plan --allow-large --json $CLOCK",
        "true",
    ] {
        let done = fixture.shell(&format!("{first} | {apply}"));
        assert_eq!(done.stdout.lines().last(), Some("2"), "{first}: {done:?}");
        assert_eq!(fixture.objects(), before, "{first}");
    }
}

#[test]
fn asked_to_stop_it_ends_between_two_backups_and_goes_on_later() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let fixture = forty();
        let plan = fixture.run(&["retain", "plan", "--allow-large", "--json"]).expect(0).stdout;
        let mut apply = fixture.command(&["retain", "apply", "-", "--json"]);
        apply.env("SLIPWAY_FAULT", "delete-intended:3=stop").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut apply = apply.spawn().unwrap();
        apply.stdin.take().unwrap().write_all(plan.as_bytes()).unwrap();
        ground::wait_until_stopped(apply.id());
        kill_process(Pid::from_raw(i32::try_from(apply.id()).unwrap()).unwrap(), signal).unwrap();
        ground::resume(apply.id());
        let output = apply.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code));
        let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            (&summary["result"], summary["deleted"].as_array().unwrap().len()),
            (&"stopped".into(), 3)
        );
        assert!(fixture.objects().iter().all(|object| !object.contains("tombstones")));
        let rest = fixture.feed(&["retain", "apply", "-", "--json"], &plan).expect(0).summary();
        assert_eq!((&rest["gone_before"], rest["deleted"].as_array().unwrap().len()), (&3.into(), 26));
        assert_eq!(fixture.listed().len(), 11);
    }
}

#[test]
fn a_reader_that_goes_away_ends_a_plan_quietly_and_changes_nothing_of_an_apply() {
    let fixture = forty();
    let done = fixture.shell("pg-backup retain plan --allow-large --json $CLOCK | head -1").expect(0);
    assert!(done.stderr.is_empty() && done.stdout.lines().count() == 1, "{done:?}");
    let plan = "pg-backup retain plan --allow-large --json $CLOCK";
    fixture.shell(&format!("{plan} | pg-backup retain apply - --json $CLOCK | true"));
    assert_eq!(fixture.listed().len(), 11);
}
