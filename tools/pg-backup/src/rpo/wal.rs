//! What WAL adds to the answer: a base backup that was verified, and every segment after it without a gap.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::error::Error;
use crate::layout::{BackupId, Name, Series};
use crate::newest::check_clock;
use crate::store::Store;
use crate::{opened, proof, wal_archive};

/// How far base backups and WAL bring a cluster.
#[derive(Debug)]
pub(super) struct WalPart {
    /// Everything that was committed until then comes back.
    pub(super) until: Timestamp,
    base: BackupId,
    /// What is proven of the base backup, in one word.
    proof: &'static str,
}

impl WalPart {
    /// Whether its base backup was verified: WAL on a base that cannot be read restores nothing.
    pub(super) fn counts(&self) -> bool {
        matches!(self.proof, "restored" | "decoded")
    }

    pub(super) fn summary(&self) -> Value {
        json!({"until": self.until, "base": self.base, "base_proof": self.proof, "counts": self.counts()})
    }

    pub(super) fn text(&self) -> String {
        let (until, base, proof) = (self.until, &self.base, self.proof);
        let counts =
            if self.counts() { "" } else { ", which counts for nothing: run `pg-backup verify --base`" };
        format!("WAL without a gap until {until:.0}, from base backup {base} ({proof}{counts})")
    }
}

/// The furthest of the base backups that count, else the furthest of all; none without any.
///
/// # Errors
/// When the store fails, or the clocks differ too much.
pub(super) async fn part(store: &Store, cluster: &Name, now: Timestamp) -> Result<Option<WalPart>, Error> {
    let series = Series::Bases { cluster: cluster.clone() };
    let bases = opened::backups(store, &series).await?;
    // After an upgrade WAL of several systems is there: that of the newest base backup is the one that goes on.
    let Some(newest) = bases.good.last() else { return Ok(None) };
    let system_id = newest.manifest.cluster.system_id.clone();
    let state = wal_archive::wal_state(store, cluster, Some(&system_id)).await?;
    let proofs = proof::of_all(store, &series, &bases.good).await?;
    let words: BTreeMap<_, _> = bases
        .good
        .iter()
        .map(|base| {
            (&base.manifest.id, proofs.get(&base.manifest.id).map_or("unproven", |proof| proof.word(base)))
        })
        .collect();
    let mut parts = Vec::new();
    for window in &state.windows {
        let Some(until) = window.until else { continue };
        check_clock(&window.base.id, until, now)?;
        let proof = words.get(&window.base.id).copied().unwrap_or("unproven");
        parts.push(WalPart { until, base: window.base.id.clone(), proof });
    }
    Ok(parts.into_iter().max_by_key(|part| (part.counts(), part.until)))
}
