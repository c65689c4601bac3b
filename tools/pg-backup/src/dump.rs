//! The commands that make the parts of a dump, all of one snapshot.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use release_postgres::Database;

use crate::child::{self, Child};
use crate::error::Error;
use crate::programs::Programs;
use crate::server::{self, Client};

/// What a custom archive begins with; a dump that begins otherwise is none.
const MAGIC: &[u8] = b"PGDMP";

/// Whose parts are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dumper<'a> {
    pub(crate) programs: &'a Programs,
    pub(crate) database: &'a Database,
    /// The exported snapshot.
    pub(crate) snapshot: &'a str,
    /// Longest wait for a table's lock.
    pub(crate) lock_limit: Duration,
}

impl Dumper<'_> {
    fn pg_dump(&self) -> Result<Client, Error> {
        let mut client = server::client(self.database, &self.programs.path("pg_dump"))?;
        let limit = format!("--lock-wait-timeout={}", self.lock_limit.as_millis());
        client.command.args(["--snapshot", self.snapshot, &limit]);
        Ok(client)
    }

    /// The whole database as one archive on stdout. It is not compressed: that is done once, and better, by us.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn archive(&self) -> Result<Child, Error> {
        let mut client = self.pg_dump()?;
        client.command.args(["--format=custom", "--compress=0"]).stdout(Stdio::piped());
        client.start()
    }

    /// The whole database as files in `folder`, so many tables at a time.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn directory(&self, folder: &Path, jobs: u8) -> Result<Child, Error> {
        let mut client = self.pg_dump()?;
        client.command.args(["--format=directory", "--compress=0", "--jobs"]).arg(jobs.to_string());
        client.command.arg("--file").arg(folder);
        client.start()
    }

    /// The schema as SQL on stdout.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn schema(&self) -> Result<Child, Error> {
        let mut client = self.pg_dump()?;
        client.command.arg("--schema-only").stdout(Stdio::piped());
        client.start()
    }

    /// Roles and tablespaces as SQL on stdout.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn globals(&self, with_passwords: bool) -> Result<Child, Error> {
        let mut client = server::client(self.database, &self.programs.path("pg_dumpall"))?;
        client.command.args(["--globals-only", "--database"]).arg(connection_name(self.database.database()));
        if !with_passwords {
            client.command.arg("--no-role-passwords");
        }
        client.command.stdout(Stdio::piped());
        client.start()
    }

    /// The table of contents of an archive that is written to its stdin.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn contents(&self) -> Result<Child, Error> {
        let mut command = child::command(&self.programs.path("pg_restore"));
        command.arg("--list").stdin(Stdio::piped()).stdout(Stdio::piped());
        Child::start(command)
    }
}

/// A database's name where a connection string may stand too.
pub(crate) fn connection_name(database: &str) -> String {
    let quoted = database.replace('\\', "\\\\").replace('\'', "\\'");
    format!("dbname='{quoted}'")
}

/// Reads an archive, and shows its beginning to a second reader for as long as that one wants more.
pub(crate) struct Tee<R, W> {
    source: R,
    second: Option<W>,
    /// The first bytes, until there are enough to tell an archive.
    head: Vec<u8>,
}

impl<R, W> Tee<R, W> {
    pub(crate) fn new(source: R, second: W) -> Tee<R, W> {
        Tee { source, second: Some(second), head: Vec::new() }
    }
}

impl<R: Read, W: Write> Read for Tee<R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        let read = buffer.get(..count).unwrap_or_default();
        let missing = MAGIC.len().saturating_sub(self.head.len());
        self.head.extend_from_slice(read.get(..missing.min(count)).unwrap_or_default());
        let is_over = count == 0 && !buffer.is_empty();
        if (is_over || self.head.len() == MAGIC.len()) && self.head != MAGIC {
            return Err(io::Error::other("what pg_dump writes is no archive"));
        }
        // A second reader that has seen enough closes its end; one that failed tells by its exit status.
        if is_over || self.second.as_mut().is_some_and(|second| second.write_all(read).is_err()) {
            self.second = None;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::{Tee, connection_name};

    /// What both readers get of `source`.
    fn check(source: &[u8], expected: Option<&[u8]>) {
        let (mut second, mut whole) = (Vec::new(), Vec::new());
        let result = Tee::new(source, &mut second).read_to_end(&mut whole);
        match expected {
            Some(expected) => assert_eq!((whole.as_slice(), second.as_slice()), (expected, expected)),
            None => assert!(result.is_err(), "{source:?}"),
        }
    }

    #[test]
    fn only_an_archive_passes() {
        check(b"PGDMP and so on", Some(b"PGDMP and so on"));
        for source in [&b""[..], b"PGDM", b"-- PostgreSQL database dump"] {
            check(source, None);
        }
    }

    #[test]
    fn a_second_reader_that_leaves_stops_nobody() {
        let mut small = [0; 3];
        let mut whole = Vec::new();
        Tee::new(&b"PGDMP and so on"[..], &mut small[..]).read_to_end(&mut whole).unwrap();
        assert_eq!(whole, b"PGDMP and so on");
    }

    #[test]
    fn a_database_may_be_called_like_a_connection_string() {
        assert_eq!(connection_name("host=evil"), "dbname='host=evil'");
        assert_eq!(connection_name("it's \\ odd"), "dbname='it\\'s \\\\ odd'");
    }
}
