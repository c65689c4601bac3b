//! What is proven of backups: the evidence beside them, read and believed only as far as it goes.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use object_store::path::Path;

use crate::error::Error;
use crate::evidence::{Evidence, Level, Verdict};
use crate::layout::{BackupId, Series};
use crate::opened::Backup;
use crate::store::Store;

/// Documents read at one time.
const AT_ONCE: usize = 16;

/// The evidence about one backup.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proof {
    /// What can be believed and is about exactly this backup, oldest first.
    pub(crate) evidence: Vec<Evidence>,
    /// Keys of what cannot be believed, or is about another manifest.
    pub(crate) rejected: Vec<String>,
}

impl Proof {
    /// The newest evidence of a restore that proves it.
    pub(crate) fn restored(&self, backup: &Backup) -> Option<&Evidence> {
        let proves = |evidence: &&Evidence| evidence.proves(&backup.manifest.id, &backup.manifest_sha256);
        self.evidence.iter().rev().find(proves)
    }

    /// In one word: `restored`, `decoded`, `read`, `unproven` or `BAD`. The newest verdict counts, unless it could not
    /// tell.
    pub(crate) fn word(&self, backup: &Backup) -> &'static str {
        let told = self.evidence.iter().rev().find(|evidence| evidence.verdict != Verdict::Inconclusive);
        if told.is_some_and(|evidence| evidence.verdict == Verdict::Bad) {
            return "BAD";
        }
        if self.restored(backup).is_some() {
            return "restored";
        }
        match self
            .evidence
            .iter()
            .filter(|evidence| evidence.verdict == Verdict::Good)
            .map(|good| good.level)
            .max()
        {
            Some(Level::Restore | Level::Decode) => "decoded",
            Some(Level::Checksum) => "read",
            None => "unproven",
        }
    }
}

/// The evidence about one backup.
///
/// # Errors
/// When the store fails.
pub(crate) async fn of(store: &Store, series: &Series, backup: &Backup) -> Result<Proof, Error> {
    let folder = series.all_evidence().join(backup.manifest.id.as_str());
    let keys = store.list(&folder).await?.into_iter().map(|object| object.key).collect();
    read(store, keys, backup).await
}

/// The evidence about all these backups: one listing, and one reading for each document.
///
/// # Errors
/// When the store fails.
pub(crate) async fn of_all(
    store: &Store,
    series: &Series,
    backups: &[Backup],
) -> Result<BTreeMap<BackupId, Proof>, Error> {
    let mut keys: BTreeMap<String, Vec<Path>> = BTreeMap::new();
    for object in store.list(&series.all_evidence()).await? {
        let parts: Vec<_> = object.key.parts().map(|part| part.as_ref().to_owned()).collect();
        if let Some(id) = parts.len().checked_sub(2).and_then(|index| parts.get(index)) {
            keys.entry(id.clone()).or_default().push(object.key);
        }
    }
    let mut proofs = BTreeMap::new();
    for backup in backups {
        let own = keys.remove(backup.manifest.id.as_str()).unwrap_or_default();
        proofs.insert(backup.manifest.id.clone(), read(store, own, backup).await?);
    }
    Ok(proofs)
}

/// Keys sort by the time at which the verification ended.
async fn read(store: &Store, mut keys: Vec<Path>, backup: &Backup) -> Result<Proof, Error> {
    keys.sort();
    let one = |key: Path| async move {
        let bytes = store.read(&key).await?;
        Ok::<_, Error>((key, bytes))
    };
    let found: Vec<_> = stream::iter(keys).map(one).buffered(AT_ONCE).try_collect().await?;
    let mut proof = Proof::default();
    for (key, bytes) in found {
        // One that is deleted between listing and reading was never seen.
        let Some(bytes) = bytes else { continue };
        match Evidence::decode(&bytes) {
            Ok(evidence)
                if evidence.id == backup.manifest.id
                    && evidence.manifest_sha256 == backup.manifest_sha256 =>
            {
                proof.evidence.push(evidence);
            }
            _ => proof.rejected.push(key.to_string()),
        }
    }
    Ok(proof)
}
