//! One PostgreSQL for a test binary, a database for each test, and the program under test.

#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use testbed::{Postgres, PostgresOptions};

/// The program under test.
pub(crate) const TOOL: &str = env!("CARGO_BIN_EXE_backfill");
/// No awaited event takes longer, however busy the machine is.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A database of one test.
pub(crate) struct Stage {
    pub(crate) server: &'static Postgres,
    pub(crate) database: String,
    pub(crate) url: String,
}

/// How a run of the program ended.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A program that runs, with its lines of JSON.
pub(crate) struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
    seen: Vec<Value>,
}

/// The server of this binary; autovacuum would move what tests have put in place.
pub(crate) fn server() -> &'static Postgres {
    static SHARED: OnceLock<Postgres> = OnceLock::new();
    SHARED.get_or_init(|| Postgres::start(&PostgresOptions::default().set("autovacuum", "off")).unwrap())
}

impl Stage {
    /// An empty database in which `sql` has run.
    pub(crate) fn with(sql: &str) -> Stage {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let database = format!("stage_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let url = server().create_database(&database).unwrap();
        let stage = Stage { server: server(), database, url };
        stage.sql(sql);
        stage
    }

    /// Runs statements; the rows.
    pub(crate) fn sql(&self, sql: &str) -> String {
        self.server.sql(&self.database, sql).unwrap()
    }

    /// Records the job `job`, about `table`, that sets `set`.
    pub(crate) fn job(&self, table: &str, set: &str, more: &[&str]) {
        let given = ["init", "--name", "job", "--table", table, "--set", set, "--window", "always"];
        let run = self.backfill(&[&given[..], more].concat());
        assert_eq!(run.code, 0, "{}", run.stderr);
    }

    /// Records the job and fills all its rows.
    pub(crate) fn filled(&self, table: &str, set: &str, more: &[&str]) {
        self.job(table, set, more);
        let run = self.backfill(&["run", "--name", "job", "--duty", "1"]);
        assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    }

    /// Runs the program to its end.
    pub(crate) fn backfill(&self, arguments: &[&str]) -> Run {
        let output = self.command(arguments).output().unwrap();
        Run {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Starts the program.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        let mut child =
            self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Running { child, stdout, seen: Vec::new() }
    }

    /// The program, about to run.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(TOOL);
        command.args(arguments).env("DATABASE_URL", &self.url).env_remove("SLIPWAY_FAULT");
        command
    }

    /// A session of its own that runs `sql` until it is dropped.
    pub(crate) fn session(&self, sql: &str) -> Session {
        let mut command = Command::new(self.server.program("psql"));
        command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql, &self.url]);
        Session(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// Waits until a query says `t`; each look is a program of its own, which paces the loop.
    pub(crate) fn wait_for(&self, query: &str) {
        let began = Instant::now();
        while self.sql(query) != "t" {
            assert!(began.elapsed() < LIMIT, "{query} never came true");
        }
    }
}

impl Run {
    /// The objects on stdout.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The objects of this type.
    pub(crate) fn of_type(&self, kind: &str) -> Vec<Value> {
        self.lines().into_iter().filter(|line| line["type"] == kind).collect()
    }

    /// The last object.
    pub(crate) fn summary(&self) -> Value {
        let last = self.lines().pop().unwrap_or_else(|| panic!("nothing on stdout: {}", self.stderr));
        assert_eq!(last["type"], "summary");
        last
    }
}

impl Running {
    /// Reads on until an object is as wanted.
    pub(crate) fn wait_for(&mut self, is_wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let mut line = String::new();
            let length = self.stdout.read_line(&mut line).unwrap();
            assert!(length > 0, "it ended before: {:?}", self.seen);
            let object: Value = serde_json::from_str(&line).unwrap();
            self.seen.push(object.clone());
            if is_wanted(&object) {
                return object;
            }
        }
    }

    /// Sends SIGTERM and waits for the end.
    pub(crate) fn terminate(self) -> Run {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.end()
    }

    /// Waits for the end; all that it wrote.
    pub(crate) fn end(mut self) -> Run {
        let mut stdout: String = self.seen.iter().map(|object| format!("{object}\n")).collect();
        self.stdout.read_to_string(&mut stdout).unwrap();
        let mut stderr = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        Run { code, stdout, stderr }
    }
}

/// A session of `psql`; dropped, it is killed, and its transaction rolled back.
pub(crate) struct Session(Child);

impl Drop for Session {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
