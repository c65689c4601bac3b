//! Everything that must be gone when an owner is, and an owner that can be killed.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails, fails its test")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// Processes and a folder.
pub(crate) struct Remains {
    pub(crate) processes: Vec<i32>,
    scratch: PathBuf,
}

impl Remains {
    pub(crate) fn new(processes: Vec<i32>, scratch: impl Into<PathBuf>) -> Self {
        let remains = Self { processes, scratch: scratch.into() };
        assert!(remains.processes.iter().all(|&pid| is_alive(pid)), "all must run at first");
        remains
    }

    pub(crate) fn anything(&self) -> bool {
        self.scratch.exists() || self.processes.iter().any(|&pid| is_alive(pid))
    }

    #[track_caller]
    pub(crate) fn assert_gone(&self) {
        let deadline = Instant::now() + LIMIT;
        while self.anything() {
            assert!(Instant::now() < deadline, "left: {:?}, {}", self.processes, self.scratch.display());
            thread::yield_now();
        }
    }
}

/// A zombie is dead, although its id still answers.
fn is_alive(pid: i32) -> bool {
    status(pid).is_some_and(|(state, _)| !matches!(state, 'Z' | 'X'))
}

/// State and parent (`proc_pid_stat(5)`).
pub(crate) fn status(pid: i32) -> Option<(char, i32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit(") ").next()?.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// The `testbed` command as an owner that can be killed.
pub(crate) struct Owner {
    pub(crate) process: Child,
    pub(crate) ready: Value,
    pub(crate) stdin: Option<ChildStdin>,
}

impl Owner {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let stdin = process.stdin.take();
        Self { ready: serde_json::from_str(&line).unwrap(), stdin, process }
    }

    pub(crate) fn pid(&self) -> i32 {
        self.ready["pid"].as_i64().unwrap().try_into().unwrap()
    }
}
