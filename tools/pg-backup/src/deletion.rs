//! How a backup is deleted: the intent first, then the manifest, then its objects, and the intent last.
//!
//! Whoever reads takes a backup with an intent for gone. So a deletion may be cut short anywhere: before the manifest is
//! gone it can still be taken back, and from there on only what nobody sees is left, which `gc` and the same `retain
//! apply` remove.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::document::{self, FORMAT};
use crate::error::Error;
use crate::holds;
use crate::layout::{BackupId, Series};
use crate::store::{Store, StoreError};

/// The intent to delete a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tombstone {
    /// [`FORMAT`].
    pub(crate) format: u32,
    /// Which backup.
    pub(crate) id: BackupId,
    /// The SHA-256 of its manifest.
    pub(crate) manifest_sha256: Option<String>,
    /// When it was decided.
    pub(crate) decided_at: Timestamp,
    /// The plan that decided it.
    pub(crate) plan_sha256: Option<String>,
}

/// How a deletion went.
#[derive(Debug)]
pub(crate) enum Deleted {
    /// Everything is gone.
    Whole {
        /// Objects that were removed.
        objects: usize,
        /// Their bytes.
        bytes: u64,
    },
    /// It was held in the meantime, and stays as it was.
    Held(Vec<String>),
    /// The store does not let it go; nothing is gone.
    Denied(Error),
    /// The store does not let some of it go; the backup no longer exists, and these objects are left.
    Partly {
        /// How many objects are left.
        left: usize,
        /// Why.
        error: Error,
    },
}

/// Deletes a backup unless it is held.
///
/// # Errors
/// When the store fails otherwise than by refusing; the same call goes on.
pub(crate) async fn delete(
    store: &Store,
    series: &Series,
    tombstone: &Tombstone,
    now: Timestamp,
) -> Result<Deleted, Error> {
    let id = &tombstone.id;
    let held = holds::holds_of(store, series, id).await?.active(id, now);
    if !held.is_empty() {
        return Ok(Deleted::Held(held));
    }
    release_common::fault::point("delete-begin");
    let (bytes, _) = document::encode(tombstone).map_err(Error::Json)?;
    // One that is there already is the same intent.
    store.create(&series.tombstone(id), bytes).await?;
    release_common::fault::point("delete-intended");
    finish(store, series, id, now).await
}

/// Goes on with a deletion whose intent is written.
///
/// # Errors
/// As [`delete`].
pub(crate) async fn finish(
    store: &Store,
    series: &Series,
    id: &BackupId,
    now: Timestamp,
) -> Result<Deleted, Error> {
    if store.size(&series.manifest(id)).await?.is_some() {
        // A hold that was placed while the intent was written wins, as long as there is something to hold.
        let held = holds::holds_of(store, series, id).await?.active(id, now);
        if !held.is_empty() {
            store.delete(&series.tombstone(id)).await?;
            return Ok(Deleted::Held(held));
        }
        match store.delete(&series.manifest(id)).await {
            Ok(()) => {}
            Err(error) if is_denied(&error) => {
                store.delete(&series.tombstone(id)).await?;
                return Ok(Deleted::Denied(error));
            }
            Err(error) => return Err(error),
        }
    }
    release_common::fault::point("delete-manifest");
    remove_rest(store, series, id).await
}

/// The objects, then what is known about the backup, then the intent.
async fn remove_rest(store: &Store, series: &Series, id: &BackupId) -> Result<Deleted, Error> {
    let mut listed = store.list(&series.backup(id)).await?;
    listed.extend(store.list(&series.all_evidence().join(id.as_str())).await?);
    listed.extend(store.list(&series.holds().join(id.as_str())).await?);
    let (mut objects, mut bytes, mut left) = (1, 0, 0);
    let mut denied = None;
    for object in listed {
        match store.delete(&object.key).await {
            Ok(()) => {
                objects += 1;
                bytes += object.bytes;
            }
            Err(error) if is_denied(&error) => {
                left += 1;
                denied = Some(error);
            }
            Err(error) => return Err(error),
        }
        release_common::fault::point("delete-object");
    }
    if let Some(error) = denied {
        return Ok(Deleted::Partly { left, error });
    }
    release_common::fault::point("delete-objects");
    store.delete(&series.tombstone(id)).await?;
    release_common::fault::point("delete-done");
    Ok(Deleted::Whole { objects, bytes })
}

/// Whether the store is there and says no, as it does for an object that is locked.
pub(crate) fn is_denied(error: &Error) -> bool {
    matches!(error, Error::Store { source: StoreError::Denied(_) | StoreError::Refused(_), .. })
}

/// The intent of now.
pub(crate) fn intent(
    id: &BackupId,
    manifest_sha256: Option<String>,
    now: Timestamp,
    plan_sha256: Option<String>,
) -> Tombstone {
    Tombstone { format: FORMAT, id: id.clone(), manifest_sha256, decided_at: now, plan_sha256 }
}
