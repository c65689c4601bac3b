//! Whether enough clients run the wanted version: counts and limits in, a verdict with its reason out.

use release_common::units::Percent;
use serde::Serialize;

use crate::cohort::Counts;

/// What the publisher asked for.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The share of the cohort that must have updated.
    pub until: Percent,
    /// With fewer matched clients the share means nothing.
    pub min_clients: u64,
    /// Whether an event that matched nobody is fine.
    pub allow_empty: bool,
}

/// What may happen to an event besides adoption.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fate {
    /// It was withdrawn.
    pub is_cancelled: bool,
    /// A newer event for the same audience replaced it.
    pub is_superseded: bool,
}

/// Where a published event stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Enough clients run the wanted version.
    Met(Reason),
    /// It will not be met however long one waits.
    Missed(Reason),
    /// Not yet.
    Wait,
}

/// Why it ended: the `reason` of the closing summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The target is met.
    TargetMet,
    /// All that matched ran the version before.
    AlreadyCurrent,
    /// Nobody matched, and that is allowed.
    Empty,
    /// Published; nobody asked to wait.
    Published,
    /// Nobody matched.
    NoClientMatched,
    /// Fewer clients matched than `--min-clients`.
    TooFewClients,
    /// The time is over and the share is below the target.
    BelowTarget,
    /// The event was withdrawn while `send` waited.
    Cancelled,
    /// A newer event replaced it while `send` waited.
    Superseded,
    /// A signal ended the waiting.
    Interrupted,
    /// Only the plan was wanted.
    DryRun,
}

/// Judges `counts` against `target`.
pub fn judge(counts: &Counts, fate: Fate, target: Target) -> Verdict {
    if let Some(early) = judge_match(counts, target.min_clients, target.allow_empty) {
        return early;
    }
    if share(counts).is_some_and(|share| share >= target.until.value()) {
        return Verdict::Met(Reason::TargetMet);
    }
    if fate.is_cancelled {
        return Verdict::Missed(Reason::Cancelled);
    }
    if fate.is_superseded {
        return Verdict::Missed(Reason::Superseded);
    }
    Verdict::Wait
}

/// Judges what publishing alone tells: how many matched. `None` when that decides nothing.
pub fn judge_match(counts: &Counts, min_clients: u64, allow_empty: bool) -> Option<Verdict> {
    let matched = counts.cohort + counts.already;
    if matched == 0 && allow_empty {
        return Some(Verdict::Met(Reason::Empty));
    }
    if matched == 0 {
        return Some(Verdict::Missed(Reason::NoClientMatched));
    }
    if matched < min_clients {
        return Some(Verdict::Missed(Reason::TooFewClients));
    }
    (counts.cohort == 0).then_some(Verdict::Met(Reason::AlreadyCurrent))
}

/// The percentage that updated, of those members who could; `None` when nobody could.
pub fn share(counts: &Counts) -> Option<f64> {
    let able = counts.cohort.saturating_sub(counts.gone + counts.unsupported);
    // Counts stay far below 2^52, where a double still holds every integer.
    #[expect(clippy::cast_precision_loss, reason = "see above")]
    (able > 0).then(|| counts.updated as f64 * 100.0 / able as f64)
}

#[cfg(test)]
mod tests {
    use super::{Fate, Reason, Target, Verdict, judge, share};
    use crate::cohort::Counts;

    fn target(until: &str) -> Target {
        Target { until: until.parse().unwrap(), min_clients: 0, allow_empty: false }
    }

    fn counts(cohort: u64, updated: u64, gone: u64) -> Counts {
        Counts { cohort, updated, gone, ..Counts::default() }
    }

    fn check(counts: &Counts, until: &str, expected: Verdict) {
        assert_eq!(judge(counts, Fate::default(), target(until)), expected, "{counts:?} {until}");
    }

    #[test]
    fn the_share_is_of_those_who_could_update() {
        check(&counts(20, 19, 0), "95%", Verdict::Met(Reason::TargetMet));
        check(&counts(20, 18, 0), "95%", Verdict::Wait);
        check(&counts(20, 18, 2), "100%", Verdict::Met(Reason::TargetMet));
        let with_unsupported = Counts { unsupported: 2, ..counts(20, 18, 0) };
        check(&with_unsupported, "100%", Verdict::Met(Reason::TargetMet));
    }

    #[test]
    fn a_share_just_below_is_not_rounded_up() {
        check(&counts(100_000, 99_999, 0), "100%", Verdict::Wait);
        check(&counts(3, 2, 0), "66.7%", Verdict::Wait);
        check(&counts(3, 2, 0), "66.6%", Verdict::Met(Reason::TargetMet));
    }

    #[test]
    fn nobody_left_is_no_success() {
        assert_eq!(share(&counts(3, 0, 3)), None);
        check(&counts(3, 0, 3), "1%", Verdict::Wait);
    }

    #[test]
    fn matching_nobody_is_bad_unless_allowed() {
        check(&counts(0, 0, 0), "95%", Verdict::Missed(Reason::NoClientMatched));
        let allowed = Target { allow_empty: true, ..target("95%") };
        assert_eq!(judge(&counts(0, 0, 0), Fate::default(), allowed), Verdict::Met(Reason::Empty));
    }

    #[test]
    fn a_fleet_that_runs_the_version_already_is_good() {
        let already = Counts { already: 3, ..Counts::default() };
        check(&already, "100%", Verdict::Met(Reason::AlreadyCurrent));
    }

    #[test]
    fn ninety_five_percent_of_three_can_be_refused() {
        let guarded = Target { min_clients: 4, ..target("95%") };
        assert_eq!(judge(&counts(3, 3, 0), Fate::default(), guarded), Verdict::Missed(Reason::TooFewClients));
    }

    #[test]
    fn a_withdrawn_or_replaced_event_ends_the_waiting() {
        for (fate, reason) in [
            (Fate { is_cancelled: true, is_superseded: false }, Reason::Cancelled),
            (Fate { is_cancelled: false, is_superseded: true }, Reason::Superseded),
        ] {
            assert_eq!(judge(&counts(2, 1, 0), fate, target("100%")), Verdict::Missed(reason));
            assert_eq!(judge(&counts(2, 2, 0), fate, target("100%")), Verdict::Met(Reason::TargetMet));
        }
    }
}
