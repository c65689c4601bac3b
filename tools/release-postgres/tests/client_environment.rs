//! PostgreSQL's own programs, started with a `ClientEnvironment`, at a server that asks for a password.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper that fails, fails its test")]

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use release_postgres::{ClientEnvironment, Database, literal};
use testbed::{Postgres, PostgresOptions, Stop};

/// What a password file and an address have to escape, and what no other text here contains.
const PASSWORD: &str = r"se:cr\et*/@?#ü 1";
const ESCAPED: &str = "se%3Acr%5Cet*%2F%40%3F%23%C3%BC%201";
/// The user `keeper` has to prove who it is.
const ACCESS: &str =
    "host all,replication keeper 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n";
const LIMIT: Duration = Duration::from_secs(60);

fn server() -> Postgres {
    let mut postgres = Postgres::start(&PostgresOptions::default()).unwrap();
    postgres.create_database("shop").unwrap();
    let user = format!("create role keeper superuser login password {}", literal(PASSWORD));
    postgres.sql("shop", &user).unwrap();
    let tables: String =
        (0..8).map(|n| format!("create table t{n} as select generate_series(1, 1000) as id;")).collect();
    postgres.sql("shop", &tables).unwrap();
    fs::write(postgres.data().join("pg_hba.conf"), ACCESS).unwrap();
    postgres.stop(Stop::Fast).unwrap();
    postgres.start_again().unwrap();
    postgres
}

fn database(postgres: &Postgres, password: &str) -> Database {
    let dsn = format!("postgres://keeper:{password}@127.0.0.1:{}/shop?sslmode=disable", postgres.port());
    Database::from_dsn(&dsn, "a dump").unwrap()
}

/// A program that would fail if it listened to the variables that it was given before.
fn start(program: &str, postgres: &Postgres, database: &Database, arguments: &[&str]) -> Child {
    let mut command = Command::new(postgres.program(program));
    command.env("PGPASSWORD", "wrong").env("PGSERVICE", "missing").env("PGPASSFILE", "missing");
    let environment = ClientEnvironment::new(database).unwrap();
    environment.apply(&mut command);
    command.arg("--no-password").args(arguments).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn pg_dump(postgres: &Postgres, database: &Database, arguments: &[&str]) -> Child {
    start("pg_dump", postgres, database, arguments)
}

fn succeeded(child: Child) -> Output {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// What `/proc` shows of a process.
fn shown(pid: u32, file: &str) -> String {
    String::from_utf8_lossy(&fs::read(Path::new("/proc").join(pid.to_string()).join(file)).unwrap())
        .into_owned()
}

fn until(mut happens: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !happens() {
        assert!(Instant::now() < deadline, "not within {LIMIT:?}");
    }
}

/// An error, its causes, and what a debugger's print says.
fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source()).map(ToString::to_string);
    format!("{} {error:?}", causes.collect::<Vec<_>>().join(": "))
}

#[test]
fn a_dump_proves_who_it_is() {
    let postgres = server();
    let dump = succeeded(pg_dump(&postgres, &database(&postgres, ESCAPED), &[]));
    assert!(String::from_utf8(dump.stdout).unwrap().contains("COPY public.t7 (id)"));
}

#[test]
fn every_worker_of_a_dump_proves_who_it_is() {
    let postgres = server();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dump");
    let database = database(&postgres, ESCAPED);
    let arguments = ["--format=directory", "--jobs=2", "--verbose", "--file", path.to_str().unwrap()];
    succeeded(pg_dump(&postgres, &database, &arguments));
    assert_eq!(fs::read_dir(&path).unwrap().count(), 9, "eight tables and the list of them");
}

#[test]
fn both_connections_of_a_base_backup_prove_who_they_are() {
    let postgres = server();
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--format=tar", "--wal-method=stream", "--checkpoint=fast", "--no-sync", "--pgdata"];
    let arguments = [&arguments[..], &[folder.path().to_str().unwrap()]].concat();
    succeeded(start("pg_basebackup", &postgres, &database(&postgres, ESCAPED), &arguments));
    assert!(folder.path().join("pg_wal.tar").exists());
}

#[tokio::test]
async fn nobody_sees_the_password_of_a_running_dump() {
    let postgres = server();
    let database = database(&postgres, ESCAPED);
    // The dump waits for the table, and while it waits it can be looked at.
    let mut session = database.named("a lock").connect().await.unwrap();
    session.send("begin; lock table t0 in access exclusive mode").await.unwrap();
    let child = pg_dump(&postgres, &database, &[]);
    let waiting = "select count(*) from pg_stat_activity where application_name = 'a dump' and wait_event_type = 'Lock'";
    until(|| postgres.sql("shop", waiting).unwrap() == "1");
    let (arguments, environment) = (shown(child.id(), "cmdline"), shown(child.id(), "environ"));
    assert!(arguments.contains("--no-password") && environment.contains("PGPASSFILE=/proc/self/fd/"));
    for part in [PASSWORD, ESCAPED, "se:cr", "cr\\et", "PGPASSWORD", "PGSERVICE"] {
        assert!(
            !arguments.contains(part) && !environment.contains(part),
            "{part}: {arguments} {environment}"
        );
    }
    session.send("rollback").await.unwrap();
    succeeded(child);
}

#[tokio::test]
async fn a_child_of_tokio_proves_who_it_is() {
    let postgres = server();
    let environment =
        ClientEnvironment::new(&database(&postgres, ESCAPED).with_database("postgres")).unwrap();
    let mut command = tokio::process::Command::new(postgres.program("psql"));
    environment.apply(command.as_std_mut());
    let output = command.args(["-XAtwc", "select current_user, current_database()"]).output().await.unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "keeper|postgres\n");
}

#[tokio::test]
async fn a_wrong_password_fails_and_is_not_repeated() {
    let postgres = server();
    let database = database(&postgres, "wr0ng");
    let output = pg_dump(&postgres, &database, &[]).wait_with_output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && message.contains("password authentication failed"), "{message}");
    let error = database.connect().await.unwrap_err();
    assert_eq!(error.sqlstate().unwrap().code(), "28P01");
    for shown in [message, chain(&error)] {
        assert!(!shown.contains("wr0ng"), "{shown}");
    }
}
