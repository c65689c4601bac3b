//! A plan as it is written and read: a line for each backup, and a summary with the SHA-256 of all of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::survey::{State, Survey};
use super::wal::Expendable;
use crate::document::hex;
use crate::error::Error;
use crate::layout::{BackupId, Name, Series};
use crate::retention::{self, Policy, Reason};

/// A whole plan.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    pub(super) lines: Vec<Line>,
    pub(super) summary: Summary,
}

/// What becomes of one backup.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Line {
    r#type: String,
    pub(super) action: Action,
    pub(super) reasons: Vec<Reason>,
    #[serde(flatten)]
    pub(super) state: State,
}

/// What becomes of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Action {
    /// It stays.
    Keep,
    /// It goes.
    Delete,
}

/// The plan as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Summary {
    r#type: String,
    pub(super) result: String,
    pub(super) reason: String,
    cluster: Name,
    /// None for base backups.
    database: Option<String>,
    pub(super) planned_at: Timestamp,
    pub(super) policy: Policy,
    pub(super) keep: usize,
    pub(super) delete: usize,
    pub(super) kept_bytes: u64,
    pub(super) freed_bytes: u64,
    /// WAL that goes with the base backups, as it was when the plan was made; more may be there when it is applied.
    pub(super) wal_segments: usize,
    pub(super) wal_freed_bytes: u64,
    pub(super) warnings: Vec<String>,
    /// Of all that the decisions rest on.
    pub(super) state_sha256: String,
    /// Of all lines and this summary without this field.
    pub(super) plan_sha256: String,
}

impl Plan {
    /// Decides.
    ///
    /// # Errors
    /// When the policy is refused.
    pub(super) fn make(
        series: &Series,
        survey: Survey,
        policy: Policy,
        now: Timestamp,
    ) -> Result<Plan, Error> {
        let facts: Vec<_> = survey.states.iter().map(|state| state.facts(now)).collect();
        let decisions = retention::decide(&facts, &policy, now)?;
        let lines: Vec<_> = survey.states.into_iter().zip(decisions).map(Line::from).collect();
        let of = |action| lines.iter().filter(move |line| line.action == action);
        let bytes = |action| of(action).map(|line| line.state.stored_bytes).sum();
        let mut warnings = survey.warnings;
        if lines.iter().any(|line| line.reasons.contains(&Reason::NothingVerified)) {
            warnings.push("no backup is verified, so none is deleted: run `pg-backup verify`".to_owned());
        }
        let summary = Summary {
            r#type: "summary".to_owned(),
            result: "good".to_owned(),
            reason: "planned".to_owned(),
            cluster: series.cluster().clone(),
            database: match series {
                Series::Dumps { database, .. } => Some(database.clone()),
                Series::Bases { .. } => None,
            },
            planned_at: now,
            policy,
            keep: of(Action::Keep).count(),
            delete: of(Action::Delete).count(),
            kept_bytes: bytes(Action::Keep),
            freed_bytes: bytes(Action::Delete),
            wal_segments: 0,
            wal_freed_bytes: 0,
            warnings,
            state_sha256: state_sha256(lines.iter().map(|line| &line.state))?,
            plan_sha256: String::new(),
        };
        Plan { lines, summary }.signed()
    }

    /// The same with what becomes of WAL.
    ///
    /// # Errors
    /// Never but by JSON's word.
    pub(super) fn with_wal(mut self, wal: Expendable) -> Result<Plan, Error> {
        self.summary.wal_segments = wal.segments.len();
        self.summary.wal_freed_bytes = wal.bytes();
        self.summary.warnings.extend(wal.warnings);
        self.signed()
    }

    fn signed(mut self) -> Result<Plan, Error> {
        self.summary.plan_sha256 = self.sha256()?;
        Ok(self)
    }

    /// Reads what `retain plan --format json` wrote.
    ///
    /// # Errors
    /// When it is not whole, or was edited.
    pub(super) fn read(place: &str, text: &str) -> Result<Plan, Error> {
        let wrong = |what: String, reason| Error::Refused {
            what: format!("{place}: {what}"),
            reason,
            hint: "make a new one with `pg-backup retain plan --format json`".to_owned(),
        };
        let mut lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let last = lines.pop().unwrap_or_default();
        let value: Value =
            serde_json::from_str(last).map_err(|_| wrong("holds no whole plan".to_owned(), "plan"))?;
        if value.get("result").and_then(Value::as_str) == Some("failed") {
            let message = value.get("message").and_then(Value::as_str).unwrap_or_default();
            return Err(wrong(format!("holds no plan but a failure: {message}"), "plan"));
        }
        let summary: Summary = serde_json::from_value(value)
            .map_err(|error| wrong(format!("ends with no summary of a plan: {error}"), "plan"))?;
        let read = |(number, line): (usize, &str)| {
            serde_json::from_str::<Line>(line)
                .map_err(|error| wrong(format!("line {}: {error}", number + 1), "plan"))
        };
        let lines = lines.into_iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?;
        let plan = Plan { lines, summary };
        let is_own = plan.sha256()? == plan.summary.plan_sha256
            && state_sha256(plan.lines.iter().map(|line| &line.state))? == plan.summary.state_sha256;
        if is_own { Ok(plan) } else { Err(wrong("was changed after it was made".to_owned(), "plan_edited")) }
    }

    /// The backups that it is about.
    pub(super) fn series(&self) -> Series {
        let cluster = self.summary.cluster.clone();
        match self.summary.database.clone() {
            Some(database) => Series::Dumps { cluster, database },
            None => Series::Bases { cluster },
        }
    }

    /// Whether a backup stays.
    pub(super) fn keeps(&self, id: &BackupId) -> bool {
        self.lines.iter().any(|line| line.state.id == *id && line.action == Action::Keep)
    }

    /// Those that go, oldest first.
    pub(super) fn deletions(&self) -> Vec<&Line> {
        let mut lines: Vec<_> = self.lines.iter().filter(|line| line.action == Action::Delete).collect();
        lines.sort_by_key(|line| (line.state.snapshot_at, line.state.id.clone()));
        lines
    }

    /// Why the store is no longer what the plan was made of; none if it is, but for what the plan itself removes.
    pub(super) fn difference(&self, now: &[State]) -> Option<String> {
        let mut found: BTreeMap<_, _> = now.iter().map(|state| (&state.id, state)).collect();
        for line in &self.lines {
            let id = &line.state.id;
            match (found.remove(id), line.action) {
                (Some(state), _) if *state == line.state => {}
                (Some(_), _) => {
                    return Some(format!(
                        "what is known of {id} (its evidence, holds or manifest) has changed"
                    ));
                }
                (None, Action::Delete) => {}
                (None, Action::Keep) => return Some(format!("{id} is gone")),
            }
        }
        found.keys().next().map(|id| format!("{id} is new"))
    }

    fn sha256(&self) -> Result<String, Error> {
        let mut digest = Sha256::new();
        for line in &self.lines {
            digest.update(serde_json::to_vec(line).map_err(Error::Json)?);
            digest.update(b"\n");
        }
        let bare = Summary { plan_sha256: String::new(), ..self.summary.clone() };
        digest.update(serde_json::to_vec(&bare).map_err(Error::Json)?);
        Ok(hex(&digest.finalize()))
    }
}

impl From<(State, retention::Decision)> for Line {
    fn from((state, decision): (State, retention::Decision)) -> Line {
        let action = if decision.is_delete() { Action::Delete } else { Action::Keep };
        Line { r#type: "backup".to_owned(), action, reasons: decision.reasons, state }
    }
}

fn state_sha256<'a>(states: impl Iterator<Item = &'a State>) -> Result<String, Error> {
    let mut digest = Sha256::new();
    for state in states {
        digest.update(serde_json::to_vec(state).map_err(Error::Json)?);
        digest.update(b"\n");
    }
    Ok(hex(&digest.finalize()))
}
