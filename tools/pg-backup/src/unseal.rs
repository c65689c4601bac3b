//! From a stored object back to its content, with everything about it checked on the way.
//!
//! The reader may only trust what it has read once [`Read::read`] has returned 0: then, and only then, size and hash of
//! the stored bytes and of the content were as recorded. Any difference is an error of the kind `InvalidData`.

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use object_store::path::Path;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use crate::document::hex;
use crate::encryption::Identities;
use crate::error::Error;
use crate::manifest::StoredObject;
use crate::store::{Download, Store, StoreError};

/// Opens an object. The returned reader blocks: it belongs into `spawn_blocking`, while the runtime fetches.
///
/// `is_encrypted` comes from the manifest, not from the name.
pub(crate) fn unseal(
    store: &Store,
    key: &Path,
    object: &StoredObject,
    is_encrypted: bool,
    identities: &Identities,
) -> Unsealing {
    let arriving = fetch(store, key, object.bytes);
    let stored = Checked::new(arriving, object.bytes, &object.sha256, "the stored object");
    Unsealing { stored: Some(stored), is_encrypted, identities: identities.clone(), object: object.clone() }
}

/// The stored bytes as they are, checked: what `cat --raw` and `verify --level checksum` read.
pub(crate) fn stored(store: &Store, key: &Path, object: &StoredObject) -> impl Read + Send + use<> {
    Checked::new(fetch(store, key, object.bytes), object.bytes, &object.sha256, "the stored object")
}

fn fetch(store: &Store, key: &Path, size: u64) -> Arriving {
    let (sender, receiver) = mpsc::channel(1);
    let Download(mut ranges) = store.download(key, size);
    let (store, key) = (store.clone(), key.clone());
    tokio::spawn(async move {
        // Bytes that were appended are in no range.
        if let Err(error) = store.confirm(&key, size).await {
            let _ = sender.send(Err(error)).await;
            return;
        }
        while let Some(range) = ranges.next().await {
            let is_last = range.is_err();
            if sender.send(range).await.is_err() || is_last {
                break;
            }
        }
    });
    Arriving { ranges: receiver, current: Bytes::new() }
}

/// An object that is to be opened where blocking is allowed: reading its head may wait for the store.
#[derive(Debug)]
pub(crate) struct Unsealing {
    stored: Option<Checked<Arriving>>,
    is_encrypted: bool,
    identities: Identities,
    object: StoredObject,
}

impl Unsealing {
    /// The content.
    ///
    /// # Errors
    /// When the head is damaged or no identity fits it.
    pub(crate) fn open(mut self) -> io::Result<Box<dyn Read + Send>> {
        let Some(stored) = self.stored.take() else { return Err(io::ErrorKind::InvalidInput.into()) };
        let (bytes, sha256) = (self.object.plain_bytes, self.object.plain_sha256.clone());
        let content: Box<dyn Read + Send> = if self.is_encrypted {
            let decrypted = self.identities.decrypt(stored)?;
            Box::new(Checked::new(Frames::new(decrypted)?, bytes, &sha256, "the content"))
        } else {
            Box::new(Checked::new(Frames::new(stored)?, bytes, &sha256, "the content"))
        };
        Ok(content)
    }
}

/// A zstd stream that is read to the very end of what is below it, so that this is checked too.
struct Frames<R: Read>(zstd::Decoder<'static, io::BufReader<R>>);

impl<R: Read> Frames<R> {
    fn new(reader: R) -> io::Result<Frames<R>> {
        zstd::Decoder::new(reader).map(Frames)
    }
}

impl<R: Read> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // The decoder's own errors have no kind; they mean damage, unless the way to the store failed below it.
        self.0.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::Other if error.get_ref().is_none_or(|inner| !inner.is::<Error>()) => {
                damage(error.to_string())
            }
            _ => error,
        })
    }
}

fn damage(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Whether reading failed because of what was read, and not because of the way to it.
pub(crate) fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

/// What a reading that failed means.
pub(crate) fn explained(error: io::Error, store: &Store, key: &Path) -> Error {
    if is_damage(&error) {
        let source = StoreError::Damaged(error.to_string());
        return Error::Store { store: store.shown().to_owned(), doing: key.to_string(), source };
    }
    match error.downcast::<Error>() {
        Ok(inner) => inner,
        Err(error) => Error::Source { reason: format!("{key}: {error}") },
    }
}

/// Bytes on their way from the store.
#[derive(Debug)]
struct Arriving {
    ranges: mpsc::Receiver<Result<Bytes, Error>>,
    current: Bytes,
}

impl Read for Arriving {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.ranges.blocking_recv() {
                Some(Ok(range)) => self.current = range,
                Some(Err(error)) if error.is_damage() => {
                    return Err(damage(crate::answer::with_causes(&error)));
                }
                Some(Err(error)) => return Err(io::Error::other(error)),
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.current.len());
        let (head, _) = buffer.split_at_mut(count);
        self.current.copy_to_slice(head);
        Ok(count)
    }
}

/// Passes bytes through, and at their end compares size and hash.
#[derive(Debug)]
struct Checked<R> {
    reader: R,
    hash: Sha256,
    bytes: u64,
    expected_bytes: u64,
    expected_sha256: String,
    what: &'static str,
}

impl<R: Read> Checked<R> {
    fn new(reader: R, bytes: u64, sha256: &str, what: &'static str) -> Checked<R> {
        let expected_sha256 = sha256.to_owned();
        Checked { reader, hash: Sha256::new(), bytes: 0, expected_bytes: bytes, expected_sha256, what }
    }
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let count = self.reader.read(buffer)?;
        self.hash.update(buffer.get(..count).unwrap_or_default());
        self.bytes += count as u64;
        if self.bytes > self.expected_bytes {
            return Err(damage(format!("{} is longer than {} bytes", self.what, self.expected_bytes)));
        }
        if count == 0 {
            let (found, expected) = (self.bytes, self.expected_bytes);
            if found < expected {
                return Err(damage(format!("{} has {found} bytes instead of {expected}", self.what)));
            }
            if hex(&self.hash.finalize_reset()) != self.expected_sha256 {
                return Err(damage(format!("{} has another SHA-256 than recorded", self.what)));
            }
            // Asked once more after the end, the answer is the same.
            self.hash = Sha256::new();
            self.expected_sha256 = hex(&Sha256::digest([]));
        }
        Ok(count)
    }
}
