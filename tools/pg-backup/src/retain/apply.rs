//! Carries a plan out: checks that the store is what the plan was made of, and deletes one backup after the other.

use std::collections::BTreeSet;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use release_common::units::ByteSize;
use release_common::{Outcome, Signal, Stop};
use serde_json::{Value, json};

use super::document::Plan;
use super::survey::{self, State};
use super::wal;
use crate::cli::SeriesArgs;
use crate::deletion::{self, Deleted};
use crate::error::Error;
use crate::layout::{BackupId, Series};
use crate::retention::{self, Standing};
use crate::store::Store;
use crate::{answer, opened, probe};

/// Objects looked at at one time.
const AT_ONCE: usize = 16;

/// What came of a plan.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// Those that are gone.
    deleted: Vec<BackupId>,
    /// Those that were gone already, by an earlier run of the same plan.
    gone: usize,
    /// Those that were held in the meantime.
    held: Vec<BackupId>,
    /// Those that the store keeps, in whole or in part.
    denied: Vec<BackupId>,
    /// Those that would be deleted.
    planned: Vec<BackupId>,
    freed_bytes: u64,
    wal_segments: usize,
    wal_freed_bytes: u64,
    wal_denied: usize,
    is_dry: bool,
    stopped: Option<Signal>,
    pub(super) warnings: Vec<String>,
}

/// Refuses when flags name another series than the plan does.
///
/// # Errors
/// When they do.
pub(super) fn check_meant(args: &SeriesArgs, series: &Series) -> Result<(), Error> {
    let is_other_cluster = args.store.cluster.as_ref().is_some_and(|cluster| cluster != series.cluster());
    let is_other = match series {
        Series::Dumps { database, .. } => {
            args.base || args.database.as_ref().is_some_and(|name| name != database)
        }
        Series::Bases { .. } => args.database.is_some(),
    };
    if is_other || is_other_cluster {
        return Err(Error::Refused {
            what: format!("the plan is about {series}, and the flags or variables name another series"),
            reason: "plan",
            hint: "leave --cluster, --database and --base to the plan".to_owned(),
        });
    }
    Ok(())
}

/// Carries it out.
///
/// # Errors
/// When the store is not what the plan was made of, or fails.
pub(super) async fn apply(
    store: &Store,
    series: &Series,
    plan: &Plan,
    now: Timestamp,
    stop: &Stop,
    is_dry: bool,
) -> Result<Done, Error> {
    let survey = survey::survey(store, series).await?;
    let mut done = Done { is_dry, ..Done::default() };
    check_unchanged(store, plan, &survey.states)?;
    let deletions = plan.deletions();
    let has_wal = matches!(series, Series::Bases { .. });
    if deletions.is_empty() && !has_wal {
        return Ok(done);
    }
    check_decisions(plan, &survey.states)?;
    check_newest(store, series, plan, &survey.states).await?;
    if !is_dry {
        check_deletes(store).await?;
    }
    release_common::fault::point("apply-begin");
    let buried = store.list(&series.tombstones()).await?;
    let present: BTreeSet<_> = survey.states.iter().map(|state| &state.id).collect();
    for line in deletions {
        let id = &line.state.id;
        if let Some(signal) = stop.requested() {
            done.stopped = Some(signal);
            break;
        }
        let is_buried = buried.iter().any(|object| object.key == series.tombstone(id));
        if !present.contains(id) && !is_buried {
            done.gone += 1;
        } else if is_dry {
            done.planned.push(id.clone());
        } else {
            let sha256 = Some(plan.summary.plan_sha256.clone());
            let intent = deletion::intent(id, line.state.manifest_sha256.clone(), now, sha256);
            let deleted = deletion::delete(store, series, &intent, now).await?;
            done.note(id, line.state.stored_bytes, deleted);
        }
    }
    if has_wal && done.stopped.is_none() {
        remove_wal(store, series, plan, stop, &mut done).await?;
    }
    Ok(done)
}

/// WAL goes by the base backups that are there in the end: those that were held or denied need theirs too.
async fn remove_wal(
    store: &Store,
    series: &Series,
    plan: &Plan,
    stop: &Stop,
    done: &mut Done,
) -> Result<(), Error> {
    let is_dry = done.is_dry;
    let expendable = wal::expendable(store, series.cluster(), |id| !is_dry || plan.keeps(id)).await?;
    done.warnings.extend(expendable.warnings);
    for segment in &expendable.segments {
        done.stopped = stop.requested();
        if done.stopped.is_some() {
            break;
        }
        if !is_dry {
            match wal::remove(store, segment).await {
                Err(error) if deletion::is_denied(&error) => {
                    done.warnings.push(answer::with_causes(&error));
                    done.wal_denied += 1;
                    continue;
                }
                other => other?,
            }
        }
        done.wal_segments += 1;
        done.wal_freed_bytes += segment.bytes();
    }
    Ok(())
}

fn check_unchanged(store: &Store, plan: &Plan, states: &[State]) -> Result<(), Error> {
    match plan.difference(states) {
        None => Ok(()),
        Some(what) => Err(Error::Refused {
            what: format!("{}: is not what the plan was made of: {what}", store.shown()),
            reason: "store_changed",
            hint: "make a new one with `pg-backup retain plan --format json`".to_owned(),
        }),
    }
}

/// A store that takes no object back would keep the intents to delete, which hide backups, for ever.
async fn check_deletes(store: &Store) -> Result<(), Error> {
    match probe::deletes(store).await {
        Err(error) if deletion::is_denied(&error) => Err(Error::Failed {
            what: format!("nothing is deleted: {}", answer::with_causes(&error)),
            reason: "delete_denied",
            hint: "these keys need the right to delete (s3:DeleteObject)".to_owned(),
        }),
        other => other,
    }
}

/// What the plan deletes must be what its own policy deletes.
fn check_decisions(plan: &Plan, states: &[State]) -> Result<(), Error> {
    let then = plan.summary.planned_at;
    let facts: Vec<_> = states.iter().map(|state| state.facts(then)).collect();
    let decisions = retention::judge(&facts, &plan.summary.policy, then)?;
    let kept: BTreeSet<_> =
        decisions.iter().filter(|decision| !decision.is_delete()).map(|decision| &decision.id).collect();
    match plan.deletions().iter().find(|line| kept.contains(&line.state.id)) {
        None => Ok(()),
        Some(line) => Err(Error::Refused {
            what: format!("the plan deletes {}, which its own policy keeps", line.state.id),
            reason: "plan_edited",
            hint: "make a new one with `pg-backup retain plan --format json`".to_owned(),
        }),
    }
}

/// Before anything is deleted, the newest backup that counts must be there, object for object.
async fn check_newest(store: &Store, series: &Series, plan: &Plan, states: &[State]) -> Result<(), Error> {
    let lost = |what: String| Error::Refused {
        what: format!("nothing is deleted: {what}"),
        reason: "no_verified_left",
        hint: "run `pg-backup verify` on the newest backup, and make a new plan".to_owned(),
    };
    let going: BTreeSet<_> = plan.deletions().iter().map(|line| &line.state.id).collect();
    let verified = states.iter().filter(|state| {
        state.standing == Standing::Verified && !state.is_stranger && !going.contains(&state.id)
    });
    let newest = verified.max_by_key(|state| (state.snapshot_at, &state.id));
    let Some(newest) = newest else { return Err(lost("no verified backup would remain".to_owned())) };
    let backup = opened::backup(store, series, &newest.id).await?;
    let backup = backup.ok_or_else(|| lost(format!("{} is gone", newest.id)))?;
    let check = |object: &crate::manifest::StoredObject| {
        let (key, bytes) = (series.object(&newest.id, &object.name), object.bytes);
        async move {
            match store.confirm(&key, bytes).await {
                Err(error) if error.is_damage() => Err(lost(error.to_string())),
                other => other,
            }
        }
    };
    stream::iter(&backup.manifest.objects).map(check).buffered(AT_ONCE).try_collect().await
}

impl Done {
    fn note(&mut self, id: &BackupId, stored_bytes: u64, deleted: Deleted) {
        match deleted {
            Deleted::Whole { .. } => {
                self.deleted.push(id.clone());
                self.freed_bytes += stored_bytes;
            }
            Deleted::Held(names) => {
                self.warnings.push(format!("{id}: is held as {}, so it stays", names.join(", ")));
                self.held.push(id.clone());
            }
            Deleted::Denied(error) => {
                self.warnings.push(format!("{}; the backup stays whole", answer::with_causes(&error)));
                self.denied.push(id.clone());
            }
            Deleted::Partly { left, error } => {
                let why = answer::with_causes(&error);
                self.warnings
                    .push(format!("{id}: no longer exists, but {left} of its objects are left: {why}"));
                self.denied.push(id.clone());
            }
        }
    }

    pub(super) fn summary(&self, plan: &Plan) -> Value {
        let (result, reason) = match (&self.stopped, self.is_allowed(), self.is_dry) {
            (Some(_), ..) => ("stopped", "signal"),
            (None, false, _) => ("failed", "delete_denied"),
            (None, true, true) => ("good", "planned"),
            (None, true, false) => ("good", "applied"),
        };
        json!({
            "type": "summary", "result": result, "reason": reason, "dry_run": self.is_dry,
            "deleted": self.deleted, "would_delete": self.planned, "gone_before": self.gone, "held": self.held,
            "denied": self.denied, "freed_bytes": self.freed_bytes, "wal_segments": self.wal_segments,
            "wal_freed_bytes": self.wal_freed_bytes, "wal_denied": self.wal_denied, "plan_sha256": plan.summary.plan_sha256,
        })
    }

    pub(super) fn text(&self) -> String {
        let bytes = ByteSize(self.freed_bytes);
        let mut text = match self.is_dry {
            true => format!("would delete {} backups", self.planned.len()),
            false => format!("deleted {} backups, {bytes} freed", self.deleted.len()),
        };
        let more = [
            (self.gone, "were gone before"),
            (self.held.len(), "are held"),
            (self.denied.len(), "are denied"),
        ];
        if self.wal_segments > 0 {
            let freed = ByteSize(self.wal_freed_bytes);
            text.push_str(&format!("; {} segments of WAL, {freed}", self.wal_segments));
        }
        for (count, what) in more.into_iter().filter(|(count, _)| *count > 0) {
            text.push_str(&format!("; {count} {what}"));
        }
        text
    }

    fn is_allowed(&self) -> bool {
        self.denied.is_empty() && self.wal_denied == 0
    }

    /// How the run ends.
    ///
    /// # Errors
    /// When the store has kept something.
    pub(super) fn outcome(&self) -> Result<Outcome, Error> {
        if let Some(signal) = self.stopped {
            return Ok(Outcome::Stopped(signal));
        }
        if self.is_allowed() {
            return Ok(Outcome::Good);
        }
        let (backups, segments) = (self.denied.len(), self.wal_denied);
        Err(Error::Failed {
            what: format!("the store does not let {backups} backups and {segments} segments of WAL go"),
            reason: "delete_denied",
            hint: "objects that are locked go when their lock ends: the same command goes on then".to_owned(),
        })
    }
}
