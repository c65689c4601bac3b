//! What makes `verify` say BAD, and what must not.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails, fails its test")]

mod forgery;
mod ground;

use std::fs;

use forgery::{change, file, manifest, reseal};
use ground::{Ground, done};
use pg_backup::manifest::Role;
use testbed::{Fault, FaultProxy, Rule};

const LEVELS: [&str; 3] = ["checksum", "decode", "restore"];

/// A small shop with its backup.
fn shop() -> (Ground, String) {
    let ground = Ground::with_folder();
    ground.shop(200);
    let id = ground.create();
    (ground, id)
}

/// Every one of these levels says BAD for this reason, and stores evidence of it.
#[track_caller]
fn bad(ground: &Ground, id: &str, levels: &[&str], reason: &str) {
    for level in levels {
        let summary = ground.run(&["verify", id, "--level", level, "--json"]).expect(1).summary();
        assert_eq!((&summary["result"], &summary["reason"]), (&"bad".into(), &reason.into()), "{summary}");
        assert!(ground.shelf.files().join(summary["evidence"].as_str().unwrap()).is_file(), "{summary}");
    }
}

#[test]
fn one_byte_of_each_object_is_found_by_a_restore() {
    let (ground, id) = shop();
    for object in manifest(&ground, &id).objects {
        let path = file(&ground, &id, &object.name);
        let good = fs::read(&path).unwrap();
        let mut damaged = good.clone();
        damaged[good.len() / 2] ^= 0x10;
        fs::write(&path, &damaged).unwrap();
        bad(&ground, &id, &["restore"], "damaged");
        fs::write(&path, &good).unwrap();
    }
    let path = file(&ground, &id, "manifest.json");
    let mut damaged = fs::read(&path).unwrap();
    damaged[100] ^= 0x10;
    fs::write(&path, &damaged).unwrap();
    bad(&ground, &id, &["restore"], "manifest");
    assert!(ground.run(&["list"]).stderr.contains(&id) || ground.run(&["list"]).stdout.contains(&id));
}

#[test]
fn bytes_that_were_appended_are_found() {
    let (ground, id) = shop();
    let path = file(&ground, &id, "dump.pgc.zst");
    let longer = [fs::read(&path).unwrap(), vec![0; 4096]].concat();
    fs::write(&path, longer).unwrap();
    bad(&ground, &id, &LEVELS, "damaged");
}

#[test]
fn a_missing_object_is_found() {
    let (ground, id) = shop();
    fs::remove_file(file(&ground, &id, "globals.sql.zst")).unwrap();
    bad(&ground, &id, &LEVELS, "damaged");
}

#[test]
fn swapped_objects_are_found() {
    let (ground, id) = shop();
    let [one, other] = ["dump.pgc.zst", "schema.sql.zst"].map(|name| file(&ground, &id, name));
    let (first, second) = (fs::read(&one).unwrap(), fs::read(&other).unwrap());
    fs::write(one, second).unwrap();
    fs::write(other, first).unwrap();
    bad(&ground, &id, &LEVELS, "damaged");
}

#[test]
fn the_manifest_of_another_backup_is_found() {
    let (ground, id) = shop();
    let other = ground.create();
    fs::copy(file(&ground, &other, "manifest.json"), file(&ground, &id, "manifest.json")).unwrap();
    bad(&ground, &id, &LEVELS, "manifest");
    ground.run(&["verify", &other]).expect(0);
}

#[test]
fn the_newest_backup_is_bad_when_its_manifest_is() {
    let (ground, _) = shop();
    ground.create();
    // Both may be of one second.
    let newest = ground.ids().into_iter().max().unwrap();
    fs::write(file(&ground, &newest, "manifest.json"), "{}").unwrap();
    let summary = ground.run(&["verify", "--newest", "--json"]).expect(1).summary();
    assert_eq!((&summary["id"], &summary["reason"]), (&newest.into(), &"manifest".into()), "{summary}");
}

#[test]
fn a_manifest_of_a_later_version_is_refused_and_not_bad() {
    let (ground, id) = shop();
    change(&ground, &id, |manifest| manifest.format = 2);
    let refused = ground.run(&["verify", &id]).expect(2);
    assert!(refused.stderr.contains("has format 2, and this version reads 1"), "{}", refused.stderr);
}

#[test]
fn rows_that_were_lost_are_found_by_a_restore_alone() {
    let (ground, id) = shop();
    reseal(&ground, &id, Role::Counts, |plain| {
        String::from_utf8(plain).unwrap().replace("\"rows\":200", "\"rows\":201").into_bytes()
    });
    change(&ground, &id, |manifest| manifest.rows.as_mut().unwrap().rows += 1);
    for level in ["checksum", "decode"] {
        ground.run(&["verify", &id, "--level", level]).expect(0);
    }
    bad(&ground, &id, &["restore"], "rows");
    let shown = ground.run(&["verify", &id, "--level", "restore"]).expect(1);
    assert!(
        shown.stdout.contains("public.Order had 201 rows and was restored with 200 rows"),
        "{}",
        shown.stdout
    );
}

#[test]
fn another_schema_is_found_by_a_restore_alone() {
    let (ground, id) = shop();
    reseal(&ground, &id, Role::Schema, |plain| [&plain, &b"CREATE TABLE public.lost ();\n"[..]].concat());
    ground.run(&["verify", &id, "--level", "decode"]).expect(0);
    bad(&ground, &id, &["restore"], "schema");
}

#[test]
fn a_dump_that_was_cut_and_sealed_as_if_whole_is_found_by_decoding() {
    let (ground, id) = shop();
    reseal(&ground, &id, Role::Dump, |plain| plain[..plain.len() * 6 / 10].to_vec());
    ground.run(&["verify", &id]).expect(0);
    bad(&ground, &id, &["decode", "restore"], "archive");
}

#[test]
fn counts_that_say_nothing_are_found_by_decoding() {
    let (ground, id) = shop();
    reseal(&ground, &id, Role::Counts, |_| b"[]".to_vec());
    bad(&ground, &id, &["decode", "restore"], "counts");
}

#[test]
fn a_key_that_does_not_fit_is_not_the_backups_fault() {
    let (ground, _) = shop();
    let [key, other] = [(); 2].map(|()| age::x25519::Identity::generate());
    let recipient = key.to_public().to_string();
    let id =
        ground.run(&["create", "--print-id", "--recipient", &recipient]).expect(0).stdout.trim().to_owned();
    let [right, wrong] =
        [("right", &key), ("wrong", &other)].map(|(name, key)| ground.identity_file(name, key));
    for level in ["decode", "restore"] {
        let none = ground.run(&["verify", &id, "--level", level, "--json"]).expect(2).summary();
        assert_eq!(none["reason"], "no_identity");
        let other = ground.run(&["verify", &id, "--level", level, "--identity", &wrong, "--json"]).expect(2);
        assert_eq!(other.summary()["reason"], "wrong_identity");
        ground.run(&["verify", &id, "--level", level, "--identity", &right]).expect(0);
    }
    ground.run(&["verify", &id]).expect(0);
    let path = file(&ground, &id, "dump.pgc.zst.age");
    let mut damaged = fs::read(&path).unwrap();
    damaged[60] ^= 1;
    fs::write(path, damaged).unwrap();
    let found = ground.run(&["verify", &id, "--level", "decode", "--identity", &right, "--json"]).expect(1);
    assert_eq!(found.summary()["reason"], "damaged");
}

#[test]
fn what_this_machine_lacks_is_not_the_backups_fault() {
    let (ground, id) = shop();
    let extension =
        |name: &str| pg_backup::manifest::Extension { name: name.to_owned(), version: "3".to_owned() };
    change(&ground, &id, |manifest| manifest.extensions.push(extension("postgis")));
    let done = ground.run(&["verify", &id, "--level", "restore", "--json"]).expect(2);
    let summary = done.summary();
    assert_eq!((&summary["result"], &summary["reason"]), (&"inconclusive".into(), &"extension".into()));
    assert_eq!(done.stdout.lines().count(), 1, "{}", done.stdout);
    assert!(done.stderr.contains("postgresql-15-postgis"), "{}", done.stderr);
    change(&ground, &id, |manifest| {
        manifest.extensions.clear();
        manifest.roles.push("rds_superuser".to_owned());
    });
    let summary = ground.run(&["verify", &id, "--level", "restore", "--json"]).expect(2).summary();
    assert_eq!((&summary["result"], &summary["reason"]), (&"inconclusive".into(), &"role".into()));
}

#[test]
fn a_store_that_does_not_answer_says_nothing_about_a_backup() {
    let ground = Ground::with_s3();
    ground.shop(200);
    let id = ground.create();
    let proxy = FaultProxy::start(&ground.shelf.environment()[0].1).unwrap();
    for fault in [Fault::Status(500), Fault::Reset, Fault::TruncatedBody] {
        for level in LEVELS {
            proxy.clear();
            proxy.add(Rule::new(fault.clone()).method("GET").key("dump.pgc").always());
            let mut command = ground.command(&["verify", &id, "--level", level, "--timeout", "1s", "--json"]);
            command.envs(proxy.environment(ground.shelf.environment()));
            let summary = done(&mut command).expect(75).summary();
            assert_eq!(summary["reason"], "store_unreachable", "{fault:?} {level}");
        }
    }
    proxy.clear();
    proxy.add(Rule::new(Fault::FlipByte { offset: 100 }).method("GET").key("dump.pgc").always());
    let mut command = ground.command(&["verify", &id, "--json"]);
    command.envs(proxy.environment(ground.shelf.environment()));
    assert_eq!(done(&mut command).expect(1).summary()["reason"], "damaged");
}
