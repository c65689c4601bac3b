//! What is proven of backups: the evidence beside them, read and believed only as far as it goes.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use object_store::path::Path;

use crate::error::Error;
use crate::evidence::{Evidence, Level, Verdict};
use crate::layout::{BackupId, Series};
use crate::manifest::Kind;
use crate::opened::Backup;
use crate::retention::Standing;
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

    /// Whether it counts. The last word decides: a whole restore does until a later verification finds damage, at
    /// whatever level; then only another whole restore makes it count again. A base backup, which `verify` reads to its
    /// end and does not restore, counts as far as retention goes once it was read so.
    pub(crate) fn standing(&self, backup: &Backup) -> Standing {
        let is_base = backup.manifest.kind == Kind::Base;
        let was_read =
            |evidence: &&Evidence| evidence.verdict == Verdict::Good && evidence.level >= Level::Decode;
        let read = self.evidence.iter().rev().find(was_read).filter(|_| is_base);
        let good = self.restored(backup).or(read).map(|evidence| evidence.finished_at);
        let is_bad = |evidence: &&Evidence| evidence.verdict == Verdict::Bad;
        let bad = self.evidence.iter().filter(is_bad).map(|evidence| evidence.finished_at).max();
        match (good, bad) {
            (Some(good), Some(bad)) if bad >= good => Standing::Bad,
            (Some(_), _) => Standing::Verified,
            (None, Some(_)) => Standing::Bad,
            (None, None) => Standing::Unproven,
        }
    }

    /// In one word: `restored`, `decoded`, `read`, `unproven` or `BAD`.
    pub(crate) fn word(&self, backup: &Backup) -> &'static str {
        if self.standing(backup) == Standing::Bad {
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
    let keys = places(store, series).await?;
    let one = |backup: &Backup| {
        let (id, own) =
            (backup.manifest.id.clone(), keys.get(&backup.manifest.id).cloned().unwrap_or_default());
        let backup = backup.clone();
        async move { Ok::<_, Error>((id, read(store, own, &backup).await?)) }
    };
    stream::iter(backups).map(one).buffered(AT_ONCE).try_collect().await
}

/// Where the evidence about each backup lies: one listing.
///
/// # Errors
/// When the store fails.
pub(crate) async fn places(store: &Store, series: &Series) -> Result<BTreeMap<BackupId, Vec<Path>>, Error> {
    let mut found: BTreeMap<BackupId, Vec<Path>> = BTreeMap::new();
    for object in store.list(&series.all_evidence()).await? {
        let parts: Vec<_> = object.key.parts().collect();
        let Some([id, _]) = parts.last_chunk() else { continue };
        let Ok(id) = id.as_ref().parse() else { continue };
        found.entry(id).or_default().push(object.key);
    }
    Ok(found)
}

/// The evidence in these places, which sort by the time at which the verification ended.
///
/// # Errors
/// When the store fails.
pub(crate) async fn read(store: &Store, mut keys: Vec<Path>, backup: &Backup) -> Result<Proof, Error> {
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

#[cfg(test)]
mod tests {
    use super::Proof;
    use crate::evidence::tests::sample;
    use crate::evidence::{Evidence, Level, Verdict};
    use crate::opened::Backup;
    use crate::retention::Standing;

    /// Evidence of so many minutes after the first.
    fn evidence(minute: i64, level: Level, verdict: Verdict) -> Evidence {
        let mut evidence = sample();
        evidence.finished_at += jiff::SignedDuration::from_mins(minute);
        (evidence.level, evidence.verdict) = (level, verdict);
        evidence
    }

    fn check(evidence: Vec<Evidence>, expected: Standing) {
        let manifest = crate::manifest::tests::sample();
        let manifest_sha256 = manifest.encode().unwrap().1;
        let proof = Proof { evidence, rejected: Vec::new() };
        assert_eq!(proof.standing(&Backup { manifest, manifest_sha256 }), expected, "{proof:?}");
    }

    #[test]
    fn the_last_word_counts() {
        let good = |minute| evidence(minute, Level::Restore, Verdict::Good);
        let bad = |minute| evidence(minute, Level::Checksum, Verdict::Bad);
        check(vec![], Standing::Unproven);
        check(vec![good(0)], Standing::Verified);
        check(vec![good(0), bad(1)], Standing::Bad);
        check(vec![bad(0), good(1)], Standing::Verified);
        check(vec![good(1), bad(1)], Standing::Bad);
        check(vec![bad(0), evidence(1, Level::Checksum, Verdict::Good)], Standing::Bad);
        check(vec![good(0), evidence(1, Level::Restore, Verdict::Inconclusive)], Standing::Verified);
        check(vec![evidence(0, Level::Decode, Verdict::Good)], Standing::Unproven);
    }
}
