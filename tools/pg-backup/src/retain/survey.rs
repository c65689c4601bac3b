//! What a series holds, as decisions need it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::holds::Hold;
use crate::layout::{BackupId, Name, Series};
use crate::manifest::{Kind, Manifest};
use crate::retention::{Facts, Standing, Trouble};
use crate::store::Store;
use crate::{holds, opened, proof};

/// One backup with all that a decision about it rests on, and nothing that depends on the time of day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    pub(crate) id: BackupId,
    /// None when the manifest cannot be read.
    pub(crate) manifest_sha256: Option<String>,
    pub(crate) snapshot_at: Option<Timestamp>,
    pub(crate) kind: Option<Kind>,
    pub(crate) release: Option<Name>,
    /// From which moment on a base backup can be restored.
    pub(crate) restorable_from: Option<Timestamp>,
    pub(crate) is_stranger: bool,
    pub(crate) stored_bytes: u64,
    pub(crate) standing: Standing,
    pub(crate) holds: Vec<HoldState>,
}

/// A hold, as a decision needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HoldState {
    pub(crate) name: String,
    pub(crate) expires_at: Option<Timestamp>,
}

/// What a series holds, in the order of the ids, and what was odd about it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Survey {
    pub(crate) states: Vec<State>,
    pub(crate) warnings: Vec<String>,
}

impl State {
    pub(crate) fn facts(&self, now: Timestamp) -> Facts {
        let is_active = |hold: &&HoldState| hold.expires_at.is_none_or(|end| now < end);
        let trouble = match self.manifest_sha256 {
            None => Some(Trouble::Unreadable),
            Some(_) if self.is_stranger => Some(Trouble::Stranger),
            Some(_) => None,
        };
        Facts {
            id: self.id.clone(),
            snapshot_at: self.snapshot_at.unwrap_or(Timestamp::UNIX_EPOCH),
            restorable_from: self.restorable_from,
            release: self.release.clone(),
            standing: self.standing,
            holds: self.holds.iter().filter(is_active).map(|hold| hold.name.clone()).collect(),
            trouble,
        }
    }
}

/// Reads every manifest, all evidence and all holds of a series.
///
/// # Errors
/// When the store fails: what is missing from a listing must never be taken for absent.
pub(crate) async fn survey(store: &Store, series: &Series) -> Result<Survey, Error> {
    let holds = holds::holds(store, series).await?;
    let backups = opened::backups(store, series).await?;
    let proofs = proof::of_all(store, series, &backups.good).await?;
    let mut survey = Survey::default();
    let hold_states = |id: &BackupId| {
        let readable = holds.of(id).iter().map(HoldState::from);
        let unreadable = holds.unreadable(id).iter();
        let unreadable = unreadable.map(|key| HoldState { name: key.clone(), expires_at: None });
        let mut states: Vec<_> = readable.chain(unreadable).collect();
        states.sort_by(|a, b| a.name.cmp(&b.name));
        states
    };
    for backup in &backups.good {
        let id = &backup.manifest.id;
        let proof = proofs.get(id).cloned().unwrap_or_default();
        for key in proof.rejected.iter().chain(holds.unreadable(id)) {
            survey.warnings.push(format!(
                "{key}: cannot be believed: as evidence it counts for nothing, as a hold it holds"
            ));
        }
        if is_stranger(&backup.manifest, series) {
            survey.warnings.push(format!("{id}: its manifest is of another cluster or database; it is kept"));
        }
        survey.states.push(State {
            id: id.clone(),
            manifest_sha256: Some(backup.manifest_sha256.clone()),
            snapshot_at: Some(backup.manifest.snapshot_at),
            kind: Some(backup.manifest.kind),
            release: backup.manifest.release.as_ref().map(|release| release.name.clone()),
            restorable_from: backup.manifest.wal.as_ref().map(|wal| wal.stop_at),
            is_stranger: is_stranger(&backup.manifest, series),
            stored_bytes: backup.manifest.stored_bytes(),
            standing: proof.standing(backup),
            holds: hold_states(id),
        });
    }
    for (id, error) in &backups.unreadable {
        survey.warnings.push(format!("{id}: its manifest cannot be used, so it is kept: {}", cause(error)));
        survey.states.push(unreadable(id, hold_states(id)));
    }
    survey.states.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(survey)
}

fn unreadable(id: &BackupId, holds: Vec<HoldState>) -> State {
    State {
        id: id.clone(),
        manifest_sha256: None,
        snapshot_at: None,
        kind: None,
        release: None,
        restorable_from: None,
        is_stranger: false,
        stored_bytes: 0,
        standing: Standing::Unproven,
        holds,
    }
}

fn cause(error: &Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

fn is_stranger(manifest: &Manifest, series: &Series) -> bool {
    let is_of_series = match series {
        Series::Dumps { database, .. } => manifest.database.as_ref() == Some(database),
        Series::Bases { .. } => manifest.kind == Kind::Base,
    };
    manifest.cluster.name != *series.cluster() || !is_of_series
}

impl From<&Hold> for HoldState {
    fn from(hold: &Hold) -> HoldState {
        HoldState { name: hold.name.to_string(), expires_at: hold.expires_at }
    }
}
