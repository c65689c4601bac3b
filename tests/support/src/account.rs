//! Who runs the database programs: PostgreSQL and PgBouncer refuse to run as root.
//!
//! Root lends them to the user `postgres`, which Debian's packages make; anybody else runs them as they are.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use rustix::process::geteuid;

/// The words before a program that make it run as `postgres`. Changing the user forgets the signal that the kernel sends
/// when the supervisor dies (prctl(2), `PR_SET_PDEATHSIG`), so it is set again.
const AS_POSTGRES: [&str; 7] =
    ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig", "KILL", "--"];

/// The user that database programs run as here, and with them what they start, such as `archive_command`.
pub fn account() -> Account {
    Account::of_databases()
}

/// The user that a program runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    /// Whoever runs the test.
    Own,
    /// The user `postgres`, lent by root.
    Postgres,
}

impl Account {
    /// The one that database programs accept.
    pub(crate) fn of_databases() -> Self {
        if geteuid().is_root() { Self::Postgres } else { Self::Own }
    }

    /// A command that runs the program as this user. It has the caller's folder and `HOME`, which the user may not be let
    /// into: see [`DataFolder::command`](crate::DataFolder::command).
    pub fn command(self, program: impl AsRef<Path>) -> Command {
        let mut words = self.words().chain([program.as_ref().into()]);
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words);
        command
    }

    /// What stands before the program on its command line.
    pub(crate) fn words(self) -> impl Iterator<Item = OsString> {
        let words: &[&str] = if self == Self::Postgres { &AS_POSTGRES } else { &[] };
        words.iter().map(OsString::from)
    }
}
