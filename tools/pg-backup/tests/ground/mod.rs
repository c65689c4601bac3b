//! Where the tests stand: a real PostgreSQL, a store on a real S3 server or in a folder, and the real binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    reason = "a helper that fails, fails its test; no test uses all of them"
)]

pub(crate) mod fixture;
mod shelf;

use std::ffi::OsStr;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use testbed::{Postgres, PostgresOptions};

pub(crate) use self::shelf::Shelf;

/// Longest wait for anything that happens at once.
const LIMIT: Duration = Duration::from_secs(30);

/// A server with the database `erp`, and a store.
pub(crate) struct Ground {
    pub(crate) postgres: Postgres,
    pub(crate) shelf: Shelf,
    /// Scratch of the test, which the server's user can enter.
    pub(crate) folder: testbed::DataFolder,
}

/// What a run did.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Done {
    /// The last line of stdout as JSON: the summary.
    pub(crate) fn summary(&self) -> Value {
        let line = self.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}\n{}", self.stderr))
    }

    /// Fails unless it ended so.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Done {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }
}

impl Ground {
    /// A store in a folder.
    pub(crate) fn with_folder() -> Ground {
        Ground::over(Shelf::folder(), &PostgresOptions::default())
    }

    /// A store on S3.
    pub(crate) fn with_s3() -> Ground {
        Ground::over(Shelf::s3(), &PostgresOptions::default())
    }

    /// Any of both, and a server with these options.
    pub(crate) fn over(shelf: Shelf, options: &PostgresOptions) -> Ground {
        let postgres = Postgres::start(options).unwrap();
        postgres.create_database("erp").unwrap();
        Ground { postgres, shelf, folder: testbed::DataFolder::make().unwrap() }
    }

    /// Runs statements in `erp`.
    pub(crate) fn sql(&self, sql: &str) -> String {
        self.postgres.sql("erp", sql).unwrap()
    }

    /// A small shop: two tables with a foreign key, a sequence, an index, a view.
    pub(crate) fn shop(&self, orders: u32) {
        self.sql(&format!(
            "create table customer (id int primary key, name text not null unique);
             create table \"Order\" (id bigserial primary key, customer int not null references customer, note text);
             create index on \"Order\" (customer);
             create view recent as select * from \"Order\" order by id desc limit 10;
             insert into customer select n, 'customer ' || n from generate_series(1, 100) n;
             insert into \"Order\" (customer, note) select 1 + n % 100, repeat(md5(n::text), 3) from generate_series(1, {orders}) n;"
        ));
    }

    /// The binary with the surroundings of this ground; the caller's own PG and AWS variables are kept away.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        self.dressed(Command::new(binary()), arguments)
    }

    /// The same as the server's user, as `archive_command` would run it.
    pub(crate) fn command_as_server<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        self.dressed(self.postgres.command(self.postgres.lend(&binary()).unwrap()), arguments)
    }

    fn dressed<S: AsRef<OsStr>>(&self, mut command: Command, arguments: &[S]) -> Command {
        command.args(arguments);
        command.env("DATABASE_URL", self.postgres.url("erp")).env("PG_BACKUP_STORE", self.shelf.address());
        command.envs(self.shelf.environment()).stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    #[track_caller]
    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Done {
        done(&mut self.command(arguments))
    }

    /// Runs a line of bash with `pipefail`, in which `pg-backup` is the binary; the server's programs are found too.
    #[track_caller]
    pub(crate) fn shell(&self, line: &str) -> Done {
        let folders = [
            binary().parent().unwrap().to_owned(),
            self.postgres.program("psql").parent().unwrap().to_owned(),
        ];
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(folders.into_iter().chain(std::env::split_paths(&path))).unwrap();
        let command = Command::new("bash");
        done(self.dressed(command, &["-o", "pipefail", "-c", line]).env("PATH", path))
    }

    /// Waits until a process has stopped itself at a fault point.
    #[track_caller]
    pub(crate) fn wait_until_stopped(&self, pid: u32) {
        wait_until_stopped(pid);
    }

    /// Lets a stopped process go on.
    pub(crate) fn resume(&self, pid: u32) {
        resume(pid);
    }

    /// Waits until a query of the cluster answers so.
    #[track_caller]
    pub(crate) fn wait_for(&self, query: &str, expected: &str) {
        wait(query, || self.postgres.sql("postgres", query).unwrap() == expected);
    }

    /// A session that has run these statements and stays open until it is dropped.
    pub(crate) fn hold_open(&self, statements: &str) -> OpenSession {
        let mut child = Command::new(self.postgres.program("psql"))
            .args(["-qAtX", "-v", "ON_ERROR_STOP=1", "-d", &self.postgres.url("erp")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(format!("{statements};\nselect 'held';\n").as_bytes()).unwrap();
        let mut line = String::new();
        std::io::BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "held\n");
        OpenSession { child, _stdin: stdin }
    }

    /// Writes a secret key to a file; its path.
    pub(crate) fn identity_file(&self, name: &str, key: &age::x25519::Identity) -> String {
        use age::secrecy::ExposeSecret;
        let path = self.folder.path().join(name);
        std::fs::write(&path, format!("# a key\n{}\n", key.to_string().expose_secret())).unwrap();
        path.display().to_string()
    }

    /// The ids of the backups that exist, as `list` tells them.
    #[track_caller]
    pub(crate) fn ids(&self) -> Vec<String> {
        let listed = self.run(&["list", "--json"]);
        if listed.code == 2 && listed.summary()["reason"] == "not_found" {
            return Vec::new();
        }
        let listed = listed.expect(0);
        let lines = listed.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter_map(|line| line["id"].as_str().map(str::to_owned)).collect()
    }

    /// Makes a backup; its id.
    #[track_caller]
    pub(crate) fn create(&self) -> String {
        self.run(&["create", "--print-id"]).expect(0).stdout.trim().to_owned()
    }

    /// The objects of the store, by their names.
    pub(crate) fn objects(&self) -> Vec<String> {
        shelf::names_below(&self.shelf.files())
    }
}

/// A session that stays open.
pub(crate) struct OpenSession {
    child: std::process::Child,
    _stdin: std::process::ChildStdin,
}

impl Drop for OpenSession {
    fn drop(&mut self) {
        // One that is gone already needs no killing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks again and again until it is so.
#[track_caller]
pub(crate) fn wait(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {LIMIT:?}: {what}");
        std::thread::yield_now();
    }
}

/// Waits until a process has stopped itself at a fault point.
#[track_caller]
pub(crate) fn wait_until_stopped(pid: u32) {
    let is_stopped = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        assert!(!stat.is_empty() && !stat.contains(") Z "), "it ended before it stopped");
        stat.contains(") T ")
    };
    wait("the process stops", is_stopped);
}

/// Lets a stopped process go on.
pub(crate) fn resume(pid: u32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
}

/// The binary under test.
pub(crate) fn binary() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_pg-backup")).to_owned()
}

/// Runs a command to its end.
#[track_caller]
pub(crate) fn done(command: &mut Command) -> Done {
    let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Done {
        code: output.status.code().unwrap_or(-1),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// Runs a command that reads `input`.
#[track_caller]
pub(crate) fn fed(command: &mut Command, input: &[u8]) -> Done {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A program that refuses its input early closes the pipe.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Done {
        code: output.status.code().unwrap_or(-1),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}
