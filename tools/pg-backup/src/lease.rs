//! Leases: who works on what, so that no other does the same at the same time.
//!
//! A lease is a document that only one can make, since it is created with `If-None-Match: *`. It ends by itself when its
//! holder stops renewing it. One that has ended is taken over by a write that only succeeds while the document is the one
//! that was read; a folder knows no such write, so there it is removed and made anew, and whoever makes it has it.
//!
//! Leases keep honest runs apart. What must never be written twice is safe without them: names are never used again, and
//! manifests are only created.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::document::{self, DocumentError, FORMAT, hex};
use crate::draw;
use crate::error::Error;
use crate::layout::{self, BackupId, Name};
use crate::store::{Created, Store, Version, Written};

/// What the document of a lease says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeaseDocument {
    /// [`FORMAT`].
    pub(crate) format: u32,
    /// What the lease is for, which is its name in the bucket.
    pub(crate) name: String,
    /// Who has it.
    pub(crate) holder: Holder,
    /// Since when.
    pub(crate) started_at: Timestamp,
    /// When it was renewed last.
    pub(crate) renewed_at: Timestamp,
    /// When it ends by itself.
    pub(crate) expires_at: Timestamp,
}

/// Who has a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Holder {
    /// The machine.
    pub(crate) host: String,
    /// The process.
    pub(crate) pid: u32,
    /// A random number.
    pub(crate) token: String,
}

/// A lease that is ours. It is not given back when it is dropped, since that takes a request: it ends by itself then.
#[derive(Debug)]
pub(crate) struct Lease {
    key: Path,
    document: LeaseDocument,
    version: Version,
}

impl LeaseDocument {
    /// Whether its holder may still be at work.
    pub(crate) fn is_live(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }

    fn busy(&self) -> Error {
        let Holder { host, pid, .. } = &self.holder;
        let (name, started, expires) = (&self.name, self.started_at, self.expires_at);
        Error::Busy {
            what: format!(
                "another run has {name} since {started:.0}: process {pid} on {host}; it ends by itself at {expires:.0}"
            ),
        }
    }
}

/// Takes the lease `name` for `ttl`, if nobody has it.
///
/// # Errors
/// [`Error::Busy`] when somebody has it; and when the store fails.
pub(crate) async fn acquire(
    store: &Store,
    cluster: &Name,
    name: &str,
    now: Timestamp,
    ttl: Duration,
) -> Result<Lease, Error> {
    let key = layout::lease(cluster, name);
    let document = LeaseDocument {
        format: FORMAT,
        name: name.to_owned(),
        holder: holder()?,
        started_at: now,
        renewed_at: now,
        expires_at: end(now, ttl),
    };
    let bytes = encoded(&document)?;
    if store.create(&key, bytes.clone()).await? == Created::New {
        return taken(store, key, document).await;
    }
    match store.read_version(&key).await? {
        // Its holder was done just now.
        None => {}
        Some((found, version)) => match document::decode::<LeaseDocument>(&found) {
            Ok((other, _)) if other.is_live(now) => return Err(other.busy()),
            Err(DocumentError::Format { found }) => {
                let what = format!("another version of pg-backup has {name}: its lease has format {found}");
                return Err(Error::Busy { what });
            }
            // One that cannot be read tells no end, and must not hold everybody off for ever.
            Ok(_) | Err(_) => match store.update(&key, bytes.clone(), &version).await? {
                Written::Done(version) => return Ok(Lease { key, document, version }),
                Written::Changed => return Err(busy_now(store, &key, name).await?),
                Written::Unsupported => store.delete(&key).await?,
            },
        },
    }
    match store.create(&key, bytes).await? {
        Created::New => taken(store, key, document).await,
        Created::Existed => Err(busy_now(store, &key, name).await?),
    }
}

/// A lease as it lies in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its name.
    pub(crate) name: String,
    /// What it says; none when it cannot be read.
    pub(crate) document: Option<LeaseDocument>,
}

impl Found {
    /// Whether its holder may still be at work, as far as anybody can know.
    pub(crate) fn may_be_live(&self, now: Timestamp) -> bool {
        self.document.as_ref().is_none_or(|document| document.is_live(now))
    }

    /// The backup that it is for: the name ends with its id.
    pub(crate) fn backup(&self) -> Option<BackupId> {
        let (_, id) = self.name.split_once('-')?;
        id.parse().ok()
    }
}

/// The leases of a cluster, whether they are live or not.
///
/// # Errors
/// When the store fails.
pub(crate) async fn all(store: &Store, cluster: &Name) -> Result<Vec<Found>, Error> {
    let mut found = Vec::new();
    for object in store.list(&layout::leases(cluster)).await? {
        let Some(name) = object.key.filename().and_then(|file| file.strip_suffix(".json")) else { continue };
        // One that is given back just now is none.
        let Some(bytes) = store.read(&object.key).await? else { continue };
        let document = document::decode::<LeaseDocument>(&bytes).ok().map(|(document, _)| document);
        found.push(Found { name: name.to_owned(), document });
    }
    Ok(found)
}

impl Lease {
    /// Holds it for `ttl` from now on.
    ///
    /// # Errors
    /// [`Error::Busy`] when it had ended and somebody else has taken it; and when the store fails.
    pub(crate) async fn renew(&mut self, store: &Store, now: Timestamp, ttl: Duration) -> Result<(), Error> {
        let renewed = LeaseDocument { renewed_at: now, expires_at: end(now, ttl), ..self.document.clone() };
        let bytes = encoded(&renewed)?;
        match store.update(&self.key, bytes.clone(), &self.version).await? {
            Written::Done(version) => self.version = version,
            // An answer that was lost is no loss: the document itself tells whose it is.
            Written::Changed => self.version = self.own_version(store).await?,
            Written::Unsupported => {
                self.own_version(store).await?;
                store.replace(&self.key, bytes).await?;
            }
        }
        self.document = renewed;
        Ok(())
    }

    /// Gives it back, if it is still ours.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn release(self, store: &Store) -> Result<(), Error> {
        match self.own_version(store).await {
            Ok(_) => store.delete(&self.key).await,
            Err(Error::Busy { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The version of the document in the store, if it is ours.
    async fn own_version(&self, store: &Store) -> Result<Version, Error> {
        let lost = |what: String| Error::Busy { what };
        let Some((bytes, version)) = store.read_version(&self.key).await? else {
            return Err(lost(format!("the lease {} was removed while this run had it", self.document.name)));
        };
        match document::decode::<LeaseDocument>(&bytes) {
            Ok((found, _)) if found.holder == self.document.holder => Ok(version),
            Ok((other, _)) => Err(other.busy()),
            Err(_) => {
                Err(lost(format!("the lease {} was overwritten while this run had it", self.document.name)))
            }
        }
    }
}

async fn taken(store: &Store, key: Path, document: LeaseDocument) -> Result<Lease, Error> {
    let lease = Lease { key, document, version: Version::default() };
    let version = lease.own_version(store).await?;
    Ok(Lease { version, ..lease })
}

/// Somebody was faster: who.
async fn busy_now(store: &Store, key: &Path, name: &str) -> Result<Error, Error> {
    let found = store.read(key).await?;
    let other = found.and_then(|bytes| document::decode::<LeaseDocument>(&bytes).ok());
    Ok(match other {
        Some((other, _)) => other.busy(),
        None => Error::Busy { what: format!("another run has taken {name} just now") },
    })
}

fn holder() -> Result<Holder, Error> {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Ok(Holder { host, pid: std::process::id(), token: hex(&draw::bytes()?) })
}

fn end(now: Timestamp, ttl: Duration) -> Timestamp {
    let ttl = SignedDuration::try_from(ttl).unwrap_or(SignedDuration::MAX);
    now.saturating_add(ttl).unwrap_or(Timestamp::MAX)
}

fn encoded(document: &LeaseDocument) -> Result<Vec<u8>, Error> {
    document::encode(document).map(|(bytes, _)| bytes).map_err(Error::Json)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::{acquire, all};
    use crate::error::Error;
    use crate::layout::{self, Name};
    use crate::store::{Location, Store};

    const TTL: Duration = Duration::from_secs(60);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    fn cluster() -> Name {
        "erp".parse().unwrap()
    }

    /// Runs what is done with a store in memory, which can write what is unchanged only, and in a folder, which cannot.
    fn check<F: Future<Output = ()>>(test: impl Fn(Store) -> F) {
        let folder = tempfile::tempdir().unwrap();
        let in_folder =
            Store::open(&Location::Folder(folder.path().to_owned()), Duration::from_secs(1)).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(test(Store::in_memory()));
        runtime.block_on(test(in_folder));
    }

    #[test]
    fn only_one_has_it_until_it_is_given_back() {
        check(|store| async move {
            let lease = acquire(&store, &cluster(), "create", at(0), TTL).await.unwrap();
            let second = acquire(&store, &cluster(), "create", at(59), TTL).await;
            assert!(matches!(second, Err(Error::Busy { .. })), "{second:?}");
            acquire(&store, &cluster(), "other", at(1), TTL).await.unwrap();
            lease.release(&store).await.unwrap();
            acquire(&store, &cluster(), "create", at(2), TTL).await.unwrap();
        });
    }

    #[test]
    fn one_that_has_ended_is_taken_over_and_its_holder_learns_it() {
        check(|store| async move {
            let mut first = acquire(&store, &cluster(), "create", at(0), TTL).await.unwrap();
            let second = acquire(&store, &cluster(), "create", at(60), TTL).await.unwrap();
            let renewed = first.renew(&store, at(61), TTL).await;
            assert!(matches!(renewed, Err(Error::Busy { .. })), "{renewed:?}");
            first.release(&store).await.unwrap();
            let found = all(&store, &cluster()).await.unwrap();
            assert_eq!(found[0].document, Some(second.document), "what is another's is not given back");
        });
    }

    #[test]
    fn renewing_moves_its_end() {
        check(|store| async move {
            let mut lease = acquire(&store, &cluster(), "create", at(0), TTL).await.unwrap();
            lease.renew(&store, at(50), TTL).await.unwrap();
            lease.renew(&store, at(100), TTL).await.unwrap();
            let second = acquire(&store, &cluster(), "create", at(159), TTL).await;
            assert!(matches!(second, Err(Error::Busy { .. })), "{second:?}");
            acquire(&store, &cluster(), "create", at(160), TTL).await.unwrap();
        });
    }

    #[test]
    fn one_that_cannot_be_read_is_replaced_and_counted() {
        check(|store| async move {
            let key = layout::lease(&cluster(), "create");
            store.replace(&key, &b"rubbish"[..]).await.unwrap();
            assert!(all(&store, &cluster()).await.unwrap()[0].may_be_live(at(0)));
            acquire(&store, &cluster(), "create", at(0), TTL).await.unwrap();
            assert!(!all(&store, &cluster()).await.unwrap()[0].may_be_live(at(60)));
        });
    }
}
