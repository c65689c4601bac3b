//! `restore --to` against real servers.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails, fails its test")]

mod aftermath;
mod forgery;
mod ground;

use aftermath::{ended, signal, start};
use ground::{Ground, done, wait};
use pg_backup::manifest::Role;
use rustix::process::Signal;

/// A shop with five thousand orders, and its backup.
fn shop() -> (Ground, String) {
    let ground = Ground::with_folder();
    // Enough for an archive that is read in three pieces.
    ground.shop(5000);
    let id = ground.create();
    (ground, id)
}

/// The orders in a database.
#[track_caller]
fn orders(ground: &Ground, database: &str) -> String {
    ground.postgres.sql(database, "select count(*) from \"Order\"").unwrap()
}

#[test]
fn a_backup_becomes_a_new_database() {
    let (ground, id) = shop();
    let planned = ground.run(&["restore", &id, "--to", "copy", "--dry-run", "--json"]).expect(0).summary();
    assert_eq!(planned["steps"][0], "make the database copy");
    let summary = ground.run(&["restore", &id, "--to", "copy", "--json"]).expect(0).summary();
    assert_eq!((&summary["result"], &summary["rows"]), (&"good".into(), &5100.into()), "{summary}");
    assert_eq!(orders(&ground, "copy"), "5000");
    let comment = "select count(*) from pg_shdescription d join pg_database b on b.oid = d.objoid where datname = 'copy'";
    assert_eq!(ground.sql(comment), "0");
}

#[test]
fn several_jobs_read_a_file_and_files_are_read_by_any_number() {
    let (ground, id) = shop();
    let summary = ground.run(&["restore", &id, "--to", "copy", "-j2", "--json"]).expect(0).summary();
    assert_eq!((&summary["way"], &summary["jobs"]), (&"spooled".into(), &2.into()));
    assert_eq!(orders(&ground, "copy"), "5000");
    let made = ground.run(&["create", "--layout", "directory", "-j2", "--print-id"]).expect(0);
    for jobs in ["-j1", "-j2"] {
        let name = format!("files{jobs}");
        let summary =
            ground.run(&["restore", made.stdout.trim(), "--to", &name, jobs, "--json"]).expect(0).summary();
        assert_eq!(summary["way"], "files", "{summary}");
        assert_eq!(orders(&ground, &name), "5000");
    }
}

#[test]
fn a_database_that_holds_something_is_refused() {
    let (ground, id) = shop();
    let refused = ground.run(&["restore", &id, "--to", "erp"]).expect(2);
    assert!(refused.stderr.contains("erp: is the database that the backup comes from"), "{}", refused.stderr);
    ground.postgres.create_database("other").unwrap();
    ground.postgres.sql("other", "create schema mine").unwrap();
    let refused = ground.run(&["restore", &id, "--to", "other"]).expect(2);
    assert!(refused.stderr.contains("other: is not empty: it holds schema mine"), "{}", refused.stderr);
}

#[test]
fn a_database_is_replaced_and_the_old_one_is_kept() {
    let (ground, id) = shop();
    ground.sql("alter database erp set work_mem = '5MB'; drop table \"Order\" cascade");
    ground.run(&["restore", &id, "--to", "erp", "--replace", "ERP"]).expect(2);
    let summary =
        ground.run(&["restore", &id, "--to", "erp", "--replace", "erp", "--json"]).expect(0).summary();
    let kept = summary["kept"].as_str().unwrap();
    assert_eq!(orders(&ground, "erp"), "5000");
    assert_eq!(ground.sql("show work_mem"), "5MB");
    assert_eq!(ground.postgres.sql(kept, "select count(*) from customer").unwrap(), "100");
}

/// Databases by name.
fn databases(ground: &Ground) -> Vec<String> {
    let found =
        ground.postgres.sql("postgres", "select datname from pg_database where not datistemplate order by 1");
    found.unwrap().lines().map(str::to_owned).collect()
}

/// Kills a restore at a place, and runs it again until the server has noticed; the restored database is whole.
#[track_caller]
fn survives(ground: &Ground, arguments: &[&str], place: &str, database: &str) {
    let killed = done(ground.command(arguments).env("SLIPWAY_FAULT", format!("{place}=kill")));
    assert_eq!(killed.code, -1, "{place}: {}{}", killed.stdout, killed.stderr);
    wait("the same command works again", || {
        let again = ground.run(arguments);
        assert!(matches!(again.code, 0 | 75), "{place}: {}{}", again.stdout, again.stderr);
        again.code == 0
    });
    assert_eq!(orders(ground, database), "5000", "{place}");
    let (left, mark) = ("datname like '%_restore_%'", "description like 'pg-backup%'");
    let query = format!(
        "select (select count(*) from pg_database where {left}) + (select count(*) from pg_shdescription where {mark})"
    );
    assert_eq!(ground.sql(&query), "0", "{place}");
}

#[test]
fn a_restore_that_is_killed_is_done_by_the_same_command() {
    let (ground, id) = shop();
    for place in ["created", "made", "fetched:1", "fetched:2", "fetched:3", "filled"] {
        for jobs in ["-j1", "-j2"] {
            survives(&ground, &["restore", &id, "--to", "copy", jobs], place, "copy");
            ground.postgres.sql("postgres", "drop database copy").unwrap();
        }
    }
}

#[test]
fn a_replacement_that_is_killed_is_done_by_the_same_command() {
    let (ground, id) = shop();
    for place in ["created", "made", "fetched:2", "filled", "settled"] {
        ground.sql("drop table \"Order\" cascade");
        survives(&ground, &["restore", &id, "--to", "erp", "--replace", "erp"], place, "erp");
    }
    assert_eq!(databases(&ground).len(), 2 + 5, "each old one is kept: {:?}", databases(&ground));
}

#[test]
fn a_signal_leaves_nothing_of_a_restore() {
    let (ground, id) = shop();
    let before = databases(&ground);
    for jobs in ["-j1", "-j2"] {
        let run = start(
            ground.command(&["restore", &id, "--to", "copy", jobs]).env("SLIPWAY_FAULT", "fetched:2=stop"),
        );
        ground.wait_until_stopped(run.id());
        assert_eq!(databases(&ground).len(), before.len() + 1);
        signal(&run, Signal::TERM);
        ground.resume(run.id());
        let stopped = ended(run).expect(143);
        assert!(stopped.stderr.contains("nothing is left of it"), "{}", stopped.stderr);
        assert_eq!(databases(&ground), before);
    }
}

#[test]
fn a_damaged_backup_leaves_nothing() {
    let (ground, id) = shop();
    let before = databases(&ground);
    let path = forgery::file(&ground, &id, "dump.pgc.zst");
    let good = std::fs::read(&path).unwrap();
    let mut damaged = good.clone();
    // The last byte is of the checksum of the frame: everything before it has been read by then.
    *damaged.last_mut().unwrap() ^= 1;
    std::fs::write(&path, &damaged).unwrap();
    let failed = ground.run(&["restore", &id, "--to", "copy", "--json"]).expect(3);
    assert_eq!(failed.summary()["reason"], "object_damaged");
    assert_eq!(databases(&ground), before);
    ground.postgres.create_database("empty").unwrap();
    ground.run(&["restore", &id, "--to", "empty"]).expect(3);
    let tables = "select count(*) from pg_class where relnamespace = 'public'::regnamespace";
    assert_eq!(ground.postgres.sql("empty", tables).unwrap(), "0");
    std::fs::write(&path, good).unwrap();
    ground.run(&["restore", &id, "--to", "empty"]).expect(0);
    assert_eq!(orders(&ground, "empty"), "5000");
}

#[test]
fn a_database_in_use_is_not_replaced_and_the_user_is_named() {
    let (ground, id) = shop();
    let session = ground.hold_open("set application_name = 'till 7'");
    let refused = ground.run(&["restore", &id, "--to", "erp", "--replace", "erp", "--json"]).expect(2);
    assert_eq!(refused.summary()["reason"], "sessions");
    assert!(refused.stderr.contains("postgres by till 7"), "{}", refused.stderr);
    drop(session);
    ground.wait_for("select count(*) from pg_stat_activity where application_name = 'till 7'", "0");
    // Whoever connects while the new one is restored keeps the old one, and the new one waits for its name.
    let arguments = ["restore", &id, "--to", "erp", "--replace", "erp", "--json"];
    let run = start(ground.command(&arguments).env("SLIPWAY_FAULT", "settled=stop"));
    ground.wait_until_stopped(run.id());
    let session = ground.hold_open("set application_name = 'till 8'");
    ground.resume(run.id());
    let busy = ended(run).expect(75);
    assert!(busy.stderr.contains("postgres by till 8"), "{}", busy.stderr);
    drop(session);
    ground.wait_for("select count(*) from pg_stat_activity where application_name = 'till 8'", "0");
    let planned = ground.run(&[&arguments[..], &["--dry-run"]].concat()).expect(0).summary();
    assert!(planned["steps"][0].as_str().unwrap().contains("which an earlier run has restored"), "{planned}");
    ground.run(&arguments).expect(0);
    assert_eq!(orders(&ground, "erp"), "5000");
}

#[test]
fn what_the_server_lacks_is_refused_before_anything_is_made() {
    let (ground, id) = shop();
    let before = databases(&ground);
    let refused = |reason: &str| {
        let refused = ground.run(&["restore", &id, "--to", "copy", "--json"]).expect(2).summary();
        assert_eq!(refused["reason"], reason, "{refused}");
    };
    forgery::change(&ground, &id, |manifest| manifest.roles.push("nobody here".to_owned()));
    refused("role");
    ground.run(&["restore", &id, "--to", "copy", "--no-owner"]).expect(0);
    ground.postgres.sql("postgres", "drop database copy").unwrap();
    let extension = pg_backup::manifest::Extension { name: "postgis".to_owned(), version: "3".to_owned() };
    forgery::change(&ground, &id, |manifest| manifest.extensions.push(extension));
    refused("extension");
    forgery::change(&ground, &id, |manifest| manifest.cluster.server_version = 990_000);
    refused("server_version");
    assert_eq!(databases(&ground), before);
}

#[test]
fn rows_that_are_not_there_stop_a_replacement() {
    let (ground, id) = shop();
    let before = databases(&ground);
    forgery::reseal(&ground, &id, Role::Counts, |plain| {
        String::from_utf8(plain).unwrap().replace("\"rows\":5000", "\"rows\":5001").into_bytes()
    });
    let failed = ground.run(&["restore", &id, "--to", "erp", "--replace", "erp", "--json"]).expect(3);
    assert_eq!(failed.summary()["reason"], "rows");
    assert_eq!((databases(&ground), orders(&ground, "erp")), (before, "5000".to_owned()));
}

#[test]
fn odd_names_and_owners_are_restored_as_they_were() {
    let ground = Ground::with_folder();
    ground.sql(
        "create role clerk nologin; create table \"weird \"\"names\"\"\" (id int); alter table \"weird \"\"names\"\"\" owner to clerk;
         insert into \"weird \"\"names\"\"\" values (1); select lo_from_bytea(4711, '\\xdead')",
    );
    let id = ground.create();
    let name = "it's \"odd\" = 名";
    ground.run(&["restore", &id, "--to", name]).expect(0);
    let owner = "select tableowner from pg_tables where tablename = 'weird \"names\"'";
    ground
        .postgres
        .sql("postgres", &format!("alter database \"{}\" rename to plain", name.replace('"', "\"\"")))
        .unwrap();
    assert_eq!(ground.postgres.sql("plain", owner).unwrap(), "clerk");
    assert_eq!(ground.postgres.sql("plain", "select lo_get(4711)").unwrap(), "\\xdead");
}
