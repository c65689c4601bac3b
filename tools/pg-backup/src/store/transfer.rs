//! Large objects: sent in parts of one size while they are made, and fetched in ranges while they are read.
//!
//! Equal parts because some stores refuse others; ranges because a reader such as `pg_restore` may take longer for one
//! object than any single request may last. Memory is bounded by the parts under way, whatever the size of the object.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStoreExt, PutPayload};
use release_common::Stop;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::failure::StoreError;
use super::{Created, Store};
use crate::error::Error;

/// Bytes of a part: with it an object may have 78 GiB, since stores allow 10,000 parts.
pub const PART_BYTES: usize = 8 << 20;
/// Bytes of a range, each of which may be held by another thread, whose allocator keeps about twice as much for later.
/// With four times as many, reading from a folder took 130 MB.
const RANGE_BYTES: usize = 2 << 20;
/// Parts under way at one time: more would not fill the line better, and memory is counted in them.
const PARTS_UNDER_WAY: usize = 4;
/// How long the removal of parts may take: a rule of the bucket removes what stays.
const ABORT_LIMIT: Duration = Duration::from_secs(10);
/// Ranges asked for ahead of the reader: over a line with 100 ms of delay they still bring 160 MB/s.
const RANGES_AHEAD: usize = 8;

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
    /// When the store fails, or does not have in the end what was sent; and when the run is to stop.
    pub(crate) async fn upload(
        &self,
        key: &Path,
        mut parts: mpsc::Receiver<Option<Bytes>>,
        stop: &mut Stop,
    ) -> Result<Option<Uploaded>, Error> {
        let mut pending: Option<Bytes> = None;
        let mut upload: Option<Multipart<'_>> = None;
        let mut bytes = 0;
        loop {
            // Before the next part is taken: none waits in here for its turn.
            if let Some(running) = &mut upload {
                running.make_room(stop).await?;
            }
            match parts.recv().await {
                Some(Some(part)) => {
                    bytes += part.len() as u64;
                    let Some(earlier) = pending.replace(part) else { continue };
                    let running = match &mut upload {
                        Some(running) => running,
                        None => upload.insert(stop.unless(Multipart::begin(self, key)).await?),
                    };
                    running.send(earlier, stop).await?;
                }
                Some(None) => break,
                None => {
                    if let Some(mut upload) = upload {
                        upload.take_back().await;
                    }
                    return Ok(None);
                }
            }
        }
        let last = pending.unwrap_or_default();
        match upload {
            None => {
                if stop.unless(self.create(key, last)).await? == Created::Existed {
                    return Err(self.damaged(key, "has been written by somebody else"));
                }
            }
            Some(mut upload) => {
                upload.send(last, stop).await?;
                upload.complete(bytes, stop).await?;
            }
        }
        stop.unless(self.confirm(key, bytes)).await?;
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

    async fn make_room(&mut self, stop: &mut Stop) -> Result<(), Error> {
        while self.parts.len() >= PARTS_UNDER_WAY {
            self.join_one(stop).await?;
        }
        Ok(())
    }

    async fn send(&mut self, part: Bytes, stop: &mut Stop) -> Result<(), Error> {
        self.make_room(stop).await?;
        release_common::fault::point("part");
        self.parts.spawn(self.upload.put_part(PutPayload::from_bytes(part)));
        Ok(())
    }

    /// Waits for one part. A store that answers nothing must not keep a run that is to stop.
    async fn join_one(&mut self, stop: &mut Stop) -> Result<(), Error> {
        let joined = tokio::select! {
            joined = self.parts.join_next() => joined,
            signal = stop.wait() => return Err(self.give_up(Error::Stopped(signal)).await),
        };
        let failure = match joined {
            None | Some(Ok(Ok(()))) => return Ok(()),
            Some(Ok(Err(error))) => error,
            Some(Err(source)) => object_store::Error::JoinError { source },
        };
        let failure = self.store.error(&format!("writing {}", self.key), failure);
        Err(self.give_up(failure).await)
    }

    /// An answer that was lost says nothing: the object itself tells whether the store has finished it.
    async fn complete(&mut self, bytes: u64, stop: &mut Stop) -> Result<(), Error> {
        while !self.parts.is_empty() {
            self.join_one(stop).await?;
        }
        let completed = tokio::select! {
            completed = self.upload.complete() => completed,
            signal = stop.wait() => return Err(self.give_up(Error::Stopped(signal)).await),
        };
        match completed {
            Ok(_) => Ok(()),
            Err(_) if self.store.size(&self.key).await.is_ok_and(|size| size == Some(bytes)) => Ok(()),
            Err(error) => {
                let failure = self.store.error(&format!("writing {}", self.key), error);
                Err(self.give_up(failure).await)
            }
        }
    }

    async fn give_up(&mut self, failure: Error) -> Error {
        self.take_back().await;
        failure
    }

    /// An object that the store has completed all the same stays, and nothing names it.
    async fn take_back(&mut self) {
        self.parts.shutdown().await;
        match tokio::time::timeout(ABORT_LIMIT, self.upload.abort()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.complain(&error.to_string()),
            Err(_) => self.complain("the store does not answer"),
        }
    }

    /// Parts that stay behind cost money and nobody sees them.
    fn complain(&self, reason: &str) {
        tracing::warn!("{}: the parts of {} could not be removed: {reason}", self.store.shown, self.key);
    }
}
