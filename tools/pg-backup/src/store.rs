//! The bucket: S3, Google, Azure or a local folder behind one set of verbs.
//!
//! Objects are written once under names that are never used again; what must not be written twice is created with
//! `If-None-Match: *`. An answer of "not there" is only believed of a bucket that answers, and a listing is whole or an
//! error: what is missing from a list must never be taken for deleted.

mod failure;
mod location;
mod transfer;
mod version;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::TryStreamExt;
use jiff::Timestamp;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use serde::{Deserialize, Serialize};

pub use self::failure::{StoreError, Told};
pub use self::location::Location;
pub use self::transfer::{Download, PART_BYTES, Uploaded};
pub use self::version::{Version, Written};
use crate::document::FORMAT;
use crate::error::Error;
use crate::layout;

/// Rest before a request is sent again that the client library does not repeat by itself.
const AGAIN: Duration = Duration::from_millis(200);
/// Small documents are read whole; a larger one is none of ours.
const DOCUMENT_LIMIT: u64 = 64 << 20;

/// An open bucket, below the user's prefix.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<dyn ObjectStore>,
    prefix: Path,
    shown: String,
    /// How long requests are tried again.
    patience: Duration,
}

/// What says that a bucket holds backups of this program.
#[derive(Debug, Serialize, Deserialize)]
struct Marker {
    r#type: String,
    format: u32,
    created_at: Timestamp,
}

/// An object as a listing tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name below the prefix.
    pub key: Path,
    /// Its size.
    pub bytes: u64,
    /// When it was written, by the store's clock.
    pub modified_at: Timestamp,
}

/// Whether an object was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// It is there, with these bytes.
    New,
    /// Something had that name already and was left alone.
    Existed,
}

impl Store {
    /// Connects; nothing is asked yet. `patience` is how long requests are tried again.
    ///
    /// # Errors
    /// When the location or the environment cannot be meant.
    pub fn open(location: &Location, patience: Duration) -> Result<Store, Error> {
        let (inner, prefix) = location.connect(patience)?;
        Ok(Store { inner, prefix, shown: location.to_string(), patience })
    }

    /// A store that lasts as long as its value, for tests of what is done with one.
    #[cfg(test)]
    pub(crate) fn in_memory() -> Store {
        let inner = Arc::new(object_store::memory::InMemory::new());
        Store { inner, prefix: Path::default(), shown: "memory".to_owned(), patience: Duration::ZERO }
    }

    /// For messages: the address, never a key.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Makes sure that the bucket is ours before something is written to it: an empty one becomes ours.
    ///
    /// # Errors
    /// When it holds something else, or the store fails.
    pub async fn claim(&self, now: Timestamp) -> Result<(), Error> {
        if self.is_claimed().await? {
            return Ok(());
        }
        let stranger = self.inner.list(Some(&self.prefix)).try_next().await;
        if let Some(stranger) = stranger.map_err(|error| self.error("listing", error))? {
            // Another run of ours may have made it ours since: its marker comes before anything else.
            if self.is_claimed().await? {
                return Ok(());
            }
            let key = stranger.location.to_string();
            return Err(Error::ForeignBucket { store: self.shown.clone(), key });
        }
        let marker = Marker { r#type: "store".to_owned(), format: FORMAT, created_at: now };
        let bytes = serde_json::to_vec(&marker).map_err(Error::Json)?;
        self.create(&layout::marker(), bytes).await.map(drop)
    }

    /// Whether the bucket is ours. Absent is only what a bucket that answers says so.
    ///
    /// # Errors
    /// When the marker is of another format, or the store fails.
    pub async fn is_claimed(&self) -> Result<bool, Error> {
        let Some(bytes) = self.read(&layout::marker()).await? else { return Ok(false) };
        match serde_json::from_slice::<Marker>(&bytes) {
            Ok(Marker { format: FORMAT, .. }) => Ok(true),
            Ok(Marker { format, .. }) => {
                Err(Error::StoreFormat { store: self.shown.clone(), format, supported: FORMAT })
            }
            Err(source) => Err(Error::Marker { store: self.shown.clone(), source }),
        }
    }

    /// Writes an object that must not exist yet. A request whose answer is lost is sent again, since it can be carried
    /// out only once; what it then meets may be its own work.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn create(&self, key: &Path, bytes: impl Into<Bytes>) -> Result<Created, Error> {
        let (bytes, begun) = (bytes.into(), Instant::now());
        loop {
            let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
            let payload = PutPayload::from_bytes(bytes.clone());
            let error = match self.inner.put_opts(&self.absolute(key), payload, options).await {
                Ok(_) => return Ok(Created::New),
                Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                    let is_own = self.read(key).await?.is_some_and(|found| found == bytes);
                    return Ok(if is_own { Created::New } else { Created::Existed });
                }
                Err(error) => self.error(&format!("writing {key}"), error),
            };
            if !error.is_out_of_reach() {
                return Err(error);
            }
            if begun.elapsed() >= self.patience {
                // One last look: a backup that exists must not be told as failed.
                let is_there =
                    self.read(key).await.is_ok_and(|found| found.is_some_and(|found| found == bytes));
                return if is_there { Ok(Created::New) } else { Err(error) };
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Writes an object whatever was there.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn replace(&self, key: &Path, bytes: impl Into<Bytes>) -> Result<(), Error> {
        let written = self.inner.put(&self.absolute(key), PutPayload::from_bytes(bytes.into())).await;
        written.map(drop).map_err(|error| self.error(&format!("writing {key}"), error))
    }

    /// A small document; none when a bucket that answers says that it is not there.
    ///
    /// # Errors
    /// When the store fails, or the object is far too large.
    pub async fn read(&self, key: &Path) -> Result<Option<Bytes>, Error> {
        let doing = || format!("reading {key}");
        match self.inner.get(&self.absolute(key)).await {
            Ok(found) if found.meta.size > DOCUMENT_LIMIT => Err(Error::TooLarge { key: key.to_string() }),
            Ok(found) => found.bytes().await.map(Some).map_err(|error| self.error(&doing(), error)),
            Err(error) if failure::is_absent(&error) => Ok(None),
            Err(error) => Err(self.error(&doing(), error)),
        }
    }

    /// The size of an object; none when it is not there. No store tells by this request whether the bucket is there.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn size(&self, key: &Path) -> Result<Option<u64>, Error> {
        match self.inner.head(&self.absolute(key)).await {
            Ok(found) => Ok(Some(found.size)),
            Err(error) if failure::is_absent(&error) => Ok(None),
            Err(error) => Err(self.error(&format!("looking at {key}"), error)),
        }
    }

    /// When an object was written, by the store's clock; none when it is not there.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn modified_at(&self, key: &Path) -> Result<Option<Timestamp>, Error> {
        match self.inner.head(&self.absolute(key)).await {
            Ok(found) => Ok(self.listed(found).map(|listed| listed.modified_at)),
            Err(error) if failure::is_absent(&error) => Ok(None),
            Err(error) => Err(self.error(&format!("looking at {key}"), error)),
        }
    }

    /// Whether there is nothing at all, ours or not.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn is_empty(&self) -> Result<bool, Error> {
        let first = self.inner.list(Some(&self.prefix)).try_next().await;
        first.map(|first| first.is_none()).map_err(|error| self.error("listing", error))
    }

    /// Everything below a folder, in the order of the names; whole or an error.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self, folder: &Path) -> Result<Vec<Listed>, Error> {
        let found: Result<Vec<_>, _> = self.inner.list(Some(&self.absolute(folder))).try_collect().await;
        let found = found.map_err(|error| self.error(&format!("listing {folder}"), error))?;
        let mut listed: Vec<_> = found.into_iter().filter_map(|meta| self.listed(meta)).collect();
        listed.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(listed)
    }

    /// The names of the folders right below one, sorted.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn folders(&self, folder: &Path) -> Result<Vec<String>, Error> {
        let found = self.inner.list_with_delimiter(Some(&self.absolute(folder))).await;
        let found = found.map_err(|error| self.error(&format!("listing {folder}"), error))?;
        let names = found.common_prefixes.iter().filter_map(|prefix| prefix.filename());
        let mut names: Vec<_> = names.map(str::to_owned).collect();
        names.sort();
        Ok(names)
    }

    /// Removes an object; one that is not there is as good as removed.
    ///
    /// # Errors
    /// When the store fails or refuses.
    pub async fn delete(&self, key: &Path) -> Result<(), Error> {
        match self.inner.delete(&self.absolute(key)).await {
            Ok(()) => Ok(()),
            Err(error) if failure::is_absent(&error) => Ok(()),
            Err(error) => Err(self.error(&format!("deleting {key}"), error)),
        }
    }

    /// The name as the store knows it.
    fn absolute(&self, key: &Path) -> Path {
        self.prefix.parts().chain(key.parts()).collect()
    }

    fn listed(&self, meta: object_store::ObjectMeta) -> Option<Listed> {
        let key: Path = meta.location.prefix_match(&self.prefix)?.collect();
        let modified_at = Timestamp::from_millisecond(meta.last_modified.timestamp_millis()).ok()?;
        Some(Listed { key, bytes: meta.size, modified_at })
    }

    fn error(&self, doing: &str, error: object_store::Error) -> Error {
        Error::Store {
            store: self.shown.clone(),
            doing: doing.to_owned(),
            source: StoreError::understand(error),
        }
    }
}
