//! A client program at work: its output is ours, its messages are kept, and it never outlives us by intent.

use std::io::Read;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child as Process, Command};
use tokio::task::JoinHandle;

use crate::error::Error;

/// The last that a program says is enough to know why it failed.
const TAIL_BYTES: usize = 8 << 10;

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
        let path = Path::new(command.get_program()).to_owned();
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
        Ok(std::fs::File::from(descriptor))
    }

    fn no_pipe(&self) -> Error {
        Error::Pipe { name: self.name.clone(), source: std::io::ErrorKind::NotConnected.into() }
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
