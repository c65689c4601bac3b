//! `retain --base` and `rpo --with-wal`: base backups, the WAL that they need, and what goes with them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails, fails its test")]

mod ground;

use ground::fixture::Fixture;
use serde_json::{Value, json};

const DAY: i64 = 24;
const PLAN: &[&str] = &[
    "retain",
    "plan",
    "--base",
    "--json",
    "--daily",
    "0",
    "--weekly",
    "0",
    "--monthly",
    "0",
    "--pitr",
    "71h",
];
const APPLY: &[&str] = &["retain", "apply", "-", "--json"];

/// A base backup a day for eight days, two segments a day, and one of a timeline that was left.
fn week() -> Fixture {
    let fixture = Fixture::of_bases();
    for day in 0..8_i64 {
        let number = u64::try_from(7 - day).unwrap() * 2 + 10;
        fixture.base(day * DAY, number);
        fixture.wal(1, number, day * DAY);
        fixture.wal(1, number + 1, day * DAY - 12);
    }
    fixture.wal(2, 11, 7 * DAY);
    fixture
}

/// The segments in the store, by their last three digits and timeline.
fn segments(fixture: &Fixture) -> Vec<String> {
    let mut found = Vec::new();
    for timeline in ["00000001", "00000002"] {
        let folder = fixture.file(format!("v1/erp/wal/7300000000000000001/{timeline}"));
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name().into_string().unwrap();
            if let Some(stem) = name.strip_suffix(".00000000000000aa.zst") {
                assert!(entry.path().with_file_name(format!("{stem}.json")).exists(), "{name}");
                found.push(format!("{}/{}", &stem[7..8], &stem[22..]));
            }
        }
    }
    found.sort();
    found
}

/// Whether no document is left of a segment whose data are gone.
fn has_data_for_each_document(fixture: &Fixture) -> bool {
    let folder = fixture.file("v1/erp/wal/7300000000000000001/00000001");
    let names =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: Vec<_> = names.collect();
    let stems = names.iter().filter_map(|name| name.strip_suffix(".json"));
    stems.map(|stem| format!("{stem}.00000000000000aa.zst")).all(|data| names.contains(&data))
}

#[test]
fn what_a_window_needs_stays_with_its_wal() {
    let fixture = week();
    let plan = fixture.run(PLAN).expect(0).stdout;
    let summary: Value = serde_json::from_str(plan.lines().last().unwrap()).unwrap();
    // Days 0 to 2 lie in the window, and day 3 is the last before it; its WAL begins with segment 18.
    assert_eq!((&summary["keep"], &summary["delete"]), (&json!(4), &json!(4)), "{summary}");
    assert_eq!(
        (&summary["wal_segments"], &summary["wal_freed_bytes"].is_u64()),
        (&json!(9), &true),
        "{summary}"
    );
    let dry = fixture.feed(&[APPLY, &["--dry-run"]].concat(), &plan).expect(0).summary();
    assert_eq!((&dry["wal_segments"], segments(&fixture).len()), (&json!(9), 17), "{dry}");
    let done = fixture.feed(APPLY, &plan).expect(0).summary();
    assert_eq!(done["wal_segments"], json!(9), "{done}");
    assert_eq!(segments(&fixture), ["1/12", "1/13", "1/14", "1/15", "1/16", "1/17", "1/18", "1/19"]);
    assert_eq!(fixture.feed(APPLY, &plan).expect(0).summary()["wal_segments"], json!(0));
}

#[test]
fn killed_between_segments_it_goes_on() {
    for point in ["delete-done:4", "delete-wal", "delete-wal:2", "delete-wal:7"] {
        let fixture = week();
        let plan = fixture.run(PLAN).expect(0).stdout;
        fixture.killed(APPLY, &plan, point);
        assert!(has_data_for_each_document(&fixture), "{point}");
        fixture.feed(APPLY, &plan).expect(0);
        assert_eq!(segments(&fixture).len(), 8, "{point}");
    }
}

#[test]
fn while_a_base_backup_cannot_be_read_no_wal_goes() {
    let fixture = week();
    let damaged = fixture.base(20 * DAY, 1);
    fixture.write(fixture.series.manifest(&damaged), b"{\"format\":1,");
    let plan = fixture.run(PLAN).expect(0).stdout;
    fixture.feed(APPLY, &plan).expect(0);
    assert_eq!(segments(&fixture).len(), 17);
}

#[test]
fn a_held_base_backup_keeps_its_wal() {
    let fixture = week();
    let listed = fixture.run(&["list", "--base", "--json"]).expect(0).stdout;
    let oldest: Value = serde_json::from_str(listed.lines().next().unwrap()).unwrap();
    fixture.run(&["hold", oldest["id"].as_str().unwrap(), "--base", "--name", "audit"]).expect(0);
    let plan = fixture.run(PLAN).expect(0).stdout;
    assert_eq!(fixture.feed(APPLY, &plan).expect(0).summary()["wal_segments"], json!(0));
    assert_eq!(segments(&fixture).len(), 17);
}

#[test]
fn wal_without_a_gap_brings_a_base_backup_forward() {
    let fixture = Fixture::of_bases();
    let base = fixture.base(10, 10);
    for (number, hours) in [(10, 9), (11, 5), (12, 1)] {
        fixture.wal(1, number, hours);
    }
    let rpo =
        |code| fixture.run(&["rpo", "--base", "--with-wal", "--max", "2h", "--json"]).expect(code).summary();
    let good = rpo(0);
    assert_eq!(
        (&good["mode"], &good["age_s"], &good["wal"]["base"]),
        (&json!("wal"), &json!(3600), &json!(base.as_str()))
    );
    assert_eq!(
        fixture.run(&["rpo", "--base", "--max", "2h", "--json"]).expect(1).summary()["mode"],
        Value::Null
    );
    // A hole ends it at the last segment before.
    let segment = fixture.file("v1/erp/wal/7300000000000000001/00000001/00000001000000000000000B.json");
    let bytes = std::fs::read(&segment).unwrap();
    std::fs::remove_file(&segment).unwrap();
    assert_eq!(rpo(1)["age_s"], json!(9 * 3600));
    std::fs::write(&segment, bytes).unwrap();
    assert_eq!(rpo(0)["age_s"], json!(3600));
    // A base backup that nobody has read counts for nothing.
    std::fs::remove_dir_all(fixture.file(fixture.series.all_evidence())).unwrap();
    let unproven = rpo(1);
    assert_eq!((&unproven["reason"], &unproven["wal"]["counts"]), (&json!("nothing_proven"), &json!(false)));
}
