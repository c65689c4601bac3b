//! A client program at work: its output is ours, its messages are kept, and it does not outlive us, however we end.
//!
//! A program is started by way of this one, which asks the kernel to end it with its parent (prctl(2),
//! `PR_SET_PDEATHSIG`) and then becomes it: after `kill -9` nobody else would, and a dump into files would run on. It is
//! given no variable that holds a secret; the way to the database is handed over otherwise.

use std::ffi::OsStr;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, parent_id};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use release_common::Outcome;
use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child as Process, Command};
use tokio::task::JoinHandle;

use crate::cli::{BecomeArgs, Last};
use crate::error::Error;

/// The command by which this program becomes another one.
const BECOME: &str = "become";
/// The words of such a command before the other program.
const BEFORE_PROGRAM: usize = 6;
/// This program, even after its file was replaced.
const OWN: &str = "/proc/self/exe";
/// How long a program may take to end itself, and whatever it has started, when it is asked to.
const END_LIMIT: Duration = Duration::from_secs(5);

/// The last that a program says is enough to know why it failed.
const TAIL_BYTES: usize = 8 << 10;
/// What an unprivileged user may have on Linux, sixteen times the default: writer and reader take fewer turns for it,
/// each of which costs both of them time.
#[cfg(target_os = "linux")]
const PIPE_BYTES: usize = 1 << 20;

/// A command that runs `program`, ends with us, and knows none of our secrets.
pub(crate) fn command(program: &Path) -> std::process::Command {
    let mut command = bound(program, Last::Term);
    keep_secrets_from(&mut command);
    command
}

/// A command that runs `program` in our surroundings, and is sent `last` when we are gone.
pub(crate) fn bound(program: &Path, last: Last) -> std::process::Command {
    // A test of this crate is not this program.
    if cfg!(test) {
        return std::process::Command::new(program);
    }
    let last = if last == Last::Quit { "quit" } else { "term" };
    let mut command = std::process::Command::new(OWN);
    command.args([BECOME, "--last", last, "--parent", &std::process::id().to_string(), "--"]).arg(program);
    command
}

/// Lets a program inherit no variable that may hold a key or a password.
pub(crate) fn keep_secrets_from(command: &mut std::process::Command) {
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_secret(name)) {
        command.env_remove(name);
    }
}

/// Whether a variable may hold a key or a password.
fn is_secret(name: &OsStr) -> bool {
    let is_of_store = |name: &str| ["AWS_", "GOOGLE_", "AZURE_"].iter().any(|mark| name.starts_with(mark));
    name.to_str().is_none_or(|name| is_of_store(name) || matches!(name, "DATABASE_URL" | "PGPASSWORD"))
}

/// Becomes another program that ends with its parent.
///
/// # Errors
/// When it cannot be started, or the parent is gone already.
pub(crate) fn become_program(args: &BecomeArgs) -> Result<Outcome, Error> {
    let failed = |source| Error::Start { path: args.program.clone().into(), source };
    let last = if args.last == Last::Quit { Signal::QUIT } else { Signal::TERM };
    set_parent_process_death_signal(Some(last)).map_err(|error| failed(error.into()))?;
    if parent_id() != args.parent {
        return Err(failed(std::io::Error::other("the run that it is for has ended")));
    }
    Err(failed(std::process::Command::new(&args.program).args(&args.arguments).exec()))
}

/// The program that a command of ours is for.
fn program(command: &std::process::Command) -> &Path {
    let named = (command.get_program() == OWN).then(|| command.get_args().nth(BEFORE_PROGRAM)).flatten();
    Path::new(named.unwrap_or(command.get_program()))
}

/// A running program.
#[derive(Debug)]
pub(crate) struct Child {
    name: String,
    process: Process,
    messages: JoinHandle<String>,
}

/// How a program ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Its name, for messages.
    pub name: String,
    /// How.
    pub status: ExitStatus,
    /// The last that it said on stderr.
    pub stderr: String,
}

impl Child {
    /// Starts a program with its stderr collected; stdin and stdout are as the command says. When the returned value is
    /// dropped, the program is killed.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(mut command: std::process::Command) -> Result<Child, Error> {
        let path = program(&command).to_owned();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        command.stderr(Stdio::piped());
        let mut command = Command::from(command);
        let started = command.kill_on_drop(true).spawn();
        let mut process = started.map_err(|source| Error::Start { path, source })?;
        let stderr = process.stderr.take();
        let messages = tokio::spawn(async move {
            match stderr {
                Some(stderr) => tail(stderr).await,
                None => String::new(),
            }
        });
        Ok(Child { name, process, messages })
    }

    /// Its output, to be read where blocking is allowed.
    ///
    /// # Errors
    /// When it was not piped, or was taken already.
    pub(crate) fn stdout(&mut self) -> Result<impl Read + Send + use<>, Error> {
        let stdout = self.process.stdout.take().ok_or_else(|| self.no_pipe())?;
        let descriptor =
            stdout.into_owned_fd().map_err(|source| Error::Pipe { name: self.name.clone(), source })?;
        lengthen(&descriptor);
        Ok(std::fs::File::from(descriptor))
    }

    /// Its input, to be written where blocking is allowed.
    ///
    /// # Errors
    /// When it was not piped, or was taken already.
    pub(crate) fn stdin(&mut self) -> Result<std::fs::File, Error> {
        let stdin = self.process.stdin.take().ok_or_else(|| self.no_pipe())?;
        let descriptor =
            stdin.into_owned_fd().map_err(|source| Error::Pipe { name: self.name.clone(), source })?;
        lengthen(&descriptor);
        Ok(std::fs::File::from(descriptor))
    }

    fn no_pipe(&self) -> Error {
        Error::Pipe { name: self.name.clone(), source: std::io::ErrorKind::NotConnected.into() }
    }

    /// Its process id, while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.id()
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When the system cannot tell how it ended.
    pub(crate) async fn wait(&mut self) -> Result<Ended, Error> {
        let status = self.process.wait().await;
        let status = status.map_err(|source| Error::Pipe { name: self.name.clone(), source })?;
        // A collector that failed has collected nothing.
        let stderr = (&mut self.messages).await.unwrap_or_default();
        Ok(Ended { name: self.name.clone(), status, stderr })
    }

    /// Ends it, and lets it end what it has started itself: one that is killed cannot.
    pub(crate) async fn end(&mut self) {
        let id = self.process.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(id) = id {
            // One that has ended meanwhile is still known by its number, since nobody has waited for it.
            let _ = kill_process(id, Signal::TERM);
        }
        // One that does not end is killed when this is dropped.
        let _ = tokio::time::timeout(END_LIMIT, self.process.wait()).await;
    }
}

impl Ended {
    /// Fails unless the program said that it succeeded.
    ///
    /// # Errors
    /// With its last words.
    pub fn success(self) -> Result<Ended, Error> {
        if self.status.success() { Ok(self) } else { Err(Error::Program(Box::new(self))) }
    }

    /// The last line that tells an error, else the last that says something, for messages.
    pub fn last_words(&self) -> &str {
        let lines = || self.stderr.lines().rev().filter(|line| !line.trim().is_empty());
        let is_error = |line: &&str| line.contains("error: ") || line.contains("FATAL: ");
        lines().find(is_error).or_else(|| lines().next()).unwrap_or("it said nothing")
    }
}

/// A pipe that may not grow serves as well, only with more turns.
fn lengthen(pipe: &OwnedFd) {
    #[cfg(target_os = "linux")]
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, PIPE_BYTES);
    #[cfg(not(target_os = "linux"))]
    let _ = pipe;
}

/// Reads to the end and keeps the last of it.
async fn tail(mut reader: impl AsyncRead + Unpin) -> String {
    let (mut kept, mut buffer) = (Vec::new(), vec![0; 4096]);
    while let Ok(count @ 1..) = reader.read(&mut buffer).await {
        kept.extend_from_slice(buffer.get(..count).unwrap_or_default());
        if kept.len() > 2 * TAIL_BYTES {
            kept.drain(..kept.len() - TAIL_BYTES);
        }
    }
    let start = kept.len().saturating_sub(TAIL_BYTES);
    String::from_utf8_lossy(kept.get(start..).unwrap_or_default()).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::is_secret;

    #[test]
    fn what_may_hold_a_secret_is_not_inherited() {
        for name in
            ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "GOOGLE_SERVICE_ACCOUNT_KEY", "AZURE_STORAGE_KEY"]
        {
            assert!(is_secret(OsStr::new(name)), "{name}");
        }
        assert!(is_secret(OsStr::new("DATABASE_URL")) && is_secret(OsStr::new("PGPASSWORD")));
        for name in ["PATH", "PGPASSFILE", "LC_ALL", "TMPDIR"] {
            assert!(!is_secret(OsStr::new(name)), "{name}");
        }
    }
}
