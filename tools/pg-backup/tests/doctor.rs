//! `doctor` on machines and stores that are well, and on some that are not.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails, fails its test")]

mod ground;

use ground::{Done, Ground, Shelf, done};
use serde_json::Value;
use testbed::{Fault, FaultProxy, PostgresOptions, Rule};

/// What each check has found, by its name.
fn results(done: &Done) -> Vec<(String, String)> {
    let lines = done.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    lines
        .filter(|line| line["type"] == "check")
        .map(|line| (text(&line["name"]), text(&line["result"])))
        .collect()
}

/// Fails unless a check has this result.
#[track_caller]
fn check(done: &Done, name: &str, result: &str) {
    let found = results(done);
    assert!(
        found.contains(&(name.to_owned(), result.to_owned())),
        "{name} {result}: {found:?}\n{}",
        done.stdout
    );
}

#[track_caller]
fn is_well(ground: &Ground) {
    ground.shop(10);
    std::fs::create_dir_all(ground.shelf.files()).unwrap();
    ground.sql("create extension citext");
    for backups in ["none", "one"] {
        let done = ground.run(&["doctor", "--json"]).expect(0);
        assert_eq!(done.summary()["failed"], 0, "{}", done.stdout);
        let names = ["store", "store_writable", "store_deletes", "store_creates", "store_clock", "database"];
        let more = ["database_clock", "role", "replication", "programs", "scratch", "disk", "extensions"];
        for name in names.iter().chain(&more) {
            check(&done, name, "ok");
        }
        check(&done, "archive", "warn");
        assert!(ground.objects().iter().all(|object| !object.contains("probe")), "{:?}", ground.objects());
        if backups == "none" {
            assert!(ground.objects().is_empty(), "looking makes no store ours");
            ground.create();
        }
    }
    let text = ground.run(&["doctor"]).expect(0).stdout;
    assert!(
        text.contains("\nok    store_creates") && text.contains("checks: 0 failed, 1 warnings"),
        "{text}"
    );
}

#[test]
fn all_is_well_with_a_folder() {
    is_well(&Ground::with_folder());
}

#[test]
fn all_is_well_with_a_bucket() {
    is_well(&Ground::with_s3());
}

#[test]
fn a_role_that_reads_too_little_is_found_before_the_dump_fails() {
    let ground = Ground::with_folder();
    ground.shop(10);
    ground.sql("create role teller login; grant pg_read_all_data to teller");
    let url = ground.postgres.url("erp");
    let (scheme, rest) = url.split_once("://").unwrap();
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    let doctor = || {
        done(ground.command(&["doctor", "--json"]).env("DATABASE_URL", format!("{scheme}://teller@{rest}")))
    };
    let granted = doctor();
    check(&granted, "role", "ok");
    check(&granted, "replication", "warn");
    ground.sql("revoke pg_read_all_data from teller");
    let refused = doctor().expect(1);
    check(&refused, "role", "fail");
    assert_eq!(refused.summary()["reason"], "checks_failed");
    ground.sql("grant pg_read_all_data to teller; alter table customer enable row level security");
    check(&doctor().expect(1), "row_security", "fail");
}

#[test]
fn archiving_that_fails_is_found() {
    let options = PostgresOptions::default().set("archive_mode", "on").set("archive_command", "false");
    let ground = Ground::over(Shelf::folder(), &options);
    ground.shop(10);
    ground.sql("select pg_switch_wal()");
    ground.wait_for("select failed_count > 0 from pg_stat_archiver", "t");
    check(&ground.run(&["doctor", "--json"]).expect(1), "archive", "fail");
}

#[test]
fn what_cannot_be_reached_is_no_answer() {
    let ground = Ground::with_folder();
    let unreachable =
        done(ground.command(&["doctor", "--json"]).env("DATABASE_URL", "postgres://x@127.0.0.1:1/erp"));
    assert_eq!(unreachable.expect(75).summary()["reason"], "database_unreachable");
    let mut command = ground.command(&["doctor", "--json", "--timeout", "1s"]);
    command.env("PG_BACKUP_STORE", "s3://bucket").envs([
        ("AWS_ENDPOINT", "http://127.0.0.1:1"),
        ("AWS_ACCESS_KEY_ID", "a"),
        ("AWS_SECRET_ACCESS_KEY", "b"),
        ("AWS_ALLOW_HTTP", "true"),
    ]);
    assert_eq!(done(&mut command).expect(75).summary()["reason"], "store_unreachable");
}

#[test]
fn a_store_of_somebody_else_or_without_rights_is_found() {
    let ground = Ground::with_folder();
    std::fs::create_dir_all(ground.shelf.files()).unwrap();
    std::fs::write(ground.shelf.files().join("letter.txt"), "dear").unwrap();
    check(&ground.run(&["doctor", "--json"]).expect(1), "store", "fail");
    let ground = Ground::with_s3();
    let server = ground.shelf.server();
    let denied = |method: &str, query: &str| {
        let proxy = FaultProxy::start(&server.endpoint()).unwrap();
        proxy.add(Rule::new(Fault::Status(403)).method(method).query(query).always());
        done(ground.command(&["doctor", "--json"]).envs(proxy.environment(server.environment())))
    };
    check(&denied("PUT", "").expect(1), "store_writable", "fail");
    check(&denied("POST", "delete").expect(0), "store_deletes", "warn");
}

#[test]
fn old_programs_and_a_machine_without_scratch_are_found() {
    let ground = Ground::with_folder();
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join("pg_dump");
    std::fs::write(&old, "#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.24'\n").unwrap();
    std::fs::set_permissions(&old, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = folder.path().to_str().unwrap();
    let done = ground.run(&["doctor", "--json", "--pg-bin", path]).expect(1);
    check(&done, "programs", "fail");
    assert!(done.stdout.contains("install postgresql-client-"), "{}", done.stdout);
    let lost = ground.run(&["doctor", "--json", "--scratch", "/nowhere/at/all"]).expect(1);
    check(&lost, "scratch", "fail");
}
