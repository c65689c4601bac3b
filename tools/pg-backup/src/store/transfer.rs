//! Large objects: sent in parts of one size while they are made, and fetched in ranges while they are read.
//!
//! Equal parts because some stores refuse others; ranges because a reader such as `pg_restore` may take longer for one
//! object than any single request may last. Memory is bounded by the parts under way, whatever the size of the object.

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStoreExt, PutPayload};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::failure::StoreError;
use super::{Created, Store};
use crate::error::Error;

/// Bytes of a part: with it an object may have 78 GiB, since stores allow 10,000 parts.
pub const PART_BYTES: usize = 8 << 20;
/// Bytes of a range, which is in memory several times: as it arrives, ahead of the reader, and kept by the allocator of
/// each thread that has held one. Twice as many, of a folder, were 130 MB.
const RANGE_BYTES: usize = 4 << 20;
/// Parts under way at one time: more would not fill the line better, and memory is counted in them.
const PARTS_UNDER_WAY: usize = 4;
/// Ranges asked for ahead of the reader.
const RANGES_AHEAD: usize = 4;

/// An object that the store has confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uploaded {
    /// Its size.
    pub bytes: u64,
}

impl Store {
    /// Stores what arrives in parts, of which all but the last have one size. An error among them, or parts that end
    /// without a `None`, end the upload, and nothing is stored: only who has seen the true end of the data says so.
    ///
    /// # Errors
    /// When the store fails, or does not have in the end what was sent.
    pub async fn upload(
        &self,
        key: &Path,
        mut parts: mpsc::Receiver<Option<Bytes>>,
    ) -> Result<Option<Uploaded>, Error> {
        let mut pending: Option<Bytes> = None;
        let mut upload: Option<Multipart<'_>> = None;
        let mut bytes = 0;
        loop {
            match parts.recv().await {
                Some(Some(part)) => {
                    bytes += part.len() as u64;
                    let Some(earlier) = pending.replace(part) else { continue };
                    let running = match &mut upload {
                        Some(running) => running,
                        None => upload.insert(Multipart::begin(self, key).await?),
                    };
                    running.send(earlier).await?;
                }
                Some(None) => break,
                None => {
                    if let Some(upload) = upload {
                        upload.abort().await;
                    }
                    return Ok(None);
                }
            }
        }
        let last = pending.unwrap_or_default();
        match upload {
            None => {
                if self.create(key, last).await? == Created::Existed {
                    return Err(self.damaged(key, "has been written by somebody else"));
                }
            }
            Some(mut upload) => {
                upload.send(last).await?;
                upload.complete(bytes).await?;
            }
        }
        self.confirm(key, bytes).await?;
        Ok(Some(Uploaded { bytes }))
    }

    /// What the store says that it has is what decides.
    ///
    /// # Errors
    /// When it has another size or nothing, or fails.
    pub async fn confirm(&self, key: &Path, bytes: u64) -> Result<(), Error> {
        match self.size(key).await? {
            Some(stored) if stored == bytes => Ok(()),
            Some(stored) => Err(self.damaged(key, &format!("has {stored} bytes instead of {bytes}"))),
            None => Err(self.damaged(key, "is missing")),
        }
    }

    pub(crate) fn damaged(&self, key: &Path, what: &str) -> Error {
        Error::Store {
            store: self.shown.clone(),
            doing: key.to_string(),
            source: StoreError::Damaged(format!("the object {what}")),
        }
    }

    /// The bytes of an object of `size` bytes, in order, fetched ahead of the reader.
    pub fn download(
        &self,
        key: &Path,
        size: u64,
    ) -> Download<impl Stream<Item = Result<Bytes, Error>> + Send + 'static> {
        let starts = (0..size).step_by(RANGE_BYTES);
        let (store, key) = (self.clone(), key.clone());
        let ranges = stream::iter(starts).map(move |start| {
            let (store, key) = (store.clone(), key.clone());
            async move { store.range(&key, start, (start + RANGE_BYTES as u64).min(size)).await }
        });
        Download(ranges.buffered(RANGES_AHEAD))
    }

    async fn range(&self, key: &Path, start: u64, end: u64) -> Result<Bytes, Error> {
        let got = self.inner.get_range(&self.absolute(key), start..end).await;
        let got = got.map_err(|error| self.error(&format!("reading {key}"), error))?;
        if got.len() as u64 == end - start {
            Ok(got)
        } else {
            Err(self.damaged(key, "is shorter than recorded"))
        }
    }
}

/// The bytes of an object as they arrive.
#[derive(Debug)]
pub struct Download<S>(pub S);

/// An upload in parts that is under way.
struct Multipart<'a> {
    store: &'a Store,
    key: Path,
    upload: Box<dyn MultipartUpload>,
    parts: JoinSet<object_store::Result<()>>,
}

impl Multipart<'_> {
    async fn begin<'a>(store: &'a Store, key: &Path) -> Result<Multipart<'a>, Error> {
        let begun = store.inner.put_multipart(&store.absolute(key)).await;
        let upload = begun.map_err(|error| store.error(&format!("writing {key}"), error))?;
        Ok(Multipart { store, key: key.clone(), upload, parts: JoinSet::new() })
    }

    async fn send(&mut self, part: Bytes) -> Result<(), Error> {
        while self.parts.len() >= PARTS_UNDER_WAY {
            self.join_one().await?;
        }
        release_common::fault::point("part");
        self.parts.spawn(self.upload.put_part(PutPayload::from_bytes(part)));
        Ok(())
    }

    async fn join_one(&mut self) -> Result<(), Error> {
        let failure = match self.parts.join_next().await {
            None | Some(Ok(Ok(()))) => return Ok(()),
            Some(Ok(Err(error))) => error,
            Some(Err(source)) => object_store::Error::JoinError { source },
        };
        Err(self.give_up(failure).await)
    }

    /// An answer that was lost says nothing: the object itself tells whether the store has finished it.
    async fn complete(&mut self, bytes: u64) -> Result<(), Error> {
        while !self.parts.is_empty() {
            self.join_one().await?;
        }
        match self.upload.complete().await {
            Ok(_) => Ok(()),
            Err(_) if self.store.size(&self.key).await? == Some(bytes) => Ok(()),
            Err(error) => Err(self.give_up(error).await),
        }
    }

    async fn give_up(&mut self, error: object_store::Error) -> Error {
        self.parts.abort_all();
        let failure = self.store.error(&format!("writing {}", self.key), error);
        abort(self.store, &self.key, &mut self.upload).await;
        failure
    }

    async fn abort(mut self) {
        self.parts.shutdown().await;
        abort(self.store, &self.key, &mut self.upload).await;
    }
}

/// Parts that stay behind cost money and nobody sees them; a rule of the bucket removes what this cannot.
async fn abort(store: &Store, key: &Path, upload: &mut Box<dyn MultipartUpload>) {
    if let Err(error) = upload.abort().await {
        tracing::warn!("{}: the parts of {key} could not be removed: {error}", store.shown);
    }
}
