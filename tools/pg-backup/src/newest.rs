//! The newest backup that counts, found without reading all of them.
//!
//! Ids sort by the time at which a backup was begun, and its snapshot is taken soon after. So the walk goes from the
//! newest id to older ones, and ends where no older one can hold a later moment.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::error::Error;
use crate::evidence::Evidence;
use crate::layout::{BackupId, Series};
use crate::opened::{self, Backup};
use crate::proof;
use crate::retention::Standing;
use crate::store::Store;

/// From the moment in an id to its snapshot, and between two clocks, never passes more. `create` connects and waits for
/// nothing in between.
const SLACK: SignedDuration = SignedDuration::from_mins(10);
/// A snapshot that lies further ahead was made by a clock that cannot be compared with ours.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// What the walk has found.
#[derive(Debug, Default)]
pub(crate) struct Newest {
    /// The backup with the latest snapshot among those that count, and the evidence for it.
    pub(crate) proven: Option<(Backup, Evidence)>,
    /// Evidence of restores of older backups, newest first, not looked at any further.
    pub(crate) earlier: Vec<Evidence>,
    /// The newest backup, whatever is proven of it, by its id.
    pub(crate) any: Option<BackupId>,
    /// Backups that are there.
    pub(crate) count: usize,
    /// Backups newer than the proven one that were found damaged.
    pub(crate) bad: Vec<BackupId>,
    /// What should be known besides.
    pub(crate) warnings: Vec<String>,
}

/// Looks for it. `earlier` is how many older restores are wanted beside it.
///
/// # Errors
/// When the store fails, or the clocks of the backups and this machine differ too much.
pub(crate) async fn newest(
    store: &Store,
    series: &Series,
    now: Timestamp,
    earlier: usize,
) -> Result<Newest, Error> {
    let buried = buried(store, series).await?;
    let places = proof::places(store, series).await?;
    let mut found = Newest::default();
    let there = store.folders(&series.backups()).await?;
    let there = there.iter().filter_map(|name| name.parse().ok()).filter(|id| !buried.contains(id));
    let there: BTreeSet<BackupId> = there.collect();
    (found.any, found.count) = (there.last().cloned(), there.len());
    if let Some(id) = &found.any
        && let Some(begun) = id.time()
    {
        check_clock(id, begun, now)?;
    }
    for (id, keys) in places.iter().rev().filter(|(id, _)| there.contains(id)) {
        if let Some((best, _)) = &found.proven {
            let can_win = id.time().is_none_or(|begun| begun + SLACK >= best.manifest.snapshot_at);
            if !can_win {
                if found.earlier.len() >= earlier {
                    break;
                }
                found.earlier.extend(restored(store, keys).await?);
                continue;
            }
        }
        look(store, series, id, keys, now, &mut found).await?;
    }
    Ok(found)
}

/// Looks at one backup that may be the one.
async fn look(
    store: &Store,
    series: &Series,
    id: &BackupId,
    keys: &[object_store::path::Path],
    now: Timestamp,
    found: &mut Newest,
) -> Result<(), Error> {
    let backup = match opened::committed(store, series, id).await {
        Ok(Some(backup)) => backup,
        Ok(None) => return Ok(()),
        Err(error @ Error::Manifest { .. }) => {
            found.warnings.push(format!("{}; it counts for nothing", crate::answer::with_causes(&error)));
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    check_clock(id, backup.manifest.snapshot_at, now)?;
    let proof = proof::read(store, keys.to_vec(), &backup).await?;
    let rejected = proof.rejected.iter();
    found.warnings.extend(rejected.map(|key| format!("{key}: cannot be believed, and proves nothing")));
    match (proof.standing(&backup), proof.restored(&backup).cloned()) {
        (Standing::Verified, Some(evidence)) => {
            let is_later = found.proven.as_ref().is_none_or(|(best, _)| {
                (best.manifest.snapshot_at, &best.manifest.id) < (backup.manifest.snapshot_at, id)
            });
            if is_later {
                let before = found.proven.replace((backup, evidence));
                found.earlier.extend(before.map(|(_, evidence)| evidence));
            } else {
                found.earlier.push(evidence);
            }
        }
        (Standing::Bad, _) => found.bad.push(id.clone()),
        (Standing::Verified | Standing::Unproven, _) => {}
    }
    Ok(())
}

/// The last evidence among these that a backup was restored, if it is whole by itself.
pub(crate) async fn restored(
    store: &Store,
    keys: &[object_store::path::Path],
) -> Result<Option<Evidence>, Error> {
    for key in keys.iter().rev() {
        let Some(bytes) = store.read(key).await? else { continue };
        if let Ok(evidence) = Evidence::decode(&bytes)
            && evidence.proves(&evidence.id, &evidence.manifest_sha256)
        {
            return Ok(Some(evidence));
        }
    }
    Ok(None)
}

/// The backups that are marked to be deleted.
pub(crate) async fn buried(store: &Store, series: &Series) -> Result<BTreeSet<BackupId>, Error> {
    let listed = store.list(&series.tombstones()).await?;
    let names = listed.iter().filter_map(|object| object.key.filename()?.strip_suffix(".json"));
    Ok(names.filter_map(|name| name.parse().ok()).collect())
}

/// Refuses a moment that has not come.
///
/// # Errors
/// When it lies further ahead than clocks may differ.
pub(crate) fn check_clock(id: &BackupId, at: Timestamp, now: Timestamp) -> Result<(), Error> {
    if at <= now + SKEW {
        return Ok(());
    }
    Err(Error::Refused {
        what: format!("{id} was made at {at:.0}, and here it is {now:.0}"),
        reason: "clock_skew",
        hint: "set the clocks of this machine and of the database server right".to_owned(),
    })
}
