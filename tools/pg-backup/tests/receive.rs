//! `wal-receive`: WAL over the replication protocol, by a real `pg_receivewal`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails, fails its test"
)]

mod ground;
mod yard;

use std::process::{Child, Stdio};

use ground::Shelf;
use testbed::DataFolder;
use yard::{Yard, ask};

/// A server that archives nothing by itself, and a spool.
fn yard() -> (Yard, String) {
    let yard = Yard::over(Shelf::folder(), "");
    yard.archive_by("true");
    let spool = yard.folder.path().join("spool").display().to_string();
    (yard, spool)
}

fn receive(yard: &Yard, spool: &str) -> ground::Done {
    yard.run(&["wal-receive", "--once", "--spool", spool, "--format", "json"])
}

/// Starts a run that goes on until it is told to stop; it holds the slot when this returns.
fn start(yard: &Yard, spool: &str, fault: &str) -> Child {
    let mut command = yard.command(&["wal-receive", "--spool", spool]);
    let child =
        command.env("SLIPWAY_FAULT", fault).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait(yard, "select active from pg_replication_slots where slot_name = 'pg_backup'");
    child
}

/// Waits until the server says so.
#[track_caller]
fn wait(yard: &Yard, question: &str) {
    yard.sql(&format!(
        "do $$ begin
           for attempt in 1..1200 loop
             perform pg_stat_clear_snapshot();
             if coalesce(({question}), false) then return; end if;
             perform pg_sleep(0.05);
           end loop;
           raise 'never: %', $q${question}$q$;
         end $$"
    ));
}

#[test]
fn a_server_without_archiving_is_brought_back_to_a_moment() {
    let (yard, spool) = yard();
    receive(&yard, &spool).expect(0);
    yard.sql("create table account as select n from generate_series(1, 1000) n");
    yard.base(&[]);
    yard.sql("insert into account select n from generate_series(1, 1000) n");
    let before = yard.now();
    yard.sql("drop table account");
    let summary = receive(&yard, &spool).expect(0).summary();
    assert_eq!((summary["result"].as_str(), summary["is_up_to_date"].as_bool()), (Some("good"), Some(true)));

    let target = DataFolder::make().unwrap();
    let pgdata = target.data().display().to_string();
    yard.run(&["restore", "--at", &before, "--pgdata", &pgdata]).expect(0);
    let (_restored, rows) = ask(target, "select count(*) from account");
    assert_eq!(rows, "2000");
}

#[test]
fn the_spool_holds_no_more_than_what_is_needed_to_go_on() {
    let (yard, spool) = yard();
    receive(&yard, &spool).expect(0);
    for _ in 0..3 {
        yard.sql("create table filler (); drop table filler");
        let summary = receive(&yard, &spool).expect(0).summary();
        assert_eq!(summary["result"], "good");
    }
    let whole = std::fs::read_dir(&spool).unwrap().flatten().filter(|entry| entry.file_name().len() == 24);
    assert_eq!(whole.count(), 1);
    let check = yard.run(&["wal-check", "--read", "--format", "json"]).expect(0).summary();
    assert_eq!((check["runs"].as_u64(), check["damaged"].as_u64()), (Some(1), Some(0)), "{check}");
}

#[test]
fn a_run_that_was_killed_leaves_nothing_behind_and_the_next_goes_on() {
    let (yard, spool) = yard();
    let mut killed = start(&yard, &spool, "receive.pushed=kill");
    yard.sql("create table filler (); select pg_switch_wal()");
    killed.wait().unwrap();
    // The program that it had started ends with it, and gives the slot back.
    wait(&yard, "select not active from pg_replication_slots where slot_name = 'pg_backup'");
    yard.sql("drop table filler");
    receive(&yard, &spool).expect(0);
    let check = yard.run(&["wal-check", "--read", "--format", "json"]).expect(0).summary();
    assert_eq!((check["runs"].as_u64(), check["damaged"].as_u64()), (Some(1), Some(0)), "{check}");
}

#[test]
fn a_slot_or_a_spool_that_is_used_is_left_to_who_has_it() {
    let (yard, spool) = yard();
    let mut first = start(&yard, &spool, "");
    let other = yard.folder.path().join("other").display().to_string();
    let refused = receive(&yard, &other).expect(75);
    assert!(refused.stderr.contains("replication slot pg_backup is used by process"), "{}", refused.stderr);
    let refused = receive(&yard, &spool).expect(75);
    assert!(refused.stderr.contains("another wal-receive works in it"), "{}", refused.stderr);
    let pid = rustix::process::Pid::from_child(&first);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(first.wait().unwrap().code(), Some(143));
}

#[test]
fn a_role_that_may_not_replicate_is_told_what_is_left_to_it() {
    let (yard, spool) = yard();
    yard.sql("create role app login; grant pg_monitor to app");
    let url = yard.postgres.url("erp").replace("postgres@", "app@");
    for arguments in [&["wal-receive", "--once", "--spool", &spool][..], &["base"]] {
        let refused = ground::done(yard.command(arguments).env("DATABASE_URL", &url)).expect(2);
        assert!(refused.stderr.contains("alter role \"app\" replication"), "{}", refused.stderr);
        assert!(refused.stderr.contains("dumps"), "{}", refused.stderr);
    }
}
