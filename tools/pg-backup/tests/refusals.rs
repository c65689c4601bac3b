//! What `create` refuses, and what fails it: nothing is recorded then, and the reason is told.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails, fails its test")]

mod ground;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use ground::{Ground, done};

/// A folder with the real client programs, but another `pg_dump`.
fn programs_with(ground: &Ground, script: &str) -> String {
    let folder = ground.folder.path().join("bin");
    fs::create_dir(&folder).unwrap();
    for name in ["pg_restore", "pg_dumpall"] {
        symlink(ground.postgres.program(name), folder.join(name)).unwrap();
    }
    let real = ground.postgres.program("pg_dump");
    let head = "#!/bin/bash\nset -o pipefail\n[[ $1 == --version ]] && exec $real --version\n";
    let text = format!("{head}{script}").replace("$real", real.to_str().unwrap());
    fs::write(folder.join("pg_dump"), text).unwrap();
    fs::set_permissions(folder.join("pg_dump"), fs::Permissions::from_mode(0o755)).unwrap();
    folder.display().to_string()
}

/// With such a `pg_dump`, `create` fails for this reason and no backup exists.
#[track_caller]
fn check(script: &str, code: i32, reason: &str) {
    let ground = Ground::with_folder();
    ground.shop(5000);
    let before = ground.create();
    let folder = programs_with(&ground, script);
    let failed = ground.run(&["create", "--json", "--pg-bin", &folder]).expect(code);
    assert_eq!(failed.summary()["reason"], reason, "{}", failed.stderr);
    assert_eq!(ground.ids(), [before]);
}

#[test]
fn a_dump_that_dies_half_way_is_no_backup() {
    check("$real \"$@\" | head -c 200000\nkill -9 $$", 3, "program_failed");
}

#[test]
fn a_dump_that_fails_after_its_last_byte_is_no_backup() {
    check("$real \"$@\"\necho 'pg_dump: error: out of patience' >&2\nexit 1", 3, "program_failed");
}

#[test]
fn a_dump_of_nothing_is_no_backup_whatever_its_exit_code_says() {
    check("exit 0", 3, "source");
}

#[test]
fn a_dump_that_is_no_archive_is_no_backup() {
    check("echo '-- SQL'", 3, "source");
}

#[test]
fn a_pg_dump_older_than_the_server_is_refused_before_the_dump() {
    let ground = Ground::with_folder();
    let folder = programs_with(&ground, "");
    fs::write(format!("{folder}/pg_dump"), "#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.24'\n").unwrap();
    let refused = ground.run(&["create", "--json", "--pg-bin", &folder]).expect(2);
    assert_eq!(refused.summary()["reason"], "client_version");
    assert!(refused.stderr.contains("install postgresql-client-15"), "{}", refused.stderr);
    assert_eq!(ground.objects(), Vec::<String>::new());
}

#[test]
fn a_session_that_the_server_ends_fails_the_backup() {
    let ground = Ground::with_folder();
    ground.shop(10);
    let mut running = ground.command(&["create", "--json"]);
    running.env("SLIPWAY_FAULT", "ended=stop").stdout(std::process::Stdio::piped());
    let running = running.stderr(std::process::Stdio::piped()).spawn().unwrap();
    ground.wait_until_stopped(running.id());
    ground.sql("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pg-backup'");
    ground.resume(running.id());
    let output = running.wait_with_output().unwrap();
    // Whoever uses the snapshot next meets it, a client program or this one.
    let code = output.status.code();
    assert!(matches!(code, Some(3 | 75)), "{code:?}: {}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(ground.ids(), Vec::<String>::new());
}

#[test]
fn a_table_that_is_locked_for_too_long_ends_the_wait() {
    let ground = Ground::with_folder();
    ground.shop(10);
    let _locked = ground.hold_open("begin; lock table customer in access exclusive mode");
    let refused = ground.run(&["create", "--lock-timeout", "300ms", "--json"]).expect(75);
    assert_eq!(refused.summary()["reason"], "busy");
}

#[test]
fn rows_that_a_policy_hides_are_not_silently_left_out() {
    let ground = Ground::with_folder();
    ground.shop(10);
    ground.sql(
        "create role clerk login; grant select on all tables in schema public to clerk;
         grant select on all sequences in schema public to clerk;
         alter table customer enable row level security; create policy few on customer using (id < 5)",
    );
    let url = ground.postgres.url("erp").replace("postgres@", "clerk@");
    let failed = done(ground.command(&["create", "--json"]).env("DATABASE_URL", url)).expect(3);
    assert!(failed.stderr.contains("row-level security"), "{}", failed.stderr);
    assert_eq!(ground.ids(), Vec::<String>::new());
}

#[test]
fn no_server_no_bucket_and_a_foreign_bucket_are_named() {
    let ground = Ground::with_s3();
    let refused =
        done(ground.command(&["create"]).env("DATABASE_URL", "postgres://u@127.0.0.1:1/erp")).expect(75);
    assert!(refused.stderr.contains("DATABASE_URL or the PG* variables"), "{}", refused.stderr);
    let refused = ground.run(&["create", "--json", "--store", "s3://absent/x"]).expect(2);
    assert_eq!(refused.summary()["reason"], "no_bucket");
    let refused = done(ground.command(&["list", "--json"]).env("AWS_SECRET_ACCESS_KEY", "wrong")).expect(2);
    assert_eq!(refused.summary()["reason"], "store_denied");
    fs::create_dir_all(ground.shelf.files()).unwrap();
    fs::write(ground.shelf.files().join("photo.jpg"), "mine").unwrap();
    let refused = ground.run(&["create", "--json"]).expect(2);
    assert_eq!(refused.summary()["reason"], "foreign_bucket");
    assert!(refused.stderr.contains("photo.jpg"), "{}", refused.stderr);
}

#[test]
fn a_store_of_another_format_is_not_touched() {
    let ground = Ground::with_folder();
    let marker = ground.shelf.files().join("v1/store.json");
    fs::create_dir_all(marker.parent().unwrap()).unwrap();
    fs::write(&marker, r#"{"type":"store","format":2,"created_at":"2026-11-24T00:00:00Z"}"#).unwrap();
    let refused = ground.run(&["create", "--json"]).expect(2);
    assert_eq!(refused.summary()["reason"], "store_format");
    assert_eq!(ground.objects(), ["v1/store.json"]);
}

#[test]
fn an_unreadable_manifest_is_kept_told_and_counted_nowhere() {
    let ground = Ground::with_folder();
    let (first, second) = (ground.create(), ground.create());
    let name =
        ground.objects().into_iter().find(|name| name.ends_with(&format!("{first}/manifest.json"))).unwrap();
    let path = ground.shelf.files().join(name);
    let newer = serde_json::json!({"format": 7, "whatever": []});
    fs::write(&path, pg_backup::document::encode(&newer).unwrap().0).unwrap();
    let listed = ground.run(&["list", "--json"]).expect(0);
    assert_eq!((&listed.summary()["backups"], &listed.summary()["unreadable"]), (&1.into(), &1.into()));
    assert!(listed.stderr.contains("format 7"), "{}", listed.stderr);
    assert_eq!(ground.ids(), [second]);
}
