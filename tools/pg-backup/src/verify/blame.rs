//! Whose fault it is that `pg_restore` failed: the backup's, or that of the machine it runs on.
//!
//! Whoever stores unusable backups must be told, and whoever lacks an extension must not be told that the backup is bad.

use super::Finding;
use crate::archive;
use crate::child::Ended;
use crate::error::Error;

/// Whose fault, with what was said.
#[derive(Debug)]
pub(super) enum Blame {
    /// The backup's.
    Backup(String),
    /// This machine lacks something.
    Machine { reason: &'static str, said: String, hint: String },
    /// Nobody knows: it was killed, or the disk is full.
    Nobody(Box<Ended>),
}

/// What a message tells, as PostgreSQL writes it under `lc_messages = C`.
const LACKING: [(&str, &str, &str); 9] = [
    ("extension \"", "\" is not available", "extension"),
    ("could not open extension control file", "", "extension"),
    ("extension \"", "\" has no installation script", "extension"),
    ("could not access file \"", "", "extension"),
    ("shared_preload_libraries", "", "extension"),
    ("role \"", "\" does not exist", "role"),
    ("collation \"", "\" for encoding", "locale"),
    ("could not create locale", "", "locale"),
    ("unsupported version (", "in file header", "client_version"),
];
const FAILING: [&str; 7] = [
    "No space left on device",
    "out of memory",
    "out of shared memory",
    "server closed the connection",
    "terminating connection",
    "connection to server",
    "the database system is",
];

impl Blame {
    pub(super) fn of(ended: Ended) -> Blame {
        let said = archive::complaint(&ended).to_owned();
        if ended.status.code().is_none() || FAILING.iter().any(|word| said.contains(word)) {
            return Blame::Nobody(Box::new(ended));
        }
        let lacks = |(before, after, _): &&(&str, &str, &str)| {
            said.split_once(before).is_some_and(|(_, rest)| rest.contains(after))
        };
        match LACKING.iter().find(lacks) {
            Some((_, _, reason)) => Blame::Machine { reason, said, hint: hint(reason) },
            None => Blame::Backup(said),
        }
    }

    /// The answer; `what` says in which step.
    ///
    /// # Errors
    /// When nobody knows.
    pub(super) fn finding(self, what: &str) -> Result<Finding, Error> {
        match self {
            Blame::Backup(said) => Ok(Finding::bad("archive", format!("{what}: {said}"))),
            Blame::Machine { reason, said, hint } => {
                Ok(Finding::inconclusive(reason, format!("{what} here: {said}"), hint))
            }
            Blame::Nobody(ended) => Err(Error::Program(ended)),
        }
    }
}

fn hint(reason: &str) -> String {
    match reason {
        "extension" => "install the package of the extension for this version of PostgreSQL",
        "role" => "the backup's globals.sql makes the roles: look at the notes about it",
        "locale" => "make the locale on this machine, such as by locale-gen",
        _ => "install newer client programs, or name a folder with --pg-bin",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::Blame;
    use crate::child::Ended;

    /// `bad`, the reason of the machine, or `nobody`.
    #[track_caller]
    fn check(raw_status: i32, stderr: &str, expected: &str) {
        let (name, status) = ("pg_restore".to_owned(), ExitStatus::from_raw(raw_status));
        let found = match Blame::of(Ended { name, status, stderr: stderr.to_owned() }) {
            Blame::Backup(_) => "bad",
            Blame::Machine { reason, .. } => reason,
            Blame::Nobody(_) => "nobody",
        };
        assert_eq!(found, expected, "{stderr}");
    }

    #[test]
    fn a_machine_that_lacks_something_is_not_the_backups_fault() {
        let head = "pg_restore: while PROCESSING TOC:\npg_restore: error: could not execute query: ";
        check(256, &format!("{head}ERROR:  extension \"postgis\" is not available\nDETAIL: x"), "extension");
        check(256, &format!("{head}ERROR:  role \"app\" does not exist\nCommand was: ALTER"), "role");
        check(256, &format!("{head}ERROR:  collation \"de\" for encoding \"UTF8\" does not exist"), "locale");
        check(256, "pg_restore: error: unsupported version (1.16) in file header", "client_version");
        check(256, "pg_restore: error: could not read from input file: end of file", "bad");
        check(256, &format!("{head}ERROR:  syntax error at or near \"x\""), "bad");
    }

    #[test]
    fn what_died_or_had_no_room_tells_nothing() {
        check(9, "", "nobody");
        check(
            256,
            "pg_restore: error: COPY failed: ERROR:  could not extend file: No space left on device",
            "nobody",
        );
        check(
            256,
            "pg_restore: error: could not execute query: server closed the connection unexpectedly",
            "nobody",
        );
    }
}
