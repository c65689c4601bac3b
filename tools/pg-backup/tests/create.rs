//! `create`, `list`, `show` and `cat` against a real server and real stores.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails, fails its test")]

mod ground;

use ground::{Ground, done};
use serde_json::Value;

/// A backup of a small shop can be listed, shown, and restored by pg_restore from `cat`.
#[track_caller]
fn check(ground: &Ground) {
    ground.shop(1000);
    let made = ground.run(&["create", "--release", "v1.4.0", "--git", "0f3c", "--json"]).expect(0).summary();
    let id = made["id"].as_str().unwrap();
    assert_eq!((&made["result"], &made["tables"], &made["rows"]), (&"good".into(), &2.into(), &1100.into()));
    let listed = ground.run(&["list", "--json"]).expect(0);
    let first: Value = serde_json::from_str(listed.stdout.lines().next().unwrap()).unwrap();
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

#[test]
fn the_snapshot_is_what_counts_and_not_what_is_written_meanwhile() {
    let ground = Ground::with_folder();
    ground.shop(1000);
    // The dump waits at its first table while the application writes on.
    let mut waiting = ground.command(&["create", "--json"]);
    waiting.env("SLIPWAY_FAULT", "snapshot=stop").stdout(std::process::Stdio::piped());
    let waiting = waiting.spawn().unwrap();
    ground.wait_until_stopped(waiting.id());
    ground.sql("insert into \"Order\" (customer, note) select 1, 'late' from generate_series(1, 500)");
    ground.resume(waiting.id());
    let output = waiting.wait_with_output().unwrap();
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["rows"], 1100);
    let id = summary["id"].as_str().unwrap();
    let counts = ground.run(&["cat", id, "--object", "counts.json.zst"]).expect(0).stdout;
    assert!(counts.contains(r#""table":"Order","rows":1000"#), "{counts}");
}

#[test]
fn two_backups_of_one_database_do_not_run_at_a_time() {
    let ground = Ground::with_folder();
    ground.shop(10);
    let mut first = ground.command(&["create"]);
    let mut first = first.env("SLIPWAY_FAULT", "snapshot=stop").spawn().unwrap();
    ground.wait_until_stopped(first.id());
    let second = ground.run(&["create", "--json"]).expect(75);
    assert_eq!(second.summary()["reason"], "busy");
    first.kill().unwrap();
    first.wait().unwrap();
    // The lock goes with the session of the killed run, once the server has noticed.
    ground.wait_for("select count(*) from pg_locks where locktype = 'advisory'", "0");
    ground.run(&["create"]).expect(0);
}

#[test]
fn an_encrypted_backup_is_read_with_its_identity_only() {
    let ground = Ground::with_folder();
    ground.shop(10);
    let (key, other) = (age::x25519::Identity::generate(), age::x25519::Identity::generate());
    let identity = ground.identity_file("key", &key);
    let stranger = ground.identity_file("stranger", &other);
    let recipient = key.to_public().to_string();
    let id = ground.run(&["create", "--print-id", "--recipient", &recipient]).expect(0).stdout;
    let id = id.trim();
    let cat = |extra: &[&str]| ground.run(&[&["cat", id, "--object", "counts.json.zst.age"], extra].concat());
    assert!(cat(&[]).expect(2).stderr.contains("is encrypted, and no identity is given"));
    assert!(cat(&["--identity", &stranger]).expect(2).stderr.contains("none of the identities fits"));
    assert!(cat(&["--identity", &identity]).expect(0).stdout.contains("customer"));
    for name in ground.objects().iter().filter(|name| name.contains(id) && !name.ends_with("manifest.json")) {
        let bytes = std::fs::read(ground.shelf.files().join(name)).unwrap();
        assert!(bytes.starts_with(b"age-encryption.org/v1"), "{name}");
    }
}

#[test]
fn several_jobs_write_a_file_for_each_table() {
    let ground = Ground::with_folder();
    ground.shop(1000);
    let spool = ground.folder.path().display().to_string();
    let arguments = ["create", "--layout", "directory", "--jobs", "2", "--spool", &spool, "--json"];
    let made = ground.run(&arguments).expect(0).summary();
    assert_eq!((&made["layout"], &made["jobs"]), (&"directory".into(), &2.into()));
    let files = ground.objects();
    let tables = files.iter().filter(|name| name.contains("/dump/") && name.ends_with(".dat.zst")).count();
    assert!(tables >= 2, "{files:?}");
    assert!(files.iter().any(|name| name.ends_with("/dump/toc.dat.zst")), "{files:?}");
    assert_eq!(std::fs::read_dir(&spool).unwrap().count(), 0, "the spool is given back");
    ground.run(&["create", "--jobs", "2"]).expect(2);
}

#[test]
fn a_database_may_have_any_name() {
    let ground = Ground::with_s3();
    let name = "we\"ird/na me %41 名";
    ground.postgres.create_database(name).unwrap();
    let quoted: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
    done(ground.command(&["create"]).env("DATABASE_URL", ground.postgres.url(&quoted))).expect(0);
    let listed = ground.run(&["list", "--json"]).expect(0);
    let first: Value = serde_json::from_str(listed.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(first["database"], name);
}

#[test]
fn a_dry_run_writes_nothing() {
    let ground = Ground::with_folder();
    let planned = ground.run(&["create", "--dry-run"]).expect(0);
    assert!(planned.stdout.starts_with("would dump "), "{}", planned.stdout);
    assert_eq!(ground.objects(), Vec::<String>::new());
}
