//! What all evidence about a backup says together.
//!
//! The last word counts: a restore that was whole proves a backup until a later verification finds it damaged, and a
//! damaged one counts again only after a whole restore. Evidence that cannot be read, or that was made of other bytes,
//! says nothing.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use object_store::path::Path;

use crate::error::Error;
use crate::evidence::{Evidence, Verdict};
use crate::layout::{BackupId, Series};
use crate::retention::Proof;
use crate::store::Store;

/// Documents read at one time.
const AT_ONCE: usize = 16;

/// Where the evidence about each backup lies, oldest first.
pub(crate) type Places = BTreeMap<BackupId, Vec<Path>>;

/// The evidence about one backup.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Record {
    /// What can be read.
    pub(crate) readable: Vec<Evidence>,
    /// The names of what cannot: edited, damaged, or of another version.
    pub(crate) unreadable: Vec<String>,
}

impl Record {
    /// What is proven of the backup with this manifest.
    pub(crate) fn proof(&self, id: &BackupId, manifest_sha256: &str) -> Proof {
        let last_good = self.proving(id, manifest_sha256).map(|evidence| evidence.finished_at);
        let is_bad = |evidence: &&Evidence| {
            evidence.verdict == Verdict::Bad && evidence.id == *id && evidence.manifest_sha256 == manifest_sha256
        };
        let last_bad = self.readable.iter().filter(is_bad).map(|evidence| evidence.finished_at).max();
        match (last_good, last_bad) {
            (Some(good), Some(bad)) if bad >= good => Proof::Bad,
            (Some(_), _) => Proof::Verified,
            (None, Some(_)) => Proof::Bad,
            (None, None) => Proof::Unproven,
        }
    }

    /// The last evidence that proves the backup by itself.
    pub(crate) fn proving(&self, id: &BackupId, manifest_sha256: &str) -> Option<&Evidence> {
        let proving = self.readable.iter().filter(|evidence| evidence.proves(id, manifest_sha256));
        proving.max_by_key(|evidence| evidence.finished_at)
    }
}

/// Where all evidence of a series lies: one listing.
///
/// # Errors
/// When the store fails.
pub(crate) async fn places(store: &Store, series: &Series) -> Result<Places, Error> {
    let mut found = Places::new();
    for object in store.list(&series.all_evidence()).await? {
        let parts: Vec<_> = object.key.parts().collect();
        let Some([id, _]) = parts.last_chunk() else { continue };
        let Ok(id) = id.as_ref().parse() else { continue };
        found.entry(id).or_default().push(object.key);
    }
    Ok(found)
}

/// The evidence that lies in these places: one reading for each.
///
/// # Errors
/// When the store fails.
pub(crate) async fn read(store: &Store, places: &[Path]) -> Result<Record, Error> {
    let found = stream::iter(places).map(|place| async move { Ok((place, store.read(place).await?)) });
    let found: Vec<_> = found.buffered(AT_ONCE).try_collect::<Vec<_>>().await.map_err(|error: Error| error)?;
    let mut record = Record::default();
    for (place, bytes) in found {
        match bytes.map(|bytes| Evidence::decode(&bytes)) {
            None => {}
            Some(Ok(evidence)) => record.readable.push(evidence),
            Some(Err(_)) => record.unreadable.push(place.to_string()),
        }
    }
    Ok(record)
}

/// All evidence of a series.
///
/// # Errors
/// When the store fails.
pub(crate) async fn all(store: &Store, series: &Series) -> Result<BTreeMap<BackupId, Record>, Error> {
    let places = places(store, series).await?;
    let read = |(id, places): (BackupId, Vec<Path>)| async move {
        read(store, &places).await.map(|record| (id, record))
    };
    stream::iter(places).map(read).buffered(AT_ONCE).try_collect().await
}

#[cfg(test)]
mod tests {
    use super::Record;
    use crate::evidence::tests::sample;
    use crate::evidence::{Evidence, Level, Verdict};
    use crate::retention::Proof;

    /// Evidence of so many minutes after the first.
    fn evidence(minute: i64, level: Level, verdict: Verdict) -> Evidence {
        let mut evidence = sample();
        evidence.finished_at += jiff::SignedDuration::from_mins(minute);
        (evidence.level, evidence.verdict) = (level, verdict);
        evidence
    }

    fn check(readable: Vec<Evidence>, expected: Proof) {
        let (id, sha256) = (sample().id, sample().manifest_sha256);
        let record = Record { readable, unreadable: Vec::new() };
        assert_eq!(record.proof(&id, &sha256), expected, "{record:?}");
    }

    #[test]
    fn the_last_word_counts() {
        let good = |minute| evidence(minute, Level::Restore, Verdict::Good);
        let bad = |minute| evidence(minute, Level::Checksum, Verdict::Bad);
        check(vec![], Proof::Unproven);
        check(vec![good(0)], Proof::Verified);
        check(vec![good(0), bad(1)], Proof::Bad);
        check(vec![bad(0), good(1)], Proof::Verified);
        check(vec![good(1), bad(1)], Proof::Bad);
        check(vec![bad(0), evidence(1, Level::Checksum, Verdict::Good)], Proof::Bad);
        check(vec![good(0), evidence(1, Level::Restore, Verdict::Inconclusive)], Proof::Verified);
        check(vec![evidence(0, Level::Decode, Verdict::Good)], Proof::Unproven);
    }

    #[test]
    fn evidence_of_other_bytes_says_nothing() {
        let mut other = evidence(5, Level::Checksum, Verdict::Bad);
        other.manifest_sha256 = "00".repeat(32);
        check(vec![sample(), other.clone()], Proof::Verified);
        check(vec![other], Proof::Unproven);
    }
}
