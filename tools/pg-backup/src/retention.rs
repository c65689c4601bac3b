//! Which backups may go: keep is a union of rules, and only what no rule keeps is deleted.
//!
//! ```text
//! keep = holds ∪ newest N ∪ younger than a time ∪ newest of each of the last d days, w weeks, m months, y years
//!      ∪ backups of the last R releases ∪ the newest ∪ the newest verified ∪ what a window of PITR needs
//! ```
//!
//! Every rule that counts is applied twice: to the verified backups alone, so that no unproven or failed one takes the
//! place of one that counts; and to all that are not known to be bad, so that a broken verification does not lose what it
//! has not looked at. Order is that of `snapshot_at`, never of names. Days and weeks are those of the zone that the policy
//! names, weeks those of ISO 8601, and only days with a backup count: a week without backups shortens nothing.
//!
//! A union is monotone, so that adding a rule never deletes more; and since what a rule keeps is kept whatever else goes,
//! a deletion that was cut short can be planned again and gives the same result.

mod calendar;
#[cfg(test)]
mod tests;
pub(crate) mod wal;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use self::calendar::{Period, last_of_each};
use crate::layout::{BackupId, Name};

/// What is to be kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Policy {
    /// The newest backup of each of so many days.
    pub(crate) daily: u32,
    /// Of so many weeks.
    pub(crate) weekly: u32,
    /// Of so many months.
    pub(crate) monthly: u32,
    /// Of so many years.
    pub(crate) yearly: u32,
    /// The backups of so many releases.
    pub(crate) releases: u32,
    /// So many of the newest.
    pub(crate) newest: Option<u32>,
    /// All that are younger, in seconds.
    pub(crate) within_s: Option<u64>,
    /// What a restore to any moment of so many seconds needs.
    pub(crate) pitr_s: Option<u64>,
    /// Nothing younger is deleted, in seconds.
    pub(crate) grace_s: u64,
    /// Whether more than half may go.
    pub(crate) allow_large: bool,
    /// The time zone of days, weeks, months and years.
    pub(crate) zone: String,
}

/// What is proven of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Standing {
    /// It was restored, and was whole.
    Verified,
    /// Nobody knows.
    Unproven,
    /// It was found damaged.
    Bad,
}

/// What a decision rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Which backup.
    pub(crate) id: BackupId,
    /// The moment that it holds.
    pub(crate) snapshot_at: Timestamp,
    /// From which moment on it can be restored, if it is a base backup.
    pub(crate) restorable_from: Option<Timestamp>,
    /// The release that it was made for.
    pub(crate) release: Option<Name>,
    /// What is proven of it.
    pub(crate) standing: Standing,
    /// The holds that keep it now.
    pub(crate) holds: Vec<String>,
    /// Why it cannot be judged, if it cannot: it is kept then.
    pub(crate) trouble: Option<Trouble>,
}

/// Why a backup cannot be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Its manifest cannot be read.
    Unreadable,
    /// Its manifest names another cluster or database.
    Stranger,
}

/// Why a backup is kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "rule", content = "of")]
pub(crate) enum Reason {
    /// A hold.
    Hold(String),
    /// The newest of all.
    Newest,
    /// The newest that counts.
    NewestVerified,
    /// Among the newest N.
    AmongNewest,
    /// Young enough.
    Within,
    /// The newest of its day.
    Daily(String),
    /// The newest of its week.
    Weekly(String),
    /// The newest of its month.
    Monthly(String),
    /// The newest of its year.
    Yearly(String),
    /// Made for one of the last releases.
    Release(String),
    /// Needed to restore to a moment of the window.
    Window,
    /// So young that something may be at work on it.
    Grace,
    /// Its snapshot lies ahead of the clock.
    Ahead,
    /// Its manifest cannot be read.
    Unreadable,
    /// Its manifest names another cluster or database.
    Stranger,
    /// Nothing is verified, so nothing is deleted.
    NothingVerified,
}

/// What becomes of a backup: kept for these reasons, deleted without any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    /// Which backup.
    pub(crate) id: BackupId,
    /// Why it is kept; empty when it is not.
    pub(crate) reasons: Vec<Reason>,
}

impl Decision {
    /// Whether it goes.
    pub(crate) fn is_delete(&self) -> bool {
        self.reasons.is_empty()
    }
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A number of zero would keep none.
    KeepsNothing,
    /// The zone is none.
    Zone(String),
    /// More than half would go.
    Large {
        /// So many.
        deleted: usize,
        /// Of so many.
        of: usize,
    },
}

/// Decides, in the order of the facts.
///
/// # Errors
/// When the policy would keep nothing, or the plan is larger than allowed.
pub(crate) fn decide(facts: &[Facts], policy: &Policy, now: Timestamp) -> Result<Vec<Decision>, Refusal> {
    let decisions = judge(facts, policy, now)?;
    let deleted = decisions.iter().filter(|decision| decision.is_delete()).count();
    if deleted * 2 > facts.len() && !policy.allow_large {
        return Err(Refusal::Large { deleted, of: facts.len() });
    }
    Ok(decisions)
}

/// The same, however many go: the rest of a plan that was allowed and cut short is judged so.
///
/// # Errors
/// When the policy would keep nothing.
pub(crate) fn judge(facts: &[Facts], policy: &Policy, now: Timestamp) -> Result<Vec<Decision>, Refusal> {
    policy.check()?;
    let zone = policy.time_zone()?;
    let mut keep = Keep::default();
    keep_by_itself(facts, policy, now, &mut keep);
    let sound = facts.iter().filter(|one| one.trouble.is_none());
    let mut sound: Vec<&Facts> = sound.collect();
    sound.sort_by(|a, b| (b.snapshot_at, &b.id).cmp(&(a.snapshot_at, &a.id)));
    let of = |test: fn(&Facts) -> bool| sound.iter().copied().filter(|one| test(one)).collect::<Vec<_>>();
    let verified = of(|one| one.standing == Standing::Verified);
    let hopeful = of(|one| one.standing != Standing::Bad);
    keep.first(&sound, Reason::Newest);
    keep.first(&verified, Reason::NewestVerified);
    for population in [&verified, &hopeful] {
        keep_counted(population, policy, &zone, &mut keep);
        keep_window(population, policy, now, &mut keep);
    }
    if verified.is_empty() {
        for one in facts.iter().filter(|one| !keep.has(&one.id)).collect::<Vec<_>>() {
            keep.add(one, Reason::NothingVerified);
        }
    }
    Ok(facts.iter().map(|one| Decision { id: one.id.clone(), reasons: keep.reasons(&one.id) }).collect())
}

/// Rules that look at one backup alone.
fn keep_by_itself(facts: &[Facts], policy: &Policy, now: Timestamp, keep: &mut Keep) {
    for one in facts {
        for hold in &one.holds {
            keep.add(one, Reason::Hold(hold.clone()));
        }
        match one.trouble {
            Some(Trouble::Unreadable) => keep.add(one, Reason::Unreadable),
            Some(Trouble::Stranger) => keep.add(one, Reason::Stranger),
            None => {}
        }
        if one.snapshot_at > now {
            keep.add(one, Reason::Ahead);
        }
        if one.snapshot_at > before(now, policy.grace_s) {
            keep.add(one, Reason::Grace);
        }
        if policy.within_s.is_some_and(|within| one.snapshot_at > before(now, within)) {
            keep.add(one, Reason::Within);
        }
    }
}

/// Rules that count, newest first.
fn keep_counted(population: &[&Facts], policy: &Policy, zone: &jiff::tz::TimeZone, keep: &mut Keep) {
    for one in population.iter().take(policy.newest.unwrap_or(0) as usize) {
        keep.add(one, Reason::AmongNewest);
    }
    let periods = [
        (Period::Day, policy.daily),
        (Period::Week, policy.weekly),
        (Period::Month, policy.monthly),
        (Period::Year, policy.yearly),
    ];
    for (period, count) in periods {
        for (one, label) in last_of_each(population, period, count, zone) {
            keep.add(one, period.reason(label));
        }
    }
    let mut releases: Vec<&Name> = Vec::new();
    for release in population.iter().filter_map(|one| one.release.as_ref()) {
        if !releases.contains(&release) {
            releases.push(release);
        }
    }
    releases.truncate(policy.releases as usize);
    for one in population {
        if let Some(release) = one.release.as_ref().filter(|release| releases.contains(release)) {
            keep.add(one, Reason::Release(release.to_string()));
        }
    }
}

/// A window of PITR needs every base backup in it, and the last one from before it.
fn keep_window(population: &[&Facts], policy: &Policy, now: Timestamp, keep: &mut Keep) {
    let Some(window) = policy.pitr_s else { return };
    let start = before(now, window);
    let mut bases: Vec<_> =
        population.iter().filter_map(|one| one.restorable_from.map(|from| (from, *one))).collect();
    bases.sort_by(|(a, _), (b, _)| b.cmp(a));
    let inside = bases.iter().take_while(|(from, _)| *from > start).count();
    for (_, one) in bases.iter().take(inside + 1) {
        keep.add(one, Reason::Window);
    }
}

fn before(now: Timestamp, seconds: u64) -> Timestamp {
    let span = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
    now.saturating_sub(span).unwrap_or(Timestamp::MIN)
}

impl Policy {
    /// A number of zero is a mistake that costs all backups.
    fn check(&self) -> Result<(), Refusal> {
        let counts = [self.daily, self.weekly, self.monthly, self.yearly, self.releases];
        let keeps_some = counts.iter().any(|count| *count > 0)
            || self.newest.is_some()
            || self.within_s.is_some()
            || self.pitr_s.is_some();
        if self.newest == Some(0) || !keeps_some { Err(Refusal::KeepsNothing) } else { Ok(()) }
    }

    fn time_zone(&self) -> Result<jiff::tz::TimeZone, Refusal> {
        jiff::tz::TimeZone::get(&self.zone).map_err(|_| Refusal::Zone(self.zone.clone()))
    }
}

/// What is kept, and why.
#[derive(Debug, Default)]
struct Keep(BTreeMap<BackupId, BTreeSet<Reason>>);

impl Keep {
    fn add(&mut self, one: &Facts, reason: Reason) {
        self.0.entry(one.id.clone()).or_default().insert(reason);
    }

    fn first(&mut self, population: &[&Facts], reason: Reason) {
        if let Some(one) = population.first() {
            self.add(one, reason);
        }
    }

    fn has(&self, id: &BackupId) -> bool {
        self.0.contains_key(id)
    }

    fn reasons(&self, id: &BackupId) -> Vec<Reason> {
        self.0.get(id).into_iter().flatten().cloned().collect()
    }
}
