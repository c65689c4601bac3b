//! A file of WAL on the disk of the server: what it is, and whose.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::document::hex;
use crate::error::Error;
use crate::wal_header::{HEADER_BYTES, Header};
use crate::wal_history::{self, Switch};
use crate::wal_name::{Segment, WalName};

/// No history of a timeline comes near it: a line has less than a hundred bytes.
const HISTORY_LIMIT: u64 = 1 << 20;
/// Large enough that reading costs little.
const READ_BYTES: usize = 256 << 10;

/// A file that is to be pushed.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) name: WalName,
    pub(super) system_id: String,
    pub(super) bytes: u64,
    pub(super) written_at: Timestamp,
    pub(super) history: Option<Vec<Switch>>,
}

impl Source {
    /// Looks at a file, and finds out whose WAL it is: from the head of a segment; for what has none, from `system_id`,
    /// or from the data folder that it lies in, as PostgreSQL names it in `%p`.
    ///
    /// # Errors
    /// When it cannot be read, is no WAL, or is that of another cluster.
    pub(super) fn open(path: &Path, system_id: Option<&str>) -> Result<Source, Error> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let name: WalName = name.parse().map_err(|error| refused(path, &format!("{error}")))?;
        let mut file = open(path)?;
        let looked = file.metadata().and_then(|data| Ok((data.len(), data.modified()?)));
        let (bytes, modified) = looked.map_err(failed(path, "looking at it"))?;
        let written_at = Timestamp::try_from(modified).unwrap_or(Timestamp::UNIX_EPOCH);
        let (of_head, history) = match name {
            WalName::Segment(segment) | WalName::Partial(segment) => {
                (Some(head(path, &mut file, segment, bytes)?), None)
            }
            WalName::History(_) => (None, Some(history(path, &mut file)?)),
            WalName::Label(..) => (None, None),
        };
        let system_id = match (of_head, system_id) {
            (Some(found), Some(expected)) if found != expected => {
                return Err(refused(path, &format!("is WAL of the cluster {found}, and not of {expected}")));
            }
            (Some(found), _) => found,
            (None, Some(given)) => given.to_owned(),
            (None, None) => of_data_folder(path)?,
        };
        Ok(Source { name, system_id, bytes, written_at, history })
    }

    /// The SHA-256 of the file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn plain_sha256(&self, path: &Path) -> Result<String, Error> {
        plain_sha256(open(path)?).map_err(failed(path, "reading it"))
    }
}

/// The SHA-256 of what is left to read.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn plain_sha256(file: impl Read) -> std::io::Result<String> {
    let mut reader = BufReader::with_capacity(READ_BYTES, file);
    let mut hash = Sha256::new();
    loop {
        let read = reader.fill_buf()?;
        if read.is_empty() {
            return Ok(hex(&hash.finalize()));
        }
        hash.update(read);
        let count = read.len();
        reader.consume(count);
    }
}

fn head(path: &Path, file: &mut File, segment: Segment, bytes: u64) -> Result<String, Error> {
    let mut head = Vec::new();
    file.take(HEADER_BYTES as u64).read_to_end(&mut head).map_err(failed(path, "reading it"))?;
    let header = Header::read(&head).and_then(|header| header.check(segment, bytes).map(|()| header));
    header.map(|header| header.system_id).map_err(|error| refused(path, &error.to_string()))
}

fn history(path: &Path, file: &mut File) -> Result<Vec<Switch>, Error> {
    let mut text = String::new();
    file.take(HISTORY_LIMIT).read_to_string(&mut text).map_err(failed(path, "reading it"))?;
    wal_history::parse(&text).map_err(|error| refused(path, &error.to_string()))
}

/// The identifier that the server itself believes: the first field of `pg_control`, in a folder beside that of WAL.
fn of_data_folder(path: &Path) -> Result<String, Error> {
    let data = path.parent().and_then(Path::parent).unwrap_or(Path::new(""));
    let control = data.join("global/pg_control");
    let mut first = [0; 8];
    let read = File::open(&control).and_then(|mut file| file.read_exact(&mut first));
    read.map_err(|source| Error::Refused {
        what: format!("{}: tells no cluster, and {}: {source}", path.display(), control.display()),
        reason: "system_id",
        hint: "hand over %p as PostgreSQL has it, or name the cluster with --system-id".to_owned(),
    })?;
    Ok(u64::from_le_bytes(first).to_string())
}

/// Opens a file of WAL.
///
/// # Errors
/// When it cannot be opened.
pub(super) fn open(path: &Path) -> Result<File, Error> {
    File::open(path).map_err(failed(path, "opening it"))
}

fn failed(path: &Path, doing: &'static str) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { path, doing, source }
}

fn refused(path: &Path, what: &str) -> Error {
    Error::Refused {
        what: format!("{}: {what}", path.display()),
        reason: "no_wal",
        hint: "archive_command is `pg-backup wal-push %p`".to_owned(),
    }
}
