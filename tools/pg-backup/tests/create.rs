//! `create`, `list`, `show` and `cat` against a real server and real stores.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails, fails its test")]

mod ground;

use ground::Ground;

/// A backup of a small shop can be listed, shown, and restored by pg_restore from `cat`.
#[track_caller]
fn check(ground: &Ground) {
    ground.shop(1000);
    let made = ground.run(&["create", "--release", "v1.4.0", "--git", "0f3c", "--json"]).expect(0).summary();
    let id = made["id"].as_str().unwrap();
    assert_eq!((&made["result"], &made["tables"], &made["rows"]), (&"good".into(), &2.into(), &1100.into()));
    let listed = ground.run(&["list", "--json"]).expect(0);
    let first: serde_json::Value = serde_json::from_str(listed.stdout.lines().next().unwrap()).unwrap();
    assert_eq!((&first["id"], &first["proof"]), (&id.into(), &"unproven".into()));
    let shown = ground.run(&["show", id, "--json"]).expect(0).summary();
    assert_eq!(shown["manifest"]["release"]["git"], "0f3c");
    ground.postgres.create_database("scratch").unwrap();
    let url = ground.postgres.url("scratch");
    ground.shell(&format!("pg-backup cat {id} | pg_restore --exit-on-error -d {url}")).expect(0);
    assert_eq!(ground.postgres.sql("scratch", "select count(*) from \"Order\"").unwrap(), "1000");
}

#[test]
fn a_backup_in_a_folder_is_restored_by_foreign_hands() {
    check(&Ground::with_folder());
}

#[test]
fn a_backup_on_s3_is_restored_by_foreign_hands() {
    check(&Ground::with_s3());
}
