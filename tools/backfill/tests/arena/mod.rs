//! Tables whose every row must be filled exactly once, runs of the tool that fill them, and what is seen afterwards.
//!
//! The expression is `n + 1` over a column of zeros: a row that was filled twice is 2, a row that was lost is 0, and
//! the checkpoints must have counted each of them once.

#![allow(dead_code, reason = "each test program uses its part")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a helper fails its test")]

pub(crate) mod pgbench;

use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testbed::{Error, Postgres, PostgresOptions, Program, Running, Signal};

/// The program under test.
const TOOL: &str = env!("CARGO_BIN_EXE_backfill");
/// No awaited event takes longer, however busy the machine is.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A database on a server, and a folder for files.
pub(crate) struct Arena {
    own: Option<Postgres>,
    database: String,
    folder: tempfile::TempDir,
}

/// One server for all tests of a program that leave it alone.
fn shared() -> &'static Postgres {
    static SHARED: OnceLock<Postgres> = OnceLock::new();
    SHARED.get_or_init(|| Postgres::start(&PostgresOptions::default()).unwrap())
}

impl Arena {
    /// A database of its own on the server that all share.
    pub(crate) fn open() -> Arena {
        static OPENED: AtomicUsize = AtomicUsize::new(0);
        let database = format!("arena{}", OPENED.fetch_add(1, Ordering::SeqCst));
        shared().create_database(&database).unwrap();
        Arena { own: None, database, folder: tempfile::tempdir().unwrap() }
    }

    /// A server of its own, durable, that the test may stop.
    pub(crate) fn alone() -> Arena {
        Arena::with(PostgresOptions::default())
    }

    /// As [`Arena::alone`], with settings.
    pub(crate) fn with(options: PostgresOptions) -> Arena {
        let own = Postgres::start(&options.set("fsync", "on")).unwrap();
        Arena { own: Some(own), database: "postgres".to_owned(), folder: tempfile::tempdir().unwrap() }
    }

    /// The server.
    pub(crate) fn postgres(&self) -> &Postgres {
        self.own.as_ref().unwrap_or_else(|| shared())
    }

    /// The server, to stop it.
    pub(crate) fn server(&mut self) -> &mut Postgres {
        self.own.as_mut().unwrap()
    }

    /// Address of the database.
    pub(crate) fn url(&self) -> String {
        self.postgres().url(&self.database)
    }

    /// What the server refused or ended since its last start, for messages.
    pub(crate) fn complaints(&self) -> String {
        let log = self.postgres().log();
        let marks = ["ERROR:", "FATAL:", "PANIC:", "STATEMENT:"];
        let lines: Vec<_> = log.iter().filter(|line| marks.iter().any(|mark| line.contains(mark))).collect();
        lines.iter().rev().take(12).rev().map(|line| format!("{line}\n")).collect()
    }

    /// Runs statements; the rows.
    #[track_caller]
    pub(crate) fn sql(&self, sql: &str) -> String {
        self.postgres().sql(&self.database, sql).unwrap()
    }

    /// Gives later sessions another setting.
    pub(crate) fn set(&self, name: &str, value: &str) {
        self.sql(&format!("alter database {} set {name} = '{value}'", self.database));
    }

    /// A table of rows that nobody has filled.
    pub(crate) fn table(&self, name: &str, rows: u32) {
        self.sql(&format!(
            "create table {name} (id int primary key, n int not null default 0, filler text);
             insert into {name} select id, 0, repeat('x', 20) from generate_series(1, {rows}) id;
             analyze {name}"
        ));
    }

    /// As [`Arena::table`], large in the eyes of the catalog: its way is cut into as many chunks.
    pub(crate) fn table_in_chunks(&self, name: &str, rows: u32, chunks: u32) {
        self.table(name, rows);
        self.pretend_chunks(name, chunks);
    }

    /// Lets the catalog believe that the table has this many chunks of 100,000 rows.
    pub(crate) fn pretend_chunks(&self, table: &str, chunks: u32) {
        self.sql(&format!(
            "set allow_system_table_mods = on;
             update pg_class set reltuples = {chunks} * 100000 where oid = '{table}'::regclass"
        ));
    }

    /// The command that fills the column `n` of a table by the job `job`.
    pub(crate) fn fill(&self, job: &str, table: &str) -> Fill {
        let words = ["run", "--name", job, "--table", table, "--set", "n=n+1", "--window", "always"];
        let fill = Fill { arguments: words.map(str::to_owned).to_vec(), fault: None, url: self.url() };
        fill.with(&["--duty", "1", "--json"])
    }

    /// A session that runs statements one by one; dropped, it ends.
    pub(crate) fn session(&self, statements: &[&str]) -> Running {
        let psql = Program::new(self.postgres().program("psql")).args(["-XqAt", "-d", &self.url()]);
        psql.args(statements.iter().flat_map(|statement| ["-c", statement])).start().unwrap()
    }

    /// A session that has locked rows, and keeps them until it is dropped.
    pub(crate) fn locked(&self, table: &str, condition: &str) -> Running {
        let lock = format!("select 'locked' from {table} where {condition} for update");
        // A server that sleeps does not notice by itself that its client is gone.
        let notice = "set client_connection_check_interval = '20ms'";
        let mut session = self.session(&[notice, "begin", &lock, "select pg_sleep(600)"]);
        session.wait_for_line("locked", LIMIT).unwrap();
        session
    }

    /// A file of the arena's with this text.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Asks until the answer is this; what cannot be asked yet is asked again.
    #[track_caller]
    pub(crate) fn wait_for(&self, question: &str, answer: &str) {
        let deadline = Instant::now() + LIMIT;
        loop {
            let got = self.postgres().sql(&self.database, question);
            if got.as_ref().is_ok_and(|got| got == answer) {
                return;
            }
            assert!(Instant::now() < deadline, "{question}: {got:?} instead of {answer}");
            thread::yield_now();
        }
    }

    /// Waits until the job has so many checkpoints more than it has now.
    #[track_caller]
    pub(crate) fn wait_for_checkpoints(&self, job: &str, more: i64) {
        let now = self.checkpoints(job);
        self.wait_for(&format!("select ({CHECKPOINTS} where name = '{job}') >= {}", now + more), "t");
    }

    /// Checkpoints of a job; none before it is recorded.
    pub(crate) fn checkpoints(&self, job: &str) -> i64 {
        let asked = self.postgres().sql(&self.database, &format!("{CHECKPOINTS} where name = '{job}'"));
        asked.ok().and_then(|count| count.parse().ok()).unwrap_or(0)
    }

    /// Every row was filled once, every checkpoint counted, and the record tells a story that can have happened.
    #[track_caller]
    pub(crate) fn assert_filled_once(&self, job: &str, table: &str) {
        let rows = self.sql(&format!("select count(*) from {table}"));
        let counts = self.sql(&format!("select n, count(*) from {table} group by n order by n"));
        assert_eq!(counts, format!("1|{rows}"), "{table}: n and how many rows have it");
        let chunks = format!("from backfill.chunk join backfill.job on id = job_id where name = '{job}'");
        let written = self.sql(&format!("select sum(rows_written), bool_and(is_done), max(state) {chunks}"));
        assert_eq!(written, format!("{rows}|t|done"), "{job}: rows_written, is_done and state");
        self.assert_record(job);
    }

    /// A job is recorded first, then runs, and is done once; nothing failed.
    #[track_caller]
    fn assert_record(&self, job: &str) {
        let events = self.sql(&format!("select kind from backfill.event where job = '{job}' order by id"));
        let events: Vec<&str> = events.lines().collect();
        assert_eq!(events[..2], ["recorded", "running"], "{job}: {events:?}");
        let count = |kind: &str| events.iter().filter(|event| **event == kind).count();
        assert_eq!((count("recorded"), count("running"), count("done")), (1, 1, 1), "{job}: {events:?}");
        let known = BTreeSet::from(["recorded", "running", "done", "stopped"]);
        assert!(events.iter().all(|event| known.contains(event)), "{job}: {events:?}");
    }
}

const CHECKPOINTS: &str = "select coalesce(sum(seq), 0) from backfill.chunk join backfill.job on id = job_id";

/// A command line about to be run.
#[derive(Clone)]
pub(crate) struct Fill {
    arguments: Vec<String>,
    fault: Option<String>,
    url: String,
}

impl Fill {
    /// With more arguments.
    pub(crate) fn with(mut self, arguments: &[&str]) -> Fill {
        self.arguments.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self
    }

    /// With another value of an option that it has.
    pub(crate) fn but(mut self, option: &str, value: &str) -> Fill {
        let place = self.arguments.iter().position(|argument| argument == option).unwrap();
        self.arguments[place + 1] = value.to_owned();
        self
    }

    /// With a fault at a named point.
    pub(crate) fn fault(mut self, fault: &str) -> Fill {
        self.fault = Some(fault.to_owned());
        self
    }

    /// At another address.
    pub(crate) fn at(mut self, url: String) -> Fill {
        self.url = url;
        self
    }

    /// Starts it.
    pub(crate) fn start(&self) -> Run {
        let program = Program::new(TOOL).args(&self.arguments).env("DATABASE_URL", &self.url);
        let program = match &self.fault {
            Some(fault) => program.env("SLIPWAY_FAULT", fault),
            None => program,
        };
        Run(program.start().unwrap())
    }

    /// Runs it to its end.
    #[track_caller]
    pub(crate) fn ended(&self) -> Ended {
        self.start().ended()
    }
}

/// A run of the tool.
pub(crate) struct Run(Running);

impl Run {
    /// Whether it is still running when `time` is over.
    pub(crate) fn outlives(&mut self, time: Duration) -> bool {
        matches!(self.0.wait(time), Err(Error::TimedOut { .. }))
    }

    /// As [`Ended::text`], so far.
    pub(crate) fn text(&self) -> String {
        self.0.output().join("\n")
    }

    /// Sends a signal; one that has ended takes none.
    pub(crate) fn signal(&self, signal: Signal) {
        let _ = self.0.signal(signal);
    }

    /// Waits for a line of what it reports.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) {
        self.0.wait_for_line(text, LIMIT).unwrap();
    }

    /// Waits until the kernel shows it in this state (proc_pid_stat(5)), such as `T` for stopped.
    #[track_caller]
    pub(crate) fn wait_for_state(&self, state: char) {
        let deadline = Instant::now() + LIMIT;
        loop {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.pid())).unwrap_or_default();
            if stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(state)) {
                return;
            }
            assert!(Instant::now() < deadline, "never in state {state}: {stat}");
            thread::yield_now();
        }
    }

    /// Its end.
    #[track_caller]
    pub(crate) fn ended(mut self) -> Ended {
        let code = self.0.wait(LIMIT).unwrap();
        Ended { code, lines: self.0.output() }
    }

    /// `kill -9`, and its end: 137, unless it was faster.
    #[track_caller]
    pub(crate) fn killed(self) -> Ended {
        self.signal(Signal::KILL);
        self.ended()
    }
}

/// A run that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    lines: Vec<String>,
}

impl Ended {
    /// Ended with this code, and the summary gives this reason.
    #[track_caller]
    pub(crate) fn assert(&self, code: i32, reason: &str) -> Value {
        let summary = self.events("summary").pop().unwrap_or_default();
        assert_eq!((self.code, summary["reason"].as_str()), (code, Some(reason)), "{}", self.text());
        if reason == "done" {
            assert_eq!(
                (&summary["state"], &summary["chunks_left"]),
                (&json!("done"), &json!(0)),
                "{summary}"
            );
        }
        summary
    }

    /// The events of a type.
    pub(crate) fn events(&self, kind: &str) -> Vec<Value> {
        let events = self.lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        events.filter(|event| event["type"] == kind).collect()
    }

    /// All that it said.
    pub(crate) fn text(&self) -> String {
        self.lines.join("\n")
    }
}
