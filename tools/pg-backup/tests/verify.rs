//! `verify` of good backups: small ones, odd ones, and what a run leaves behind.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails, fails its test")]

mod aftermath;
mod ground;

use std::path::{Path, PathBuf};

use aftermath::{ended, signal, start};
use ground::{Ground, done, wait};
use rustix::process::Signal;
use serde_json::Value;

/// The summary of a verification that must end with `code`.
#[track_caller]
fn verified(ground: &Ground, id: &str, level: &str, code: i32) -> Value {
    ground.run(&["verify", id, "--level", level, "--json"]).expect(code).summary()
}

/// The database restores, is found to be the same, and says so by so many tables and rows.
#[track_caller]
fn restores(ground: &Ground, tables: u64, rows: u64) {
    let id = ground.create();
    let summary = verified(ground, &id, "restore", 0);
    assert_eq!((&summary["result"], &summary["indexes"]), (&"good".into(), &"good".into()), "{summary}");
    assert_eq!((&summary["tables"], &summary["rows"]), (&tables.into(), &rows.into()), "{summary}");
}

/// Scratch clusters in a folder.
fn scratches(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.to_string_lossy().contains("pg-backup-scratch")).collect()
}

/// Processes that work in a folder.
fn processes_in(folder: &Path) -> usize {
    let entries = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path().join("cwd"));
    entries.filter(|cwd| std::fs::read_link(cwd).is_ok_and(|cwd| cwd.starts_with(folder))).count()
}

#[test]
fn a_good_backup_is_good_at_every_level_and_leaves_evidence() {
    let ground = Ground::with_folder();
    ground.shop(1000);
    let id = ground.create();
    for level in ["checksum", "decode", "restore"] {
        let summary = verified(&ground, &id, level, 0);
        assert_eq!((&summary["result"], &summary["reason"]), (&"good".into(), &Value::Null), "{summary}");
        let evidence = ground.shelf.files().join(summary["evidence"].as_str().unwrap());
        assert!(evidence.is_file(), "{summary}");
    }
    let shown = ground.run(&["list"]).expect(0);
    assert!(shown.stdout.contains("restored"), "{}", shown.stdout);
}

#[test]
fn several_jobs_and_files_are_verified_too() {
    let ground = Ground::with_folder();
    ground.shop(1000);
    let id = ground.create();
    let summary = ground.run(&["verify", &id, "--level", "restore", "-j2", "--json"]).expect(0).summary();
    assert_eq!((&summary["way"], &summary["jobs"]), (&"spooled".into(), &2.into()), "{summary}");
    let made = ground.run(&["create", "--layout", "directory", "-j2", "--print-id"]).expect(0);
    let id = made.stdout.trim();
    verified(&ground, id, "decode", 0);
    assert_eq!(verified(&ground, id, "restore", 0)["way"], "files");
}

#[test]
fn whoever_is_not_root_restores_as_himself() {
    let ground = Ground::with_s3();
    ground.shop(1000);
    let id = ground.create();
    let arguments = ["verify", id.as_str(), "--level", "restore", "--scratch-user", "nobody-here", "--json"];
    let summary = done(&mut ground.command_as_server(&arguments)).expect(0).summary();
    assert_eq!((&summary["result"], &summary["rows"]), (&"good".into(), &1100.into()), "{summary}");
}

#[test]
fn no_id_is_refused() {
    let ground = Ground::with_folder();
    ground.shop(10);
    let id = ground.create();
    ground.run(&["verify"]).expect(2);
    ground.run(&["verify", "-"]).expect(2);
    ground.run(&["verify", "20261123T104046Z-0123456789abcdef"]).expect(2);
    assert_eq!(ground.run(&["verify", "--newest", "--json"]).expect(0).summary()["id"], id.as_str());
}

#[test]
fn an_odd_database_is_restored_as_it_was() {
    let ground = Ground::with_folder();
    ground.sql(
        "create role \"no login; really\" nologin; create role reader; create extension citext; create extension pg_trgm;
         create schema \"weird \"\"schema\"\"\"; grant usage on schema \"weird \"\"schema\"\"\" to reader;
         create table \"weird \"\"schema\"\"\".\"weird \"\"names\"\"\" (\"a \"\"b\" int primary key, \"배송\" citext unique);
         insert into \"weird \"\"schema\"\"\".\"weird \"\"names\"\"\" select n, 'x' || n from generate_series(1, 5) n;
         create domain positive as int check (value > 0);
         create table sums (a positive, b int, c int generated always as (a + b) stored, d tsvector);
         insert into sums (a, b) values (1, 2), (3, 4);
         create index on sums using gin (d); create index on sums ((a + b)) where b > 1;
         create table days (at date, what text) partition by range (at);
         create table days_1 partition of days for values from ('2026-01-01') to ('2026-07-01');
         create table days_2 partition of days default; create index on days (at);
         insert into days select '2026-01-01'::date + n, 'day' from generate_series(0, 299) n;
         create table secret (id int, whose text); insert into secret values (1, 'a'), (2, 'b');
         alter table secret enable row level security; alter table secret force row level security;
         create policy own on secret using (whose = current_user); alter table secret owner to \"no login; really\";
         alter default privileges in schema public grant select on tables to reader;
         create materialized view totals as select sum(a) from sums; create sequence counter start 42;
         create function twice(x int) returns int language sql immutable as 'select -- a comment\n 2 * x';
         create index fuzzy on days_1 using gin (what gin_trgm_ops);
         comment on table secret is 'it''s; -- odd';
         select lo_from_bytea(4711, '\\xdeadbeef')",
    );
    restores(&ground, 5, 309);
}

#[test]
fn a_database_that_is_not_in_utf8_is_restored_as_it_was() {
    let ground = Ground::with_folder();
    ground.postgres.sql("postgres", "drop database erp").unwrap();
    let made = "create database erp template template0 encoding 'LATIN1' lc_collate 'C' lc_ctype 'C'";
    ground.postgres.sql("postgres", made).unwrap();
    ground.sql("create table größe (straße text default 'ä'); insert into größe values ('Öl'), ('é')");
    restores(&ground, 1, 2);
}

/// As many tables as `scripts/soak backup-tables` asks for.
#[test]
fn thousands_of_tables_are_restored() {
    let asked = std::env::var("PG_BACKUP_TABLES").ok().map(|tables| tables.parse::<u64>().unwrap());
    let tables = asked.unwrap_or(2000);
    // pg_dump locks every table: a server must allow that, whoever backs it up.
    let options = testbed::PostgresOptions::default();
    let options = match asked {
        Some(tables) => options.set("max_locks_per_transaction", 64 + tables / 10),
        None => options,
    };
    let ground = Ground::over(ground::Shelf::folder(), &options);
    ground.sql(&format!(
        "do $$ begin for n in 1..{tables} loop
           execute format('create table t%s (id serial primary key, b text)', n);
           if n % 100 = 0 then commit; end if; end loop; end $$;
         insert into t7 (b) values ('x')"
    ));
    restores(&ground, tables, 1);
    // With more locks than a transaction may take it is restored without one.
    let summary = ground.run(&["restore", "--newest", "--to", "copy", "--json"]).expect(0).summary();
    assert_eq!(
        (&summary["tables"], &summary["in_one_transaction"]),
        (&tables.into(), &false.into()),
        "{summary}"
    );
}

#[test]
fn a_signal_leaves_no_cluster_and_no_process() {
    let ground = Ground::with_folder();
    ground.shop(1000);
    let id = ground.create();
    let folder = ground.folder.path();
    for place in ["scratch", "restored"] {
        let mut command = ground.command(&["verify", &id, "--level", "restore", "--scratch"]);
        let run = start(command.arg(folder).env("SLIPWAY_FAULT", format!("{place}=stop")));
        ground.wait_until_stopped(run.id());
        assert_eq!(scratches(folder).len(), 1);
        let here = folder.canonicalize().unwrap();
        assert!(processes_in(&here) > 1, "the cluster works in its folder");
        signal(&run, Signal::TERM);
        ground.resume(run.id());
        ended(run).expect(143);
        assert_eq!(scratches(folder), Vec::<PathBuf>::new());
        wait("the cluster ends", || scratch_processes(&here) == 0);
    }
}

/// Processes in scratch clusters of a folder; the ground's own holder of the folder is none.
fn scratch_processes(folder: &Path) -> usize {
    let entries = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path().join("cwd"));
    let is_scratch = |cwd: PathBuf| {
        std::fs::read_link(cwd)
            .is_ok_and(|cwd| cwd.starts_with(folder) && cwd.to_string_lossy().contains("pg-backup-scratch"))
    };
    entries.filter(|cwd| is_scratch(cwd.clone())).count()
}

#[test]
fn what_a_killed_run_leaves_the_next_one_removes() {
    let ground = Ground::with_folder();
    ground.shop(1000);
    let id = ground.create();
    let folder = ground.folder.path();
    let verify = || {
        let mut command = ground.command(&["verify", &id, "--level", "restore", "--scratch"]);
        command.arg(folder);
        command
    };
    assert_eq!(done(verify().env("SLIPWAY_FAULT", "restored=kill")).code, -1);
    let here = folder.canonicalize().unwrap();
    assert_eq!(scratches(folder).len(), 1);
    assert!(scratch_processes(&here) > 0, "a killed run stops nobody");
    let again = done(&mut verify()).expect(0);
    assert!(again.stderr.contains("scratch clusters of killed runs were removed: 1"), "{}", again.stderr);
    assert_eq!((scratches(folder).len(), scratch_processes(&here)), (0, 0));
}
