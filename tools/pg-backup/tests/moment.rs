//! `restore --at`: a real cluster, archived by the real binary, brought back to a moment.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails, fails its test"
)]

mod ground;
mod yard;

use ground::Shelf;
use testbed::DataFolder;
use yard::{Yard, ask, keys};

/// A table is dropped, and the cluster of the moment before has it.
fn undo(yard: &Yard, base_flags: &[&str], restore_flags: &[&str]) {
    yard.sql("create table account (id int primary key, amount int)");
    let base = yard.base(base_flags);
    yard.sql("insert into account select n, n from generate_series(1, 1000) n");
    let before = yard.now();
    yard.sql("drop table account");
    yard.archive();

    let target = DataFolder::make().unwrap();
    let pgdata = target.data().display().to_string();
    let arguments =
        [&["restore", "--at", &before, "--pgdata", &pgdata, "--format", "json"], restore_flags].concat();
    let summary = yard.run(&arguments).expect(0).summary();
    assert_eq!((summary["result"].as_str(), summary["base"].as_str()), (Some("good"), Some(base.as_str())));

    let (restored, rows) = ask(target, "select count(*) from account");
    assert_eq!(rows, "1000");
    assert_eq!(restored.sql("erp", "select pg_is_in_recovery()").unwrap(), "f");
    assert_eq!(restored.sql("erp", "show archive_mode").unwrap(), "off");
    assert_eq!(restored.sql("erp", "select timeline_id from pg_control_checkpoint()").unwrap(), "2");
    assert_eq!(restored.sql("erp", "show restore_command").unwrap(), "");
}

#[test]
fn a_dropped_table_is_brought_back_from_a_folder() {
    undo(&Yard::over(Shelf::folder(), ""), &[], &[]);
}

#[test]
fn a_dropped_table_is_brought_back_from_s3_encrypted() {
    let (recipient, identity) = keys();
    let yard = Yard::over(Shelf::s3(), &format!("--recipient {recipient}"));
    let identity = yard.file("key with space", identity.as_bytes()).display().to_string();
    undo(&yard, &["--recipient", &recipient], &["--identity", &identity]);
}

/// A server with a base backup, and the moments before it, with two rows and after the last.
struct Past {
    yard: Yard,
    before_base: String,
    two_rows: String,
    base: String,
}

fn past() -> Past {
    let yard = Yard::over(Shelf::folder(), "");
    let before_base = yard.now();
    yard.sql("create table account (id int); insert into account values (1)");
    let base = yard.base(&[]);
    yard.sql("insert into account values (2)");
    let two_rows = yard.now();
    yard.sql("insert into account values (3)");
    yard.archive();
    Past { yard, before_base, two_rows, base }
}

/// The restore of `at` into the folder, with a fault.
fn restore(yard: &Yard, at: &str, folder: &DataFolder, fault: &str) -> ground::Done {
    let pgdata = folder.data().display().to_string();
    let mut command = yard.command(&["restore", "--at", at, "--pgdata", &pgdata, "--format", "json"]);
    ground::done(command.env("SLIPWAY_FAULT", fault))
}

#[test]
fn moments_that_nothing_leads_to_are_refused_with_the_nearest_that_can() {
    let Past { yard, before_base, .. } = past();
    let folder = DataFolder::make().unwrap();
    let refused = |at: &str, reason: &str| {
        let done = restore(&yard, at, &folder, "").expect(2);
        assert_eq!(done.summary()["reason"], reason, "{}", done.stderr);
        assert!(!folder.data().exists());
        done.stderr
    };
    assert!(refused(&before_base, "before_base").contains("the earliest moment that can be restored is 20"));
    assert!(refused(&yard.now(), "after_wal").contains("the latest moment that can be restored is 20"));
    refused("2099-01-01T00:00:00Z", "future");
    let other = Yard::over(Shelf::folder(), "");
    other.archive();
    let done = restore(&other, &other.now(), &folder, "").expect(2);
    assert_eq!(done.summary()["reason"], "no_base");
}

#[test]
fn a_folder_of_somebody_else_is_not_touched() {
    let Past { yard, two_rows, .. } = past();
    let pgdata = yard.postgres.data().display().to_string();
    let refused = yard.run(&["restore", "--at", &two_rows, "--pgdata", &pgdata]).expect(2);
    assert!(refused.stderr.contains("is not empty"), "{}", refused.stderr);
    assert_eq!(yard.sql("select count(*) from account"), "3");
}

#[test]
fn a_restore_that_was_killed_anywhere_is_done_by_the_same_command() {
    let Past { yard, two_rows, base, .. } = past();
    let folder = DataFolder::make().unwrap();
    for point in ["restore.made", "restore.unpacked", "restore.replaying", "restore.recovered"] {
        restore(&yard, &two_rows, &folder, &format!("{point}=kill")).expect(-1);
    }
    let last = restore(&yard, &two_rows, &folder, "").expect(0);
    assert_eq!(last.summary()["base"].as_str(), Some(base.as_str()));
    assert_eq!(ask(folder, "select max(id) from account").1, "2");
}

#[test]
fn two_restores_do_not_work_in_one_folder() {
    let Past { yard, two_rows, .. } = past();
    let folder = DataFolder::make().unwrap();
    let pgdata = folder.data().display().to_string();
    let mut first = yard.command(&["restore", "--at", &two_rows, "--pgdata", &pgdata]);
    let mut first = first.env("SLIPWAY_FAULT", "restore.replaying=stop").spawn().unwrap();
    ground::wait_until_stopped(first.id());
    assert_eq!(restore(&yard, &two_rows, &folder, "").expect(75).summary()["reason"], "busy");
    first.kill().unwrap();
    first.wait().unwrap();
    restore(&yard, &two_rows, &folder, "").expect(0);
}

#[test]
fn the_end_of_the_wal_is_a_moment_too() {
    let Past { yard, .. } = past();
    // Nothing is committed after this moment, and the WAL goes beyond it all the same.
    let quiet = yard.now();
    yard.sql("checkpoint");
    yard.sql("select pg_create_restore_point('quiet'), pg_switch_wal()");
    let segment = yard.sql("select last_archived_wal from pg_stat_archiver");
    assert!(!segment.is_empty());
    wait_for_another(&yard, &segment);
    let folder = DataFolder::make().unwrap();
    let done = restore(&yard, &quiet, &folder, "").expect(0);
    assert_eq!(done.summary()["result"], "good");
    assert_eq!(ask(folder, "select max(id) from account").1, "3");
}

fn wait_for_another(yard: &Yard, segment: &str) {
    yard.sql(&format!(
        "do $$ begin
           for attempt in 1..1200 loop
             perform pg_stat_clear_snapshot();
             if (select last_archived_wal > '{segment}' from pg_stat_archiver) then return; end if;
             perform pg_sleep(0.05);
           end loop;
           raise 'not archived';
         end $$"
    ));
}

#[test]
fn a_base_backup_that_was_killed_is_none() {
    let Past { yard, base, .. } = past();
    let listed = || yard.run(&["list", "--base", "--format", "json"]).expect(0).stdout;
    let before = listed();
    for point in ["base.ended", "base.copied", "commit"] {
        let mut command = yard.command(&["base", "--fast"]);
        ground::done(command.env("SLIPWAY_FAULT", format!("{point}=kill"))).expect(-1);
        assert_eq!(listed(), before, "{point}");
    }
    assert!(before.contains(&base));
}

#[test]
fn a_restored_server_that_takes_over_is_restored_across_its_timelines() {
    let Past { yard, two_rows, .. } = past();
    let folder = DataFolder::make().unwrap();
    restore(&yard, &two_rows, &folder, "").expect(0);
    let command = format!("{} wal-push %p", yard.program.display());
    let options = testbed::PostgresOptions::default().env("PG_BACKUP_STORE", yard.shelf.address());
    let conf = folder.data().join("postgresql.auto.conf");
    let text = std::fs::read_to_string(&conf).unwrap();
    std::fs::write(&conf, format!("{text}archive_mode = on\narchive_command = '{command}'\n")).unwrap();
    let mut heir = Yard {
        postgres: testbed::Postgres::adopt(folder, &options).unwrap(),
        shelf: yard.shelf,
        program: yard.program.clone(),
        folder: DataFolder::make().unwrap(),
    };
    heir.sql("insert into account values (4)");
    let four = heir.now();
    heir.sql("drop table account");
    heir.archive();
    let summary = heir.run(&["wal-check", "--read", "--format", "json"]).expect(0).summary();
    assert_eq!(summary["timelines"], 2, "{summary}");
    let folder = DataFolder::make().unwrap();
    restore(&heir, &four, &folder, "").expect(0);
    let (second, rows) = ask(folder, "select string_agg(id::text, ' ' order by id) from account");
    assert_eq!(rows, "1 2 4");
    assert_eq!(second.sql("erp", "select timeline_id from pg_control_checkpoint()").unwrap(), "3");
    heir.postgres.stop(testbed::Stop::Fast).unwrap();
}

/// Runs a command up to a point, asks it to stop there, and lets it go on.
#[track_caller]
fn stopped_at(command: &mut std::process::Command, point: &str) {
    let child = command.env("SLIPWAY_FAULT", format!("{point}=stop")).spawn();
    let mut child = child.unwrap();
    ground::wait_until_stopped(child.id());
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, testbed::Signal::TERM).unwrap();
    ground::resume(child.id());
    assert_eq!(child.wait().unwrap().code(), Some(143), "{point}");
}

#[test]
fn a_restore_that_is_asked_to_stop_takes_its_server_with_it() {
    let Past { yard, two_rows, .. } = past();
    let folder = DataFolder::make().unwrap();
    let pgdata = folder.data().display().to_string();
    for point in ["restore.unpacked", "restore.replaying"] {
        stopped_at(&mut yard.command(&["restore", "--at", &two_rows, "--pgdata", &pgdata]), point);
        assert!(folder.data().join("pg-backup-restore.json").exists(), "it says what it is");
    }
    restore(&yard, &two_rows, &folder, "").expect(0);
    assert_eq!(ask(folder, "select max(id) from account").1, "2");
}

#[test]
fn a_base_backup_that_is_asked_to_stop_is_none() {
    let Past { yard, .. } = past();
    let listed = || yard.run(&["list", "--base", "--format", "json"]).expect(0).stdout;
    let before = listed();
    stopped_at(&mut yard.command(&["base", "--fast"]), "base.ended");
    assert_eq!(listed(), before);
}

#[test]
fn root_gives_what_it_restores_to_the_account_of_the_server() {
    let Past { yard, two_rows, .. } = past();
    let folder = DataFolder::make().unwrap();
    let pgdata = folder.data().display().to_string();
    // As whoever runs the test, who may be root; the server's account can run this program.
    let mut command = std::process::Command::new(&yard.program);
    command.args(["restore", "--at", &two_rows, "--pgdata", &pgdata]).current_dir("/");
    command.env("PG_BACKUP_STORE", yard.shelf.address());
    ground::done(&mut command).expect(0);
    let (restored, rows) = ask(folder, "select max(id) from account");
    assert_eq!(rows, "2");
    let owner =
        std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(restored.data().join("PG_VERSION")).unwrap());
    assert_eq!(owner, restored.runs_as().unwrap());
}
