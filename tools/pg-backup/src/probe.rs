//! Asks a store by trying, with a small object that is gone afterwards.

use jiff::Timestamp;
use object_store::path::Path;

use crate::document::hex;
use crate::error::Error;
use crate::layout;
use crate::store::{Created, Store};

/// Enough that no two probes meet.
const RANDOM_BYTES: usize = 8;

/// What is written first, and must not be overwritten.
const FIRST: &[u8] = b"first";

/// An object of no meaning in the store.
#[derive(Debug)]
pub(crate) struct Probe {
    key: Path,
}

impl Probe {
    /// Writes it.
    ///
    /// # Errors
    /// When the store fails or refuses.
    pub(crate) async fn write(store: &Store) -> Result<Probe, Error> {
        let mut random = [0; RANDOM_BYTES];
        getrandom::fill(&mut random).map_err(|error| Error::Source {
            reason: format!("the system gives no random bytes: {error}"),
        })?;
        let key = layout::root().join(format!("probe-{}.json", hex(&random)));
        store.create(&key, FIRST).await?;
        Ok(Probe { key })
    }

    /// Whether the store refuses to create what is there.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn is_kept(&self, store: &Store) -> Result<bool, Error> {
        let again = store.create(&self.key, &b"second"[..]).await?;
        let found = store.read(&self.key).await?;
        Ok(again == Created::Existed && found.is_some_and(|bytes| bytes == FIRST))
    }

    /// When it was written, by the store's clock.
    ///
    /// # Errors
    /// When the store fails or has lost it.
    pub(crate) async fn written_at(&self, store: &Store) -> Result<Timestamp, Error> {
        let time = store.modified_at(&self.key).await?;
        time.ok_or_else(|| store.damaged(&self.key, "is missing"))
    }

    /// Removes it.
    ///
    /// # Errors
    /// When the store fails or refuses.
    pub(crate) async fn remove(self, store: &Store) -> Result<(), Error> {
        store.delete(&self.key).await
    }
}

/// Whether what is written can be deleted: without that, an intent to delete could not be taken back.
///
/// # Errors
/// When it cannot, or the store fails.
pub(crate) async fn deletes(store: &Store) -> Result<(), Error> {
    Probe::write(store).await?.remove(store).await
}

#[cfg(test)]
mod tests {
    use super::Probe;
    use crate::store::Store;

    #[test]
    fn a_store_that_creates_what_was_there_is_found() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = Store::in_memory();
            let probe = Probe::write(&store).await.unwrap();
            assert!(probe.is_kept(&store).await.unwrap());
            // A store that overwrites answers as if nothing had been there.
            store.delete(&probe.key).await.unwrap();
            assert!(!probe.is_kept(&store).await.unwrap());
            probe.remove(&store).await.unwrap();
            assert!(store.is_empty().await.unwrap());
        });
    }
}
