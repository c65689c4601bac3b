//! For scripts: the `testbed` command lives as long as its owner, and no longer.

use std::io::{self, Read};
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::error::Error;
use crate::program::Running;

/// A program that ends by itself is noticed within this time.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Who keeps the command alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Whoever holds the other end of standard input.
    Stdin,
    /// A process, such as the script that started the command in the background.
    Process(i32),
}

/// A watch over the owner, begun before anything is started for it.
#[derive(Debug)]
pub(crate) struct Watch {
    gone: Receiver<()>,
}

impl Owner {
    /// Begins to watch.
    pub(crate) fn watch(self) -> Result<Watch, Error> {
        let (alive, gone) = mpsc::channel::<()>();
        let process = match self {
            Self::Stdin => None,
            Self::Process(id) => match open(id) {
                // It has ended already: the channel closes at once.
                Err(Errno::SRCH) => return Ok(Watch { gone }),
                process => Some(process.map_err(|errno| Error::Owner { owner: id, source: errno.into() })?),
            },
        };
        thread::spawn(move || {
            match process {
                Some(process) => {
                    // The descriptor becomes readable when the process ends (pidfd_open(2)).
                    let mut watched = [PollFd::new(&process, PollFlags::IN)];
                    while poll(&mut watched, None) == Err(Errno::INTR) {}
                }
                None => drain_stdin(),
            }
            drop(alive);
        });
        Ok(Watch { gone })
    }
}

impl Watch {
    /// Waits until the owner is gone.
    pub(crate) fn outlive(&self) {
        // Nothing is ever sent: the error, a closed channel, is the event.
        let _ = self.gone.recv();
    }

    /// Waits until the owner is gone, or the program has ended: then its exit code.
    pub(crate) fn outlive_or_end(&self, program: &mut Running) -> Option<i32> {
        loop {
            if let Ok(code) = program.wait(LOOK_AGAIN) {
                return Some(code);
            }
            if self.gone.try_recv() == Err(TryRecvError::Disconnected) {
                return None;
            }
        }
    }
}

fn open(id: i32) -> Result<OwnedFd, Errno> {
    pidfd_open(Pid::from_raw(id).ok_or(Errno::INVAL)?, PidfdFlags::empty())
}

fn drain_stdin() {
    let mut buffer = [0; 1024];
    while io::stdin().read(&mut buffer).is_ok_and(|length| length > 0) {}
}
