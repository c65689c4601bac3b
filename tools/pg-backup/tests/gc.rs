//! `gc`: removes what killed runs have left, and nothing else.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails, fails its test")]

mod ground;

use std::time::{Duration, SystemTime};

use ground::fixture::{Fixture, noon};
use jiff::SignedDuration;
use serde_json::{Value, json};

const ID: &str = "20261101T000000Z-00000000000000aa";

/// Writes an object that is as old as the fixture's days.
fn old(fixture: &Fixture, name: &str) {
    let key = format!("{}/{name}", fixture.series.folder());
    fixture.write(&key, b"rest");
    age(fixture, &key);
}

fn age(fixture: &Fixture, key: &str) {
    let file = std::fs::File::options().write(true).open(fixture.file(key)).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_780_000_000)).unwrap();
}

#[track_caller]
fn gc(fixture: &Fixture, flags: &[&str]) -> Value {
    fixture.run(&[&["gc", "--json"], flags].concat()).expect(0).summary()
}

/// A lease for the backup [`ID`] until this many hours from noon.
fn lease(fixture: &Fixture, hours: i64) {
    let began = || "2026-11-01T00:00:00Z".to_owned();
    let lease = Lease {
        format: 1,
        name: format!("create-{ID}"),
        holder: Holder { host: "build-7".to_owned(), pid: 1, token: "00".to_owned() },
        started_at: began(),
        renewed_at: began(),
        expires_at: (noon() + SignedDuration::from_hours(hours)).to_string(),
    };
    let (bytes, _) = pg_backup::document::encode(&lease).unwrap();
    fixture.write(format!("v1/erp/leases/create-{ID}.json"), &bytes);
}

/// A lease, as the bucket has it.
#[derive(serde::Serialize)]
struct Lease {
    format: u32,
    name: String,
    holder: Holder,
    started_at: String,
    renewed_at: String,
    expires_at: String,
}

#[derive(serde::Serialize)]
struct Holder {
    host: String,
    pid: u32,
    token: String,
}

#[test]
fn an_unfinished_backup_goes_and_a_finished_one_stays() {
    for fixture in [Fixture::in_folder(), Fixture::on_s3()] {
        fixture.verified(48);
        let before = fixture.objects();
        for name in
            ["backups/ID/dump.pgc.zst", "backups/ID/files/1.dat.zst", "holds/ID/v1.json", "verify/ID/x.json"]
        {
            old(&fixture, &name.replace("ID", ID));
        }
        let dry = gc(&fixture, &["--dry-run"]);
        assert_eq!(
            (&dry["unfinished_backups"], &dry["objects"], &dry["freed_bytes"]),
            (&json!(1), &json!(4), &json!(16))
        );
        assert_eq!(fixture.objects().len(), before.len() + 4);
        let done = gc(&fixture, &[]);
        assert_eq!((&done["unfinished_backups"], &done["objects"]), (&json!(1), &json!(4)));
        assert_eq!(fixture.objects(), before);
        assert_eq!(gc(&fixture, &[])["objects"], json!(0));
    }
}

#[test]
fn what_is_young_or_in_use_stays() {
    let fixture = Fixture::in_folder();
    let object = format!("{}/backups/{ID}/dump.pgc.zst", fixture.series.folder());
    fixture.write(&object, b"under way");
    assert_eq!(gc(&fixture, &["--grace", "2400h"])["young"], json!(1));
    age(&fixture, &object);
    lease(&fixture, 1);
    assert_eq!(gc(&fixture, &[])["in_use"], json!(1));
    assert_eq!(fixture.objects().len(), 1);
    lease(&fixture, -1);
    let done = gc(&fixture, &[]);
    assert_eq!((&done["unfinished_backups"], &done["ended_leases"]), (&json!(1), &json!(1)));
    assert!(fixture.objects().is_empty());
    assert!(!fixture.file(format!("v1/erp/leases/create-{ID}.json")).exists());
}

#[test]
fn what_has_no_name_of_ours_is_never_touched() {
    let fixture = Fixture::in_folder();
    fixture.verified(48);
    let strange = ["readme.txt", "backups/notes/dump", "verify/x/y.json", "tombstones/x.json", "other/x"];
    strange.iter().for_each(|name| old(&fixture, name));
    let before = fixture.objects();
    let done = fixture.run(&["gc", "--json"]).expect(0);
    assert_eq!(done.summary()["unknown"], json!(5));
    assert!(done.stderr.contains("is left alone"), "{}", done.stderr);
    assert_eq!(fixture.objects(), before);
}

#[test]
fn a_deletion_is_finished_unless_the_backup_is_held() {
    let fixture = Fixture::in_folder();
    let (gone, held) = (fixture.verified(48), fixture.verified(72));
    fixture.run(&["hold", held.as_str(), "--name", "v1"]).expect(0);
    for id in [&gone, &held] {
        fixture.write(fixture.series.tombstone(id), b"{}");
    }
    assert!(fixture.listed().is_empty());
    let done = gc(&fixture, &[]);
    assert_eq!((&done["unfinished_deletions"], &done["held"]), (&json!(1), &json!(1)));
    assert_eq!(fixture.listed(), [held.as_str()]);
    assert!(fixture.objects().iter().all(|object| !object.contains(gone.as_str())));
}

#[test]
fn killed_and_run_again_it_ends_the_same() {
    for point in ["gc-object", "gc-object:2", "delete-manifest", "delete-object"] {
        let fixture = Fixture::in_folder();
        let gone = fixture.verified(48);
        fixture.write(fixture.series.tombstone(&gone), b"{}");
        for name in ["a", "b", "c"] {
            old(&fixture, &format!("backups/{ID}/{name}"));
        }
        fixture.killed(&["gc"], "", point);
        gc(&fixture, &[]);
        assert!(fixture.objects().is_empty(), "{point}: {:?}", fixture.objects());
    }
}

#[test]
fn a_backup_that_was_finished_in_the_meantime_stays() {
    let fixture = Fixture::in_folder();
    let id = fixture.verified(48);
    let manifest = fixture.file(fixture.series.manifest(&id));
    let bytes = std::fs::read(&manifest).unwrap();
    std::fs::remove_file(&manifest).unwrap();
    for object in fixture.objects() {
        age(&fixture, &format!("{}/{object}", fixture.series.folder()));
    }
    let before = fixture.objects();
    let mut running = fixture.command(&["gc", "--json"]);
    let running =
        running.env("SLIPWAY_FAULT", "gc-listed=stop").stdout(std::process::Stdio::piped()).spawn().unwrap();
    ground::wait_until_stopped(running.id());
    std::fs::write(&manifest, bytes).unwrap();
    ground::resume(running.id());
    let output = running.wait_with_output().unwrap();
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["unfinished_backups"], json!(0), "{summary}");
    assert_eq!(fixture.objects().len(), before.len() + 1);
}

#[test]
fn data_of_wal_that_no_document_names_go() {
    let fixture = Fixture::of_bases();
    fixture.base(48, 3);
    fixture.wal(1, 3, 47);
    let folder = "v1/erp/wal/7300000000000000001/00000001";
    let rest = |name: &str| format!("{folder}/{name}");
    let data = |stem: &str, random: &str| rest(&format!("{stem}.{random}.zst"));
    let (stored, unfinished) = ("000000010000000000000003", "000000010000000000000004");
    let old = [data(stored, "fedcba9876543210"), data(unfinished, "0123456789abcdef")];
    let young = data(unfinished, "00000000000000bb");
    for key in old.iter().chain([&young]) {
        fixture.write(key, b"rest");
    }
    old.iter().for_each(|key| age(&fixture, key));
    let own = fixture.file(data(stored, "00000000000000aa"));
    age(&fixture, &data(stored, "00000000000000aa"));
    let flags = ["--base", "--grace", "2400h"];
    let done = gc(&fixture, &flags);
    assert_eq!(
        (&done["wal_objects"], &done["young"], &done["unknown"]),
        (&json!(2), &json!(1), &json!(0)),
        "{done}"
    );
    assert!(own.exists() && fixture.file(&young).exists());
    assert!(old.iter().all(|key| !fixture.file(key).exists()));
    assert_eq!(gc(&fixture, &flags)["wal_objects"], json!(0));
}
