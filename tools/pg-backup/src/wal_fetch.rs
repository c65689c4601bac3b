//! `wal-fetch`: a file of WAL for a server that recovers, or the truth about why there is none.
//!
//! PostgreSQL takes one answer for "this is the end": then it becomes a primary and everything after it is lost. So that
//! answer is given only when a store that is ours has said that the file is not there, holds other WAL of the cluster,
//! and nothing that would come later; `cli/ending.rs` keeps every other end of the process away from that number.

mod spool;

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use object_store::path::Path as Key;
use release_common::{Context, Outcome, Stop, fault};

use self::spool::Spool;
use crate::cli::WalFetchArgs;
use crate::encryption::Identities;
use crate::error::Error;
use crate::opened;
use crate::store::Store;
use crate::unseal::{self, Unsealing};
use crate::wal_archive;
use crate::wal_header::Header;
use crate::wal_name::WalName;
use crate::wal_record::{WalPlace, WalRecord};

/// Fetches one file.
///
/// # Errors
/// When it is not known whether there is one, or it is damaged.
pub(crate) fn run(args: &WalFetchArgs, context: &mut Context) -> Result<Outcome, Error> {
    crate::runtime()?.block_on(async {
        let mut stop = Stop::new(&context.shutdown);
        fault::point("fetch");
        let name: WalName = args.name.parse().map_err(|error| Error::Refused {
            what: format!("{error}"),
            reason: "no_wal",
            hint: "restore_command is `pg-backup wal-fetch %f %p`".to_owned(),
        })?;
        let spool = args.spool.as_deref().map(|folder| Spool::open(folder, &args.path)).transpose()?;
        let identities = Identities::read(&args.identity.identity)?;
        let store = opened::store(&args.store)?;
        stop.unless(async {
            let place =
                wal_archive::place(&store, args.store.cluster.as_ref(), args.system_id.as_deref()).await?;
            let fetcher = Fetcher { store: &store, place: &place, identities: &identities };
            let is_found = match &spool {
                Some(spool) => spool.fetch(&fetcher, &name, &args.path, args.prefetch).await?,
                None => fetcher.fetch(&name, &args.path).await?,
            };
            Ok(if is_found { Outcome::Good } else { Outcome::Bad })
        })
        .await
    })
}

/// Gets files of one cluster's WAL.
pub(crate) struct Fetcher<'a> {
    pub(crate) store: &'a Store,
    pub(crate) place: &'a WalPlace,
    pub(crate) identities: &'a Identities,
}

impl Fetcher<'_> {
    /// Puts a file at `path`, whole or not at all; false when it is certain that this is the end.
    async fn fetch(&self, name: &WalName, path: &Path) -> Result<bool, Error> {
        match self.record(name).await? {
            Some(record) => self.fetch_recorded(&record, path).await.map(|()| true),
            None => Ok(false),
        }
    }

    /// The document of a file; none when it is certain that this is the end.
    async fn record(&self, name: &WalName) -> Result<Option<WalRecord>, Error> {
        if let Some(record) = wal_archive::record(self.store, self.place, name).await? {
            return Ok(Some(record));
        }
        if !self.store.is_claimed().await? {
            return Err(self.uncertain(format!("{}: is no store of pg-backup", self.store.shown())));
        }
        let stored = wal_archive::stored(self.store, self.place).await?;
        if stored.names.is_empty() {
            let (cluster, system_id) = (&self.place.cluster, &self.place.system_id);
            return Err(
                self.uncertain(format!("{}: holds no WAL of {cluster}, {system_id}", self.store.shown()))
            );
        }
        if stored.names.contains(name) {
            // It came between the two questions.
            return wal_archive::record(self.store, self.place, name).await;
        }
        match name.segment() {
            Some(segment) if !stored.archive.is_end(segment) => Err(Error::Failed {
                what: format!("{}: {name} is missing, and later WAL is there", self.store.shown()),
                reason: "wal_hole",
                hint: "no restore goes past it: choose an earlier moment, or a later base backup".to_owned(),
            }),
            _ => Ok(None),
        }
    }

    fn uncertain(&self, what: String) -> Error {
        Error::NotFound {
            what,
            hint: "look at --store, --cluster and --system-id of restore_command".to_owned(),
        }
    }

    /// Fetches a file whose document is known.
    ///
    /// # Errors
    /// When it is damaged, or cannot be written; nothing is at `path` then that was not there before.
    pub(crate) async fn fetch_recorded(&self, record: &WalRecord, path: &Path) -> Result<(), Error> {
        let unsealing = self.open(record)?;
        let (temporary, record, place) = (beside(path), record.clone(), self.place.clone());
        let target = temporary.clone();
        let key = place.object(&record.name, &record.object.name);
        let written = tokio::task::spawn_blocking(move || write(unsealing, &target, &record, &place)).await;
        // A bug in a decoder is a failure as any other: nothing of it may stay.
        let written = written.unwrap_or_else(|error| Err(Failure::Read(io::Error::other(error.to_string()))));
        if let Err(failure) = written {
            // What is left of it is written over by the next try.
            let _ = std::fs::remove_file(&temporary);
            return Err(self.explain(failure, &key, &temporary));
        }
        fault::point("fetched");
        let renamed = std::fs::rename(&temporary, path);
        renamed.map_err(|source| Error::File {
            path: path.to_owned(),
            doing: "putting it in its place",
            source,
        })
    }

    /// Reads a file to its end and forgets it.
    ///
    /// # Errors
    /// When it is damaged, or out of reach.
    pub(crate) async fn check_recorded(&self, record: &WalRecord) -> Result<(), Error> {
        let unsealing = self.open(record)?;
        let (record, place) = (record.clone(), self.place.clone());
        let key = place.object(&record.name, &record.object.name);
        let checking = move || copy(unsealing, &mut io::sink(), &record, &place);
        let checked = tokio::task::spawn_blocking(checking).await;
        let checked = checked.map_err(|error| Error::Source { reason: error.to_string() })?;
        checked.map_err(|failure| self.explain(failure, &key, Path::new("")))
    }

    fn open(&self, record: &WalRecord) -> Result<Unsealing, Error> {
        let is_encrypted = !record.recipients.is_empty();
        if is_encrypted && self.identities.is_empty() {
            return Err(Error::NoIdentity { id: record.name.to_string() });
        }
        let key = self.place.object(&record.name, &record.object.name);
        Ok(unseal::unseal(self.store, &key, &record.object, is_encrypted, self.identities))
    }

    fn explain(&self, failure: Failure, key: &Key, path: &Path) -> Error {
        match failure {
            Failure::Write(source) => Error::File { path: path.to_owned(), doing: "writing it", source },
            Failure::Read(error) if unseal::is_damage(&error) => Error::Failed {
                what: format!("{}: {key}: {error}", self.store.shown()),
                reason: "object_damaged",
                hint: "no restore goes past it: choose an earlier moment, or a later base backup".to_owned(),
            },
            Failure::Read(error) => unseal::explained(error, self.store, key),
        }
    }
}

enum Failure {
    Read(io::Error),
    Write(io::Error),
}

/// A name in the same folder that PostgreSQL does not know.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".pg-backup");
    path.with_file_name(name)
}

fn write(unsealing: Unsealing, path: &Path, record: &WalRecord, place: &WalPlace) -> Result<(), Failure> {
    let mut file = File::create(path).map_err(Failure::Write)?;
    // WAL holds what the tables hold.
    file.set_permissions(Permissions::from_mode(0o600)).map_err(Failure::Write)?;
    copy(unsealing, &mut file, record, place)?;
    file.sync_all().map_err(Failure::Write)
}

/// Copies the content, of which nothing may be used unless this succeeds.
fn copy(
    unsealing: Unsealing,
    to: &mut impl io::Write,
    record: &WalRecord,
    place: &WalPlace,
) -> Result<(), Failure> {
    let mut content = unsealing.open().map_err(Failure::Read)?;
    let (mut head, mut buffer) = (None, vec![0; 256 << 10]);
    loop {
        let count = match content.read(&mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Failure::Read(error)),
        };
        let read = buffer.get(..count).unwrap_or_default();
        if head.is_none() {
            check_head(read, record, place).map_err(Failure::Read)?;
            head = Some(());
        }
        if count == 0 {
            return Ok(());
        }
        to.write_all(read).map_err(Failure::Write)?;
    }
}

/// A segment says itself whose it is.
fn check_head(head: &[u8], record: &WalRecord, place: &WalPlace) -> io::Result<()> {
    let (WalName::Segment(segment) | WalName::Partial(segment)) = record.name else { return Ok(()) };
    let wrong = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let header = Header::read(head).map_err(|error| wrong(error.to_string()))?;
    header.check(segment, record.object.plain_bytes).map_err(|error| wrong(error.to_string()))?;
    if header.system_id == place.system_id {
        Ok(())
    } else {
        Err(wrong(format!("is WAL of the cluster {}", header.system_id)))
    }
}
