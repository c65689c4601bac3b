//! `cat`: the content of an object to stdout, for `pg_restore` and other tools.
//!
//! Its last bytes are written only after size and checksum were found to be right, so that a reader that insists on a
//! whole archive never takes a damaged one for whole; the exit code tells besides.

use std::io::{self, Write};

use release_common::{Context, Outcome, fault};
use tokio::sync::mpsc;

use crate::archive::Archive;
use crate::cli::CatArgs;
use crate::encryption::Identities;
use crate::error::Error;
use crate::manifest::{Kind, Manifest, Role, StoredObject};
use crate::opened;
use crate::seal::Meter;

/// Chunks that wait for a slow reader.
const CHUNKS: usize = 2;

/// Writes the content of one object.
///
/// # Errors
/// When there is no such object, it is damaged, or the store fails.
pub(crate) fn run(args: &CatArgs, context: &mut Context) -> Result<Outcome, Error> {
    let id = opened::id(args.id.as_ref())?;
    let identities = Identities::read(&args.identity.identity)?;
    crate::runtime()?.block_on(async {
        let store = opened::store(&args.series.store)?;
        let series = opened::series(&store, &args.series).await?;
        let backup = opened::chosen(&store, &series, id.as_ref()).await?;
        let (manifest, identities) = (&backup.manifest, &identities);
        let archive =
            Archive { store: &store, series: &series, manifest, identities, meter: Meter::default() };
        let object = wanted(manifest, args.object.as_deref())?;
        archive.require_identity()?;
        let (sender, receiver) = mpsc::channel(CHUNKS);
        // Dropping the writer that the copy hands back is what ends the telling.
        let copying = async { archive.copy(object, Chunks(sender), false).await.map(drop) };
        let (copied, told) = tokio::join!(copying, tell(receiver, context));
        // A reader that has left ends the copy: that is then no failure of its own.
        told?;
        copied.map(|_| Outcome::Good)
    })
}

async fn tell(mut chunks: mpsc::Receiver<Vec<u8>>, context: &mut Context) -> Result<(), Error> {
    while let Some(chunk) = chunks.recv().await {
        context.stdout().write_all(&chunk)?;
        fault::point("chunk");
    }
    Ok(context.stdout().flush()?)
}

/// Hands what is written over to the thread that owns stdout.
struct Chunks(mpsc::Sender<Vec<u8>>);

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        self.0.blocking_send(bytes.to_vec()).map_err(gone)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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
