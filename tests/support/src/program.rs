//! A real program, started in a scratch folder of its own and stopped whatever happens to its owner.
//!
//! The owner (a test, or the `testbed` binary for scripts) holds one end of a pipe; `supervisor.sh` holds the other.
//! The pipe closes when the owner drops it, panics, is signalled or is killed with SIGKILL: see there for the rest.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::account::Account;
use crate::error::Error;
use crate::output::{Output, Waited};
use crate::readiness::Ready;

const SUPERVISOR: &str = include_str!("supervisor.sh");
/// In arguments and environment values this stands for the scratch folder.
const SCRATCH_MARK: &str = "{scratch}";
/// A cold Chromium on a busy machine of two cores takes a few seconds; a hung program should not cost minutes.
const DEFAULT_LIMIT: Duration = Duration::from_secs(30);

/// A program to start. `{scratch}` in arguments and environment values stands for its scratch folder.
///
/// It runs in the caller's folder, with `HOME` and `TMPDIR` in the scratch folder.
#[derive(Debug, Clone)]
pub struct Program {
    program: OsString,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    folder: Option<PathBuf>,
    account: Account,
    ready: Ready,
    limit: Duration,
    log: Option<PathBuf>,
}

impl Program {
    /// A program by path, or by name from `PATH`.
    pub fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            folder: None,
            account: Account::Own,
            ready: Ready::Started,
            limit: DEFAULT_LIMIT,
            log: None,
        }
    }

    /// Adds arguments.
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Runs it in this folder instead of the caller's.
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Runs it as this user.
    pub(crate) fn account(mut self, account: Account) -> Self {
        self.account = account;
        self
    }

    /// Says how it tells that it is ready.
    pub fn ready(mut self, ready: Ready) -> Self {
        self.ready = ready;
        self
    }

    /// Says how long readiness may take (30 seconds if unsaid).
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Also writes its output to this file.
    pub fn log(mut self, path: impl Into<PathBuf>) -> Self {
        self.log = Some(path.into());
        self
    }

    /// Starts it and waits until it is ready.
    pub fn start(self) -> Result<Running, Error> {
        let name = self.name();
        let log = self.open_log(&name)?;
        let scratch = tempfile::Builder::new()
            .prefix("testbed-")
            .tempdir()
            .map_err(|source| Error::Scratch { program: name.clone(), source })?;
        let mut supervisor = self
            .supervisor(scratch.path())
            .spawn()
            .map_err(|source| Error::Start { program: name.clone(), source })?;
        let output = Output::new(log);
        let lifeline = supervisor.stdin.take();
        let streams = (supervisor.stdout.take(), supervisor.stderr.take());
        if let Some(stderr) = streams.1 {
            output.collect(stderr);
        }
        // From here on the supervisor removes the folder.
        let scratch = scratch.keep();
        let pid = streams.0.and_then(|stdout| first_line(stdout, &output)).and_then(|line| line.parse().ok());
        let mut running = Running {
            name,
            pid: pid.and_then(Pid::from_raw),
            scratch,
            output,
            lifeline,
            supervisor,
            ready_line: None,
        };
        running.ready_line = running.await_event(&self.ready, self.limit)?;
        Ok(running)
    }

    /// For messages.
    pub(crate) fn name(&self) -> String {
        let path = Path::new(&self.program);
        path.file_name().unwrap_or(&self.program).to_string_lossy().into_owned()
    }

    fn open_log(&self, name: &str) -> Result<Option<File>, Error> {
        let Some(path) = &self.log else { return Ok(None) };
        let refuse = |source| Error::Log { program: name.to_owned(), path: path.clone(), source };
        File::create(path).map(Some).map_err(refuse)
    }

    fn supervisor(&self, scratch: &Path) -> Command {
        let mut command = Command::new("bash");
        command
            .args(["-c", SUPERVISOR, "testbed"])
            .arg(scratch)
            .args(self.account.words())
            .arg(&self.program);
        command.args(self.arguments.iter().map(|argument| with_scratch(argument, scratch)));
        command.env("HOME", scratch).env("TMPDIR", scratch);
        command.envs(self.environment.iter().map(|(name, value)| (name, with_scratch(value, scratch))));
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        // A group of its own: Ctrl-C reaches the owner, and the owner's end reaches the supervisor.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

fn with_scratch(value: &OsStr, scratch: &Path) -> OsString {
    match value.to_str() {
        Some(text) => text.replace(SCRATCH_MARK, &scratch.to_string_lossy()).into(),
        None => value.to_owned(),
    }
}

/// The supervisor's own first line; the rest of the stream goes to the collector.
fn first_line(mut stdout: impl std::io::Read + Send + 'static, output: &Output) -> Option<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    while stdout.read(&mut byte).is_ok_and(|length| length == 1) && byte != [b'\n'] {
        line.extend(byte);
    }
    output.collect(stdout);
    String::from_utf8(line).ok()
}

/// A program that runs. Dropped, it is killed with all that it started, and its scratch folder is removed.
#[derive(Debug)]
#[must_use = "the program is killed when this value is dropped"]
pub struct Running {
    name: String,
    pid: Option<Pid>,
    scratch: PathBuf,
    output: Output,
    lifeline: Option<ChildStdin>,
    supervisor: Child,
    ready_line: Option<String>,
}

impl Running {
    /// The program's process id, and that of its group.
    pub fn pid(&self) -> i32 {
        self.pid.map_or(0, |pid| pid.as_raw_nonzero().get())
    }

    /// Its scratch folder.
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// The line that told its readiness, if a line did.
    pub fn ready_line(&self) -> Option<&str> {
        self.ready_line.as_deref()
    }

    /// Every line it has printed so far, from both streams.
    pub fn output(&self) -> Vec<String> {
        self.output.lines()
    }

    /// The last lines it has printed, for an error.
    pub(crate) fn tail(&self) -> String {
        self.output.tail()
    }

    /// Waits until it has printed a line that holds `text`; a line from before the call counts.
    pub fn wait_for_line(&mut self, text: &str, limit: Duration) -> Result<String, Error> {
        let line = self.await_event(&Ready::Line(text.to_owned()), limit)?;
        Ok(line.unwrap_or_default())
    }

    /// Sends a signal to the program, not to those that it started.
    pub fn signal(&self, signal: Signal) -> Result<(), Error> {
        let sent = self.pid.map_or(Err(rustix::io::Errno::SRCH), |pid| kill_process(pid, signal));
        sent.map_err(|errno| Error::Signal { program: self.name.clone(), source: errno.into() })
    }

    /// Waits until it ends by itself or of a signal; its exit code, 128 and more for a signal.
    pub fn wait(&mut self, limit: Duration) -> Result<i32, Error> {
        match self.output.wait_until_closed(Instant::now() + limit) {
            Waited::StreamsClosed | Waited::Came(()) => Ok(self.exit_code()),
            Waited::TimedOut => Err(self.timed_out("its end", limit)),
        }
    }

    /// Asks it to end (SIGTERM) and waits; its exit code.
    pub fn stop(mut self, limit: Duration) -> Result<i32, Error> {
        self.signal(Signal::TERM)?;
        self.wait(limit)
    }

    fn await_event(&mut self, event: &Ready, limit: Duration) -> Result<Option<String>, Error> {
        match event.wait(&self.output, Instant::now() + limit)? {
            Waited::Came(line) => Ok(line),
            Waited::StreamsClosed => Err(Error::Ended {
                program: self.name.clone(),
                code: self.exit_code(),
                awaited: event.awaited(),
                output: self.output.tail(),
            }),
            Waited::TimedOut => Err(self.timed_out(&event.awaited(), limit)),
        }
    }

    fn timed_out(&self, awaited: &str, limit: Duration) -> Error {
        Error::TimedOut {
            program: self.name.clone(),
            awaited: awaited.to_owned(),
            limit,
            output: self.output.tail(),
        }
    }

    fn exit_code(&mut self) -> i32 {
        self.supervisor.wait().ok().and_then(|status| status.code()).unwrap_or(-1)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        // The supervisor ends only after the group is killed and the folder gone; nothing is left when this returns.
        let _ = self.supervisor.wait();
    }
}
