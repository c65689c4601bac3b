//! `wal-push`: a file of WAL becomes safe, and only then is PostgreSQL told that it may forget it.
//!
//! The data go first, under a name that is never used again; the document that makes the file exist is written last and
//! only created. So a run that ends anywhere has either pushed the file or changed nothing, and two that push the same
//! file at the same moment, as `archive_command` and `wal-receive` may, do not harm each other.
//!
//! A file is not refused because its predecessor is missing. PostgreSQL hands out every segment in turn and forgets it
//! when it is taken; what is missing was lost before, or is kept elsewhere, or lies before the first one that was ever
//! archived here, and will never come. Refusing would keep all later WAL on the server until its disk is full, and mend
//! nothing. So the gap is told, here and by `wal-check`, and no restore goes across it.

mod source;

use std::path::Path;

use jiff::Timestamp;
use release_common::{Console, Context, Outcome, Stop, fault};

use self::source::Source;
pub(crate) use self::source::plain_sha256;
use crate::cli::WalPushArgs;
use crate::document::{FORMAT, hex};
use crate::draw;
use crate::error::Error;
use crate::layout::Name;
use crate::manifest::{Role, StoredObject};
use crate::opened;
use crate::seal::{self, Meter, Sealing};
use crate::store::{Created, Store};
use crate::wal_archive;
use crate::wal_name::{SegmentSize, WalName};
use crate::wal_record::{WalPlace, WalRecord};

/// Pushes one file.
///
/// # Errors
/// When it is not safe in the end; PostgreSQL then keeps it and asks again.
pub(crate) fn run(args: &WalPushArgs, context: &mut Context) -> Result<Outcome, Error> {
    crate::runtime()?.block_on(async {
        let mut stop = Stop::new(&context.shutdown);
        let sealing = Sealing::read(&args.seal, &stop)?;
        let source = Source::open(&args.path, args.system_id.as_deref())?;
        let store = stop.unless(opened::store_for_writing(&args.store, context)).await?;
        let pusher = Pusher {
            store: &store,
            cluster: args.store.cluster.as_ref(),
            sealing: &sealing,
            console: context.console,
        };
        let pushing = pusher.push(&args.path, source, context.clock.now());
        // Of a small file the upload is one request, which is whole or nothing.
        stop.unless(pushing).await?;
        Ok(Outcome::Good)
    })
}

/// Puts files of WAL into a store.
pub(crate) struct Pusher<'a> {
    pub(crate) store: &'a Store,
    /// The cluster's name in the store; else its system identifier.
    pub(crate) cluster: Option<&'a Name>,
    pub(crate) sealing: &'a Sealing,
    pub(crate) console: Console,
}

impl Pusher<'_> {
    /// Pushes the file at `path`, whose system identifier is known where the file itself tells none.
    ///
    /// # Errors
    /// When it is no WAL, or is not safe in the end.
    pub(crate) async fn push_file(&self, path: &Path, system_id: &str, now: Timestamp) -> Result<(), Error> {
        self.push(path, Source::open(path, Some(system_id))?, now).await
    }

    async fn push(&self, path: &Path, source: Source, now: Timestamp) -> Result<(), Error> {
        let place = self.place(&source)?;
        if let Some(known) = wal_archive::record(self.store, &place, &source.name).await? {
            return self.compare(path, &source, &known);
        }
        self.look_back(&place, &source).await?;
        let object = self.upload(&place, path, &source).await?;
        fault::point("wal.uploaded");
        let record = WalRecord {
            format: FORMAT,
            name: source.name,
            system_id: place.system_id.clone(),
            object,
            recipients: self.sealing.recipients.shown(),
            written_at: source.written_at,
            pushed_at: now,
            history: source.history.clone(),
            pg_backup: env!("CARGO_PKG_VERSION").to_owned(),
        };
        self.commit(path, &place, &source, &record).await
    }

    /// The one moment at which the file begins to exist.
    async fn commit(
        &self,
        path: &Path,
        place: &WalPlace,
        source: &Source,
        record: &WalRecord,
    ) -> Result<(), Error> {
        let bytes = record.encode().map_err(Error::Json)?;
        if self.store.create(&place.record(&record.name), bytes).await? == Created::New {
            fault::point("wal.recorded");
            return Ok(());
        }
        // Somebody was faster; what was uploaded here is named by no document.
        self.store.delete(&place.object(&record.name, &record.object.name)).await?;
        match wal_archive::record(self.store, place, &record.name).await? {
            Some(known) => self.compare(path, source, &known),
            None => Err(self.store.damaged(&place.record(&record.name), "was written and is gone")),
        }
    }

    fn place(&self, source: &Source) -> Result<WalPlace, Error> {
        let cluster = opened::named(self.cluster, &source.system_id)?;
        Ok(WalPlace { cluster, system_id: source.system_id.clone() })
    }

    /// The same once more is as good as done: PostgreSQL asks again when it has not heard the answer.
    fn compare(&self, path: &Path, source: &Source, known: &WalRecord) -> Result<(), Error> {
        if source.plain_sha256(path)? == known.object.plain_sha256 {
            return Ok(());
        }
        Err(Error::Failed {
            what: format!(
                "{}: {} is stored already, since {}, with another content; nothing was changed",
                self.store.shown(),
                source.name,
                known.pushed_at
            ),
            reason: "wal_conflict",
            hint: "two servers write the same timeline into one store, or one was restored from a copy: give this one \
                   a store or a --cluster of its own, and make a new base backup"
                .to_owned(),
        })
    }

    /// Tells of a gap before this segment; see the head of this module.
    async fn look_back(&self, place: &WalPlace, source: &Source) -> Result<(), Error> {
        let size = SegmentSize::new(source.bytes).unwrap_or(SegmentSize::USUAL);
        let Some(previous) = source.name.segment().and_then(|segment| segment.previous(size)) else {
            return Ok(());
        };
        let previous = WalName::Segment(previous);
        if self.store.size(&place.record(&previous)).await?.is_some() {
            return Ok(());
        }
        // Rare, so that a listing may be afforded: nothing older means that archiving begins here.
        let stored = wal_archive::stored(self.store, place).await?;
        let is_older =
            |name: &WalName| name.segment().is_some_and(|other| Some(other) < source.name.segment());
        if stored.names.iter().any(|name| name.timeline() == source.name.timeline() && is_older(name)) {
            self.console.warn(format_args!(
                "{}: {previous} is not there, and no restore goes past it; make a new base backup by `pg-backup base`",
                self.store.shown()
            ));
        }
        Ok(())
    }

    async fn upload(&self, place: &WalPlace, path: &Path, source: &Source) -> Result<StoredObject, Error> {
        let file = source::open(path)?;
        let name = self.sealing.name(&format!("{}.{}", source.name, hex(&draw::bytes()?)));
        let key = place.object(&source.name, &name);
        let sealed =
            seal::seal(self.store, &key, file, self.sealing, &Meter::default(), async || Ok(())).await?;
        if sealed.plain_bytes != source.bytes {
            return Err(Error::Source { reason: format!("{}: changed while it was read", path.display()) });
        }
        Ok(sealed.object(name, Role::Wal))
    }
}
