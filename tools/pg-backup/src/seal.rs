//! From a stream of bytes to a stored object, in one pass: compressed, encrypted, hashed before and after, sent in parts.
//!
//! The order is zstd, then age: encrypted bytes do not compress. Both hashes are of what a stranger's tools see:
//! `sha256` of the object as it lies in the bucket, `plain_sha256` of what `age -d | zstd -d` gives back.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use object_store::path::Path;
use release_common::Stop;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use crate::cli::SealArgs;
use crate::document::hex;
use crate::encryption::Recipients;
use crate::error::Error;
use crate::manifest::{Role, StoredObject};
use crate::store::{PART_BYTES, Store};

/// Large enough that reading costs little, small enough for the processor's cache.
const READ_BYTES: usize = 256 << 10;

/// Faults are counted in bytes, not in readings, which are as large as the writer happens to be fast.
const FAULT_BYTES: u64 = 32 << 10;

/// How objects are made.
#[derive(Clone, Debug)]
pub(crate) struct Sealing {
    /// The level of zstd.
    pub(crate) compression: i32,
    /// Whom they are encrypted to.
    pub(crate) recipients: Recipients,
    /// Ends the work; an upload that is under way is taken back.
    pub(crate) stop: Stop,
}

impl Sealing {
    /// As the flags say.
    ///
    /// # Errors
    /// When a key is none.
    pub(crate) fn read(args: &SealArgs, stop: &Stop) -> Result<Sealing, Error> {
        let recipients = Recipients::read(&args.recipient, &args.recipients_file)?;
        Ok(Sealing { compression: args.compression, recipients, stop: stop.clone() })
    }

    /// The name of an object with this content: `dump.pgc` becomes `dump.pgc.zst` or `dump.pgc.zst.age`.
    pub(crate) fn name(&self, name: &str) -> String {
        let encrypted = if self.recipients.is_empty() { "" } else { ".age" };
        format!("{name}.zst{encrypted}")
    }
}

/// Sizes and hashes of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sealed {
    /// Bytes as stored.
    pub(crate) bytes: u64,
    /// SHA-256 of these.
    pub(crate) sha256: String,
    /// Bytes of the content.
    pub(crate) plain_bytes: u64,
    /// SHA-256 of these.
    pub(crate) plain_sha256: String,
}

impl Sealed {
    /// As a manifest names it.
    pub(crate) fn object(self, name: String, role: Role) -> StoredObject {
        let Sealed { bytes, sha256, plain_bytes, plain_sha256 } = self;
        StoredObject { name, role, bytes, sha256, plain_bytes, plain_sha256 }
    }
}

/// How far a stream is: read by whoever shows progress.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter {
    read: Arc<AtomicU64>,
    stored: Arc<AtomicU64>,
}

impl Meter {
    /// Bytes of content read.
    pub(crate) fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Bytes handed to the store.
    pub(crate) fn stored(&self) -> u64 {
        self.stored.load(Ordering::Relaxed)
    }

    /// Counts content.
    pub(crate) fn add_read(&self, bytes: u64) {
        self.read.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// Stores everything that `source` gives. `is_whole` is asked once after its end, before the object is completed:
/// a program that died looks the same as one that is done, only its exit status tells.
///
/// # Errors
/// When the source fails or is not whole ([`Error::Source`] with the reason), or the store does; nothing is stored then.
pub(crate) async fn seal<R, W>(
    store: &Store,
    key: &Path,
    source: R,
    sealing: &Sealing,
    meter: &Meter,
    is_whole: W,
) -> Result<Sealed, Error>
where
    R: Read + Send + 'static,
    W: AsyncFnOnce() -> Result<(), Error>,
{
    let (sender, receiver) = mpsc::channel(1);
    let (to_store, from_maker) = mpsc::channel(1);
    let (sealing, meter, mut stop) = (sealing.clone(), meter.clone(), sealing.stop.clone());
    let mut stop_sending = stop.clone();
    let making = tokio::task::spawn_blocking(move || make(source, &sealing, &meter, sender));
    let passing = async move {
        stop.unless(pass(receiver, &to_store)).await?;
        let made = making.await.map_err(|error| Error::Source { reason: error.to_string() })?;
        // A program that failed tells more than that its output was cut.
        is_whole().await?;
        let made = made.map_err(|error| Error::Source { reason: error.to_string() })?;
        // A store that has failed meanwhile says so itself.
        let _ = to_store.send(None).await;
        Ok::<_, Error>(made)
    };
    let (made, uploaded) = tokio::join!(passing, store.upload(key, from_maker, &mut stop_sending));
    // A store that fails stops the source, which then fails for no reason of its own.
    match (made, uploaded) {
        (_, Err(error)) => Err(error),
        (Err(error), Ok(_)) => Err(error),
        (Ok(sealed), Ok(Some(uploaded))) if uploaded.bytes == sealed.bytes => {
            release_common::fault::point("stored");
            Ok(sealed)
        }
        (Ok(sealed), Ok(uploaded)) => {
            let stored = uploaded.map_or(0, |uploaded| uploaded.bytes);
            Err(store.damaged(key, &format!("has {stored} bytes instead of {}", sealed.bytes)))
        }
    }
}

/// Hands parts on until the maker ends.
async fn pass(mut parts: mpsc::Receiver<Bytes>, to_store: &mpsc::Sender<Option<Bytes>>) -> Result<(), Error> {
    // The place first, then the part: none waits in here for its turn.
    while let Ok(place) = to_store.reserve().await {
        let Some(part) = parts.recv().await else { break };
        place.send(Some(part));
    }
    Ok(())
}

fn make(
    mut source: impl Read,
    sealing: &Sealing,
    meter: &Meter,
    sender: mpsc::Sender<Bytes>,
) -> io::Result<Sealed> {
    let parts = Parts { part: Vec::with_capacity(PART_BYTES), hash: Sha256::new(), bytes: 0, sender, meter };
    let encrypted = sealing.recipients.encrypt(parts)?;
    let mut compressed = zstd::Encoder::new(encrypted, sealing.compression)?;
    // Its own checksum lets `zstd -t` find damage without the manifest.
    compressed.include_checksum(true)?;
    let (mut plain, mut plain_bytes) = (Sha256::new(), 0_u64);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let count = match source.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let read = buffer.get(..count).unwrap_or_default();
        plain.update(read);
        meter.add_read(count as u64);
        compressed.write_all(read)?;
        let blocks = plain_bytes.div_ceil(FAULT_BYTES)..(plain_bytes + count as u64).div_ceil(FAULT_BYTES);
        blocks.for_each(|_| release_common::fault::point("read"));
        plain_bytes += count as u64;
    }
    let parts = compressed.finish()?.finish()?;
    let (bytes, sha256) = parts.finish()?;
    Ok(Sealed { bytes, sha256, plain_bytes, plain_sha256: hex(&plain.finalize()) })
}

/// Collects bytes into parts of one size and hashes them on their way.
struct Parts<'a> {
    part: Vec<u8>,
    hash: Sha256,
    bytes: u64,
    sender: mpsc::Sender<Bytes>,
    meter: &'a Meter,
}

impl Parts<'_> {
    fn send(&mut self) -> io::Result<()> {
        let part = std::mem::replace(&mut self.part, Vec::with_capacity(PART_BYTES));
        self.hash.update(&part);
        self.bytes += part.len() as u64;
        self.meter.stored.fetch_add(part.len() as u64, Ordering::Relaxed);
        let gone = |_| io::Error::new(io::ErrorKind::BrokenPipe, "the store takes no more");
        self.sender.blocking_send(Bytes::from(part)).map_err(gone)
    }

    fn finish(mut self) -> io::Result<(u64, String)> {
        if !self.part.is_empty() {
            self.send()?;
        }
        Ok((self.bytes, hex(&self.hash.finalize())))
    }
}

impl Write for Parts<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let free = PART_BYTES - self.part.len();
        let taken = bytes.get(..free.min(bytes.len())).unwrap_or_default();
        self.part.extend_from_slice(taken);
        if self.part.len() == PART_BYTES {
            self.send()?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
