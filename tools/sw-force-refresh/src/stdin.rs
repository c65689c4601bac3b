//! The hash from a pipe, and the check that there are not two of them.

use std::io::{IsTerminal, Read, stdin};

use precache_manifest::ManifestHash;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, fstat};

use crate::cli::Subject;
use crate::error::Error;
use crate::subject;

/// Longest input that is looked at: precache-hash JSON of a hundred thousand files fits.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// How long a pipe may take to show that somebody writes into it.
const PATIENCE: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// The version that the command line or stdin names.
pub(crate) fn subject(argument: Option<Subject>) -> Result<ManifestHash, Error> {
    match argument {
        Some(Subject::Hash(hash)) if is_pipe_with_content() => {
            tracing::debug!(%hash, "a pipe with content stands beside the argument");
            Err(Error::TwoSubjects)
        }
        Some(Subject::Hash(hash)) => Ok(hash),
        None if stdin().is_terminal() => Err(Error::NoSubject),
        Some(Subject::Stdin) | None => {
            let mut bytes = Vec::new();
            stdin().lock().take(MAX_BYTES).read_to_end(&mut bytes).map_err(Error::StdinUnreadable)?;
            subject::parse(&String::from_utf8_lossy(&bytes)).map_err(Error::Stdin)
        }
    }
}

/// Whether somebody pipes something in. Nothing is read: in a shell loop stdin belongs to the loop, and a file or a
/// socket there means nothing. A writer that takes longer than [`PATIENCE`] goes unnoticed.
fn is_pipe_with_content() -> bool {
    let stdin = stdin();
    if !fstat(&stdin).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo) {
        return false;
    }
    let mut polled = [PollFd::new(&stdin, PollFlags::IN)];
    poll(&mut polled, Some(&PATIENCE)).is_ok() && polled.iter().any(|fd| fd.revents().contains(PollFlags::IN))
}
