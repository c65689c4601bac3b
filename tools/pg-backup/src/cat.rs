//! `cat`: the content of an object to stdout, for `pg_restore` and other tools.
//!
//! Its last bytes are written only after size and checksum were found to be right, so that a reader that insists on a
//! whole archive never takes a damaged one for whole; the exit code tells besides.

use std::io::Read;

use release_common::{Context, Outcome, fault};

use crate::cli::CatArgs;
use crate::encryption::Identities;
use crate::error::Error;
use crate::manifest::{Kind, Manifest, Role, StoredObject};
use crate::opened;
use crate::store::StoreError;
use crate::unseal::{self, Unsealing};

/// Held back until the end is known to be good.
const CHUNK_BYTES: usize = 256 << 10;

/// Writes the content of one object.
///
/// # Errors
/// When there is no such object, it is damaged, or the store fails.
pub(crate) fn run(args: &CatArgs, context: &mut Context) -> Result<Outcome, Error> {
    let id = opened::id(args.id.as_ref())?;
    let identities = Identities::read(&args.identity.identity)?;
    let runtime = crate::runtime()?;
    runtime.block_on(async {
        let store = opened::store(&args.series.store)?;
        let series = opened::series(&store, &args.series).await?;
        let backup = opened::chosen(&store, &series, id.as_ref()).await?;
        let manifest = &backup.manifest;
        let object = wanted(manifest, args.object.as_deref())?;
        let is_encrypted = !manifest.recipients.is_empty();
        if is_encrypted && identities.is_empty() {
            return Err(Error::NoIdentity { id: manifest.id.to_string() });
        }
        let key = series.object(&manifest.id, &object.name);
        let unsealing = unseal::unseal(&store, &key, object, is_encrypted, &identities);
        let (sender, mut receiver) = tokio::sync::mpsc::channel(2);
        let reading = tokio::task::spawn_blocking(move || read(unsealing, &sender));
        while let Some(chunk) = receiver.recv().await {
            context.stdout().write_all(&chunk)?;
            fault::point("chunk");
        }
        let read = reading.await.map_err(|error| Error::Source { reason: error.to_string() })?;
        read.map_err(|error| failure(error, store.shown(), key.as_ref()))?;
        context.stdout().flush()?;
        Ok(Outcome::Good)
    })
}

/// What a reading that failed means.
pub(crate) fn failure(error: std::io::Error, store: &str, key: &str) -> Error {
    if unseal::is_damage(&error) {
        let source = StoreError::Damaged(error.to_string());
        return Error::Store { store: store.to_owned(), doing: key.to_owned(), source };
    }
    if error.kind() == std::io::ErrorKind::PermissionDenied {
        return Error::Refused {
            what: format!("{key}: {error}"),
            reason: "keys",
            hint: "`pg-backup show` tells whom it is encrypted to; name the file of that key with --identity"
                .to_owned(),
        };
    }
    match error.downcast::<Error>() {
        Ok(inner) => inner,
        Err(error) => Error::Source { reason: format!("{key}: {error}") },
    }
}

fn wanted<'a>(manifest: &'a Manifest, name: Option<&str>) -> Result<&'a StoredObject, Error> {
    let hint = format!("`pg-backup show {}` lists its objects", manifest.id);
    match name {
        Some(name) => manifest.objects.iter().find(|object| object.name == name).ok_or_else(|| {
            Error::NotFound { what: format!("{}: has no object `{name}`", manifest.id), hint }
        }),
        None => manifest.object(Role::Dump).ok_or_else(|| Error::NotFound {
            what: match manifest.kind {
                Kind::DumpDirectory => {
                    format!("{}: is a dump in many files, and no single archive", manifest.id)
                }
                Kind::Dump | Kind::Base => format!("{}: has no archive", manifest.id),
            },
            hint: format!("{hint}; --object names one"),
        }),
    }
}

/// Reads to the end; each chunk is passed on when the next one has been read.
fn read(unsealing: Unsealing, sender: &tokio::sync::mpsc::Sender<Vec<u8>>) -> std::io::Result<()> {
    let mut reader = unsealing.open()?;
    let mut held = Vec::new();
    loop {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        (&mut reader).take(CHUNK_BYTES as u64).read_to_end(&mut chunk)?;
        let is_last = chunk.is_empty();
        let due = std::mem::replace(&mut held, chunk);
        // A reader that has left is told about by the next writing.
        if (!due.is_empty() && sender.blocking_send(due).is_err()) || is_last {
            return Ok(());
        }
    }
}
