//! A scratch database, the tool as a real process, and its jobs, for the functional tests of this folder.

#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(unreachable_pub, reason = "a module of tests is nobody's interface")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use testbed::{Postgres, PostgresOptions};

/// The program under test.
pub const TOOL: &str = env!("CARGO_BIN_EXE_backfill");
/// No awaited event takes longer, however busy the machine is.
pub const LIMIT: Duration = Duration::from_secs(60);

/// The cluster that the tests of one program share.
pub fn cluster() -> &'static Postgres {
    static CLUSTER: OnceLock<Postgres> = OnceLock::new();
    CLUSTER.get_or_init(|| Postgres::start(&options()).unwrap())
}

/// A cluster in which nothing happens unasked.
pub fn options() -> PostgresOptions {
    PostgresOptions::default().set("autovacuum", "off").set("wal_level", "replica")
}

/// A database of its own, and a folder for files.
pub struct Zoo<'a> {
    pub postgres: &'a Postgres,
    pub database: String,
    pub folder: tempfile::TempDir,
    /// Where the tool connects; the database itself unless a test puts something before it.
    pub url: String,
}

/// What a process said and how it ended.
#[derive(Debug)]
pub struct Did {
    pub exit: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Zoo<'static> {
    /// A new database of the shared cluster, filled by `fixture`.
    pub fn open(fixture: &str) -> Zoo<'static> {
        Zoo::open_in(cluster(), fixture)
    }
}

impl<'a> Zoo<'a> {
    /// A new database of this cluster.
    pub fn open_in(postgres: &'a Postgres, fixture: &str) -> Zoo<'a> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let database = format!("zoo_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let url = postgres.create_database(&database).unwrap();
        let zoo = Zoo { postgres, database, folder: tempfile::tempdir().unwrap(), url };
        zoo.sql(fixture);
        zoo
    }

    /// Runs statements; the rows.
    #[track_caller]
    pub fn sql(&self, sql: &str) -> String {
        self.postgres.sql(&self.database, sql).unwrap()
    }

    /// Asks until the answer is this.
    #[track_caller]
    pub fn wait_for(&self, question: &str, answer: &str) {
        let deadline = Instant::now() + LIMIT;
        loop {
            let got = self.sql(question);
            if got == answer {
                return;
            }
            assert!(Instant::now() < deadline, "{question}: {got} instead of {answer}");
            thread::yield_now();
        }
    }

    /// The address for another role.
    #[must_use]
    pub fn as_role(&self, role: &str) -> String {
        self.postgres.url(&self.database).replace("//postgres@", &format!("//{role}@"))
    }

    /// A file in the folder.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// A specification that works at any time and at full speed, unless `text` says otherwise.
    pub fn job(&self, name: &str, text: &str) -> PathBuf {
        let presets = [
            ("name", format!("name = '{name}'\n")),
            ("window", "window = 'always'\n".to_owned()),
            ("batch", "batch = { size = 50, duty = 1 }\n".to_owned()),
            // Tests of other databases of the cluster are sessions like any other.
            ("throttle", "throttle = { lock_waiters = 1000 }\n".to_owned()),
        ];
        let is_said =
            |key: &str| text.lines().any(|line| line.trim_start().starts_with(&format!("{key} = ")));
        let presets = presets.iter().filter(|(key, _)| !is_said(key)).map(|(_, line)| line.as_str());
        let whole: String = presets.collect::<String>() + text;
        self.file(&format!("{}.toml", name.replace('/', "_")), &whole)
    }

    /// The tool, about to be started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(TOOL);
        command.args(arguments).current_dir(self.folder.path()).env("DATABASE_URL", &self.url);
        command.env("NO_COLOR", "1").env_remove("SLIPWAY_CONFIG").env_remove("SLIPWAY_ENV");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the tool to its end.
    pub fn backfill(&self, arguments: &[&str]) -> Did {
        let output = self.command(arguments).output().unwrap();
        Did {
            exit: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs a job to its end; the summary. Other exit codes than `exit` fail the test.
    #[track_caller]
    pub fn run(&self, job: &Path, exit: i32) -> Value {
        let did = self.backfill(&["run", job.to_str().unwrap(), "--json"]);
        assert_eq!(did.exit, exit, "{}{}", did.stdout, did.stderr);
        did.last()
    }

    /// Starts the tool and goes on.
    pub fn start(&self, arguments: &[&str]) -> Tool {
        Tool::start(self.command(arguments))
    }

    /// Starts `run --json` of a job.
    pub fn start_run(&self, job: &Path, more: &[&str]) -> Tool {
        self.start(&[&["run", job.to_str().unwrap(), "--json"], more].concat())
    }

    /// A session of somebody else's, which stays open.
    pub fn session(&self) -> Session {
        self.session_at(&self.postgres.url(&self.database))
    }

    /// As [`Zoo::session`], by another way.
    pub fn session_at(&self, url: &str) -> Session {
        let mut command = Command::new(self.postgres.program("psql"));
        command.args(["-X", "-qAt", "-d", url]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let answers = lines_of(child.stdout.take().unwrap());
        Session { child, answers }
    }

    /// Kinds of the events of a job, in order.
    pub fn events(&self, job: &str) -> String {
        self.sql(&format!(
            "select coalesce(string_agg(kind, ' ' order by id), '') from backfill.event where job = '{job}'"
        ))
    }
}

impl Did {
    /// Each line of standard output as JSON.
    pub fn lines(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }

    /// The summary.
    #[track_caller]
    pub fn last(&self) -> Value {
        self.lines().pop().unwrap_or_else(|| panic!("nothing on stdout; stderr: {}", self.stderr))
    }
}

/// A running tool whose standard output is read line by line. Dropped, it is killed.
pub struct Tool {
    pub child: Child,
    lines: Receiver<String>,
    stderr: Receiver<String>,
    /// Every line so far.
    pub seen: Vec<Value>,
}

impl Tool {
    /// Starts `command`, whose streams are pipes.
    pub fn start(mut command: Command) -> Tool {
        let mut child = command.spawn().unwrap();
        let lines = lines_of(child.stdout.take().unwrap());
        let stderr = lines_of(child.stderr.take().unwrap());
        Tool { child, lines, stderr, seen: Vec::new() }
    }

    /// Reads lines until one of them `is_it`.
    #[track_caller]
    pub fn until(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + LIMIT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else { panic!("no {what}: {:?}", self.told()) };
            let line: Value = serde_json::from_str(&line).expect(&line);
            self.seen.push(line.clone());
            if is_it(&line) {
                return line;
            }
        }
    }

    /// Reads lines until one of this type comes.
    #[track_caller]
    pub fn until_type(&mut self, kind: &str) -> Value {
        self.until(kind, |line| line["type"] == kind)
    }

    /// Reads lines until batches are under way.
    #[track_caller]
    pub fn until_working(&mut self) -> Value {
        self.until("batch", |line| line["type"] == "progress" && line["keys_seen"].as_i64() > Some(0))
    }

    /// Reads to the end; the exit code and the summary.
    #[track_caller]
    pub fn end(&mut self) -> (i32, Value) {
        let summary = self.until_type("summary");
        (self.child.wait().unwrap().code().unwrap_or(-1), summary)
    }

    fn told(&self) -> (Vec<Value>, Vec<String>) {
        (self.seen.clone(), self.stderr.try_iter().collect())
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An open `psql`. Dropped, it is killed, and its transaction rolled back.
pub struct Session {
    child: Child,
    answers: Receiver<String>,
}

impl Session {
    /// Sends statements.
    pub fn send(&mut self, sql: &str) {
        use std::io::Write;
        writeln!(self.child.stdin.as_mut().unwrap(), "{sql};").unwrap();
    }

    /// Sends statements and waits until they are done; the rows.
    #[track_caller]
    pub fn ask(&mut self, sql: &str) -> Vec<String> {
        self.send(&format!("{sql};\n\\echo done\n"));
        let deadline = Instant::now() + LIMIT;
        let mut rows = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.answers.recv_timeout(left).unwrap() {
                row if row == "done" => return rows,
                row => rows.push(row),
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lines as they come.
fn lines_of(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let lines = BufReader::new(stream).lines().map_while(Result::ok);
        // Nobody waits for them any more.
        let _ = lines.map(|line| sender.send(line)).find(Result::is_err);
    });
    receiver
}
