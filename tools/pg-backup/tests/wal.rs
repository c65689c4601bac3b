//! `wal-push` and `wal-check`: what is archived is safe, and what is missing is told.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails, fails its test"
)]

mod ground;
mod yard;

use std::path::PathBuf;

use ground::{Done, Shelf};
use yard::Yard;

/// A server whose files the test pushes itself, and its three first whole segments.
fn yard(store: Shelf) -> (Yard, Vec<PathBuf>) {
    let yard = Yard::over(store, "");
    yard.archive_by("true");
    yard.sql("alter system set wal_keep_size = '1GB'");
    yard.sql("select pg_reload_conf()");
    let segments = [yard.archive(), yard.archive(), yard.archive()];
    let folder = yard.postgres.data().join("pg_wal");
    (yard, segments.iter().map(|segment| folder.join(segment)).collect())
}

#[track_caller]
fn push(yard: &Yard, path: &std::path::Path) -> Done {
    yard.run(&["wal-push".as_ref(), path.as_os_str()])
}

fn check(yard: &Yard, flags: &[&str]) -> Done {
    yard.run(&[&["wal-check", "--format", "json"], flags].concat())
}

/// A copy under another place, with some bytes changed.
fn copy(yard: &Yard, path: &std::path::Path, change: impl FnOnce(&mut Vec<u8>)) -> PathBuf {
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    yard.file(path.file_name().unwrap().to_str().unwrap(), &bytes)
}

#[test]
fn the_same_once_more_is_good_and_another_content_is_refused() {
    for store in [Shelf::folder(), Shelf::s3()] {
        let (yard, segments) = yard(store);
        push(&yard, &segments[0]).expect(0);
        let objects = yard.shelf.objects();
        push(&yard, &segments[0]).expect(0);
        let other = copy(&yard, &segments[0], |bytes| *bytes.last_mut().unwrap() ^= 1);
        let refused = push(&yard, &other).expect(3);
        assert!(refused.stderr.contains("with another content; nothing was changed"), "{}", refused.stderr);
        assert_eq!(yard.shelf.objects(), objects);
    }
}

#[test]
fn what_is_no_wal_of_this_cluster_is_refused() {
    let (yard, segments) = yard(Shelf::folder());
    let says = |done: Done, words: &str| assert!(done.stderr.contains(words), "{}", done.stderr);
    says(push(&yard, &yard.file("notes.txt", b"x")).expect(2), "is no file of WAL");
    says(
        push(&yard, &copy(&yard, &segments[0], |bytes| bytes.fill(0))).expect(2),
        "does not begin as WAL does",
    );
    says(
        push(&yard, &copy(&yard, &segments[0], |bytes| bytes.truncate(1 << 20))).expect(2),
        "has 1048576 bytes",
    );
    let renamed = segments[0].file_name().unwrap();
    let renamed = yard.file(renamed.to_str().unwrap(), &std::fs::read(&segments[1]).unwrap());
    says(push(&yard, &renamed).expect(2), "holds segment");
    let history = yard.file("00000002.history", b"1\t0/5000148\tno recovery target specified\n");
    says(push(&yard, &history).expect(2), "name the cluster with --system-id");
    let id = yard.system_id();
    yard.run(&["wal-push", history.to_str().unwrap(), "--system-id", &id]).expect(0);
    says(
        yard.run(&["wal-push", segments[0].to_str().unwrap(), "--system-id", "1"]).expect(2),
        "and not of 1",
    );
}

#[test]
fn a_push_that_was_killed_has_pushed_or_not() {
    let (yard, segments) = yard(Shelf::s3());
    for (point, is_there) in [("wal.uploaded", false), ("wal.recorded", true)] {
        let mut command = yard.command(&["wal-push".as_ref(), segments[0].as_os_str()]);
        ground::done(command.env("SLIPWAY_FAULT", format!("{point}=kill"))).expect(-1);
        let is_recorded = yard
            .shelf
            .objects()
            .iter()
            .any(|path| path.to_str().unwrap().ends_with(".json") && !path.ends_with("store.json"));
        assert_eq!(is_recorded, is_there, "{point}");
    }
    for segment in &segments {
        push(&yard, segment).expect(0);
    }
    yard.sql("select 1");
    let summary = check(&yard, &["--read"]).expect(0).summary();
    assert_eq!((summary["segments"].as_u64(), summary["damaged"].as_u64()), (Some(3), Some(0)), "{summary}");
}

#[test]
fn many_that_push_the_same_at_once_do_no_harm() {
    let (recipient, identity) = yard::keys();
    let (yard, segments) = yard(Shelf::s3());
    let push = || {
        yard.command(&[
            "wal-push".as_ref(),
            segments[0].as_os_str(),
            "--recipient".as_ref(),
            recipient.as_ref(),
        ])
    };
    let all: Vec<_> = (0..4).map(|_| push().spawn().unwrap()).collect();
    for mut child in all {
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
    let name = segments[0].file_name().unwrap().to_str().unwrap();
    // A server that looks first and then writes may take two documents: the data of the first are then garbage.
    yard.run(&["gc", "--base", "--grace", "0s"]).expect(0);
    assert_eq!(yard.shelf.named(name).len(), 2, "the data and their document");
    let identity = yard.file("key", identity.as_bytes()).display().to_string();
    check(&yard, &["--read", "--identity", &identity]).expect(0);
}

#[test]
fn a_gap_is_told_and_later_wal_is_taken() {
    let (yard, segments) = yard(Shelf::folder());
    yard.archive_by("false");
    assert_eq!(push(&yard, &segments[0]).expect(0).stderr, "");
    let told = push(&yard, &segments[2]).expect(0);
    let missing = segments[1].file_name().unwrap().to_str().unwrap();
    assert!(
        told.stderr.contains(&format!("{missing} is not there, and no restore goes past it")),
        "{}",
        told.stderr
    );
    assert_eq!(check(&yard, &[]).expect(0).summary()["runs"], 2);
}

#[test]
fn a_hole_after_a_base_backup_is_bad() {
    let yard = Yard::over(Shelf::folder(), "");
    yard.archive();
    yard.base(&[]);
    yard.archive();
    let lost = yard.archive();
    yard.archive();
    let good = check(&yard, &["--read"]).expect(0);
    assert_eq!(good.summary()["runs"], 1);
    for object in yard.shelf.named(&lost) {
        std::fs::remove_file(object).unwrap();
    }
    let bad = check(&yard, &[]).expect(1);
    let summary = bad.summary();
    assert_eq!((summary["result"].as_str(), summary["reason"].as_str()), (Some("bad"), Some("wal_hole")));
    assert!(bad.stdout.contains(&format!("\"missing\":\"{lost}\"")), "{}", bad.stdout);
    let later = yard.now();
    let pgdata = yard.folder.path().join("data").display().to_string();
    let refused = yard.run(&["restore", "--at", &later, "--pgdata", &pgdata]).expect(2);
    assert!(refused.stderr.contains(&format!("{lost} is missing")), "{}", refused.stderr);
}

#[test]
fn a_damaged_segment_is_found_by_reading() {
    let yard = Yard::over(Shelf::folder(), "");
    let segment = yard.archive();
    let data =
        yard.shelf.named(&segment).into_iter().find(|path| path.extension().unwrap() != "json").unwrap();
    let mut bytes = std::fs::read(&data).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&data, bytes).unwrap();
    check(&yard, &[]).expect(0);
    let summary = check(&yard, &["--read"]).expect(1).summary();
    assert_eq!((summary["reason"].as_str(), summary["damaged"].as_u64()), (Some("object_damaged"), Some(1)));
}
