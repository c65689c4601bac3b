//! A cluster is there in a moment, survives a crash of its server, and goes with its owner.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails, fails its test")]

mod remains;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::Instant;

use rustix::process::{Pid, kill_process};
use testbed::{Distribution, Postgres, PostgresOptions, Setting, Signal, Stop};

use remains::{LIMIT, Owner, Remains};

fn shared() -> &'static Postgres {
    static SHARED: OnceLock<Postgres> = OnceLock::new();
    let options = PostgresOptions { has_statement_statistics: true, ..PostgresOptions::default() };
    SHARED.get_or_init(|| Postgres::start(&options.set("work_mem", "5MB")).unwrap())
}

/// Asks until the answer is this.
#[track_caller]
fn wait_for(postgres: &Postgres, question: &str, answer: &str) {
    let deadline = Instant::now() + LIMIT;
    loop {
        let got = postgres.sql("postgres", question).unwrap();
        if got == answer {
            return;
        }
        assert!(Instant::now() < deadline, "{question}: {got} instead of {answer}");
        thread::yield_now();
    }
}

/// A server with all its processes; only those named must run now, since the others come and go.
fn server_with(backends: &[i32], postmaster: i32, folder: impl Into<PathBuf>) -> Remains {
    let mut remains = Remains::new([&[postmaster], backends].concat(), folder);
    remains.processes.extend(children_of(postmaster));
    remains
}

fn children_of(parent: i32) -> Vec<i32> {
    let names = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().file_name());
    let pids = names.filter_map(|name| name.to_str()?.parse().ok());
    pids.filter(|&pid| remains::status(pid).is_some_and(|(_, of)| of == parent)).collect()
}

#[test]
fn answers_with_rows_and_errors() {
    let postgres = shared();
    assert_eq!(postgres.sql("postgres", "select 1, 'a'; select null").unwrap(), "1|a");
    assert_eq!(postgres.sql("postgres", "show work_mem; show fsync").unwrap(), "5MB\noff");
    let error = postgres.sql("postgres", "select 1;\nselect * from absent; select 2").unwrap_err();
    assert!(
        error.to_string().contains("psql:<stdin>:2: ERROR:  relation \"absent\" does not exist"),
        "{error}"
    );
}

#[test]
fn databases_are_apart_and_keep_strange_names() {
    let url = shared().create_database("a\"b").unwrap();
    assert_eq!(
        shared().sql("postgres", "select count(*) from pg_database where datname = 'a\"b'").unwrap(),
        "1"
    );
    assert!(url.starts_with(&format!("postgres://postgres@127.0.0.1:{}/", shared().port())));
}

#[test]
fn statement_statistics_are_there_when_asked_for() {
    shared().create_database("statistics").unwrap();
    let count = "create extension pg_stat_statements; select count(*) > 0 from pg_stat_statements";
    assert_eq!(shared().sql("statistics", count).unwrap(), "t");
}

#[test]
fn can_be_reached_by_its_socket_and_by_client_programs() {
    let mut command = Command::new(shared().program("pg_isready"));
    command.arg("-h").arg(shared().socket()).args(["-p", &shared().port().to_string()]);
    assert!(command.stdout(Stdio::null()).status().unwrap().success());
}

#[test]
fn a_setting_that_postgres_refuses_is_told_with_its_words() {
    let error = Postgres::start(&PostgresOptions::default().set("work_memory", 1)).unwrap_err().to_string();
    assert!(error.contains("unrecognized configuration parameter \"work_memory\""), "{error}");
}

#[test]
fn a_crash_keeps_what_was_committed() {
    let mut postgres = Postgres::start(&PostgresOptions::default().set("fsync", "on")).unwrap();
    let (url, pid) = (postgres.url("postgres"), postgres.pid());
    postgres.sql("postgres", "create table kept as select 7 as value").unwrap();
    postgres.stop(Stop::Immediate).unwrap();
    assert!(postgres.sql("postgres", "select 1").is_err());
    postgres.start_again().unwrap();
    assert!(postgres.log().iter().any(|line| line.contains("automatic recovery in progress")));
    assert_eq!(postgres.sql("postgres", "select value from kept").unwrap(), "7");
    assert_eq!(postgres.url("postgres"), url);
    assert_ne!(postgres.pid(), pid);
    postgres.stop(Stop::Fast).unwrap();
    assert_eq!(postgres.pid(), 0);
}

#[test]
fn a_server_that_was_killed_can_be_started_again() {
    let mut postgres = Postgres::start(&PostgresOptions::default()).unwrap();
    let asleep = ["-X", "-d", &postgres.url("postgres"), "-c", "create table kept(); select pg_sleep(600)"];
    let mut psql = Command::new(postgres.program("psql")).args(asleep).stderr(Stdio::null()).spawn().unwrap();
    wait_for(&postgres, "select count(*) from pg_stat_activity where wait_event = 'PgSleep'", "1");
    kill_process(Pid::from_raw(postgres.pid()).unwrap(), Signal::KILL).unwrap();
    postgres.start_again().unwrap();
    assert_eq!(
        postgres
            .sql("postgres", "select count(*) from pg_stat_activity where wait_event = 'PgSleep'")
            .unwrap(),
        "0"
    );
    assert!(!psql.wait().unwrap().success());
}

#[test]
fn a_standby_replays_what_its_primary_writes() {
    let primary = Postgres::start(&PostgresOptions::default()).unwrap();
    let standby = primary.standby(&[Setting::new("work_mem", "6MB")]).unwrap();
    primary.sql("postgres", "create table replayed as select 1").unwrap();
    wait_for(&standby, "select count(*) from pg_class where relname = 'replayed'", "1");
    assert_eq!(standby.sql("postgres", "select pg_is_in_recovery(); show work_mem").unwrap(), "t\n6MB");
    let slots = "select slot_type, active from pg_replication_slots";
    assert_eq!(primary.sql("postgres", slots).unwrap(), "physical|t");
}

#[test]
fn version_18_comes_from_npm() {
    let options = PostgresOptions { distribution: Distribution::Embedded18, ..PostgresOptions::default() };
    let postgres = Postgres::start(&options).unwrap();
    assert_eq!(
        postgres.sql("postgres", "select current_setting('server_version_num')::int / 10000").unwrap(),
        "18"
    );
}

#[test]
fn drop_leaves_nothing() {
    let postgres = Postgres::start(&PostgresOptions::default()).unwrap();
    let remains = server_with(&[], postgres.pid(), postgres.socket());
    assert!(remains.processes.len() > 3, "the server has processes of its own");
    drop(postgres);
    assert!(!remains.anything(), "drop returns only when all is gone");
}

/// A backend that computes looks neither for its postmaster nor for its client.
fn compute(url: &str) -> Child {
    let endless = "set application_name = 'busy'; select count(*) from generate_series(1, 1e12::bigint)";
    let psql = shared().program("psql");
    Command::new(psql).args(["-Xq", "-d", url, "-c", endless]).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn kill_9_of_the_owner_leaves_nothing_not_even_a_busy_backend() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_testbed"));
    let mut owner =
        Owner::spawn(command.args(["postgres", "--set", "max_connections=9", "--database", "app"]));
    let text = |key: &str| owner.ready[key].as_str().unwrap().to_owned();
    let mut client = compute(&text("url"));
    let backend = || {
        let ask = "select pid from pg_stat_activity where query like '%1e12%' and pid <> pg_backend_pid()";
        let asked =
            Command::new(shared().program("psql")).args(["-XAt", "-d", &text("url"), "-c", ask]).output();
        String::from_utf8(asked.unwrap().stdout).unwrap().trim().parse().ok()
    };
    let deadline = Instant::now() + LIMIT;
    let busy: i32 =
        std::iter::repeat_with(backend).take_while(|_| Instant::now() < deadline).flatten().next().unwrap();
    let remains = server_with(&[busy], owner.pid(), text("socket"));
    owner.process.kill().unwrap();
    remains.assert_gone();
    owner.process.wait().unwrap();
    assert!(!client.wait().unwrap().success());
    let segments = fs::read_to_string("/proc/sysvipc/shm").unwrap();
    let creators = segments.lines().filter_map(|line| line.split_whitespace().nth(4));
    assert!(creators.into_iter().all(|creator| creator != owner.pid().to_string()), "{segments}");
}

#[test]
fn the_command_makes_the_database_and_ends_when_its_stdin_closes() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_testbed"));
    let mut owner = Owner::spawn(command.args(["postgres", "--database", "app"]));
    let text = |key: &str| owner.ready[key].as_str().unwrap().to_owned();
    assert_eq!(text("program"), "postgres");
    assert!(text("url").ends_with(&format!("{}/app", owner.ready["port"])));
    let remains = Remains::new(vec![owner.pid()], text("socket"));
    owner.stdin = None;
    assert_eq!(owner.process.wait().unwrap().code(), Some(0));
    remains.assert_gone();
}

#[test]
fn a_cluster_in_a_static_goes_with_its_process() {
    let tests = env::current_exe().unwrap();
    let example = tests.parent().unwrap().parent().unwrap().join("examples/shared-postgres");
    let output = Command::new(example).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let line = String::from_utf8(output.stdout).unwrap();
    let (pid, socket) = line.trim().split_once(' ').unwrap();
    let deadline = Instant::now() + LIMIT;
    while Path::new(socket).exists() || Path::new("/proc").join(pid).join("exe").exists() {
        assert!(Instant::now() < deadline, "left: {line}");
        thread::yield_now();
    }
}
