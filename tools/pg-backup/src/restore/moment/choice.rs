//! Which base backup leads to a moment, or why none does.
//!
//! PostgreSQL checks nothing of it: asked for a moment before its base backup it stops at the first commit after it and
//! says that all is well, and asked for one after the end of the WAL it finds out when everything is replayed.

use jiff::{SignedDuration, Timestamp};

/// Clocks of two machines are apart by so much, and nobody is to blame.
const SKEW: SignedDuration = SignedDuration::from_secs(60);

/// The moments that one base backup leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moments {
    /// The first: when the base backup had ended.
    pub(super) from: Timestamp,
    /// The last; none when no WAL after it is stored.
    pub(super) until: Option<Timestamp>,
}

/// Why no base backup leads there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is none at all.
    NoBase,
    /// It has not come yet.
    Future,
    /// Every base backup ended after it; the earliest then.
    TooEarly(Timestamp),
    /// The WAL ends before it; the latest moment that can be restored.
    TooLate(Timestamp),
}

/// The newest base backup that leads to `target`, as its place in `all`.
pub(super) fn choose(target: Timestamp, now: Timestamp, all: &[Moments]) -> Result<usize, Refusal> {
    if target.duration_since(now) > SKEW {
        return Err(Refusal::Future);
    }
    let Some(first) = all.iter().map(|moments| moments.from).min() else { return Err(Refusal::NoBase) };
    if target < first {
        return Err(Refusal::TooEarly(first));
    }
    let leads =
        |moments: &Moments| moments.from <= target && moments.until.is_some_and(|until| target <= until);
    let newest =
        all.iter().enumerate().filter(|(_, moments)| leads(moments)).max_by_key(|(_, moments)| moments.from);
    let ends = all.iter().filter(|moments| moments.from <= target).map(|moments| match moments.until {
        Some(until) => until.max(moments.from),
        None => moments.from,
    });
    newest.map(|(index, _)| index).ok_or_else(|| Refusal::TooLate(ends.max().unwrap_or(first)))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::{Moments, Refusal, choose};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    /// Base backups as `(from, until)`.
    fn check(target: i64, all: &[(i64, Option<i64>)], expected: Result<usize, Refusal>) {
        let all: Vec<_> =
            all.iter().map(|(from, until)| Moments { from: at(*from), until: until.map(at) }).collect();
        assert_eq!(choose(at(target), at(1000), &all), expected, "{target}");
    }

    #[test]
    fn the_newest_base_backup_before_the_moment_is_taken() {
        let all = [(100, Some(900)), (500, Some(900)), (300, Some(900))];
        check(100, &all, Ok(0));
        check(299, &all, Ok(0));
        check(300, &all, Ok(2));
        check(500, &all, Ok(1));
        check(900, &all, Ok(1));
    }

    #[test]
    fn a_base_backup_that_does_not_lead_there_is_passed_over() {
        check(600, &[(100, Some(900)), (500, Some(550))], Ok(0));
        check(600, &[(100, Some(900)), (500, None)], Ok(0));
    }

    #[test]
    fn what_cannot_be_restored_is_refused_with_the_nearest_moment_that_can() {
        let all = [(100, Some(700)), (500, Some(900))];
        check(99, &all, Err(Refusal::TooEarly(at(100))));
        check(901, &all, Err(Refusal::TooLate(at(900))));
        check(400, &[(100, Some(300))], Err(Refusal::TooLate(at(300))));
        check(400, &[(100, None)], Err(Refusal::TooLate(at(100))));
        check(2000, &all, Err(Refusal::Future));
        check(1059, &all, Err(Refusal::TooLate(at(900))));
        check(500, &[], Err(Refusal::NoBase));
    }

    proptest! {
        #[test]
        fn what_is_chosen_leads_to_the_moment(
            target in 0_i64..1000,
            all in proptest::collection::vec((0_i64..1000, proptest::option::of(0_i64..1000)), 0..6),
        ) {
            let all: Vec<_> = all.iter().map(|(from, until)| Moments { from: at(*from), until: until.map(at) }).collect();
            let leads = |m: &Moments| m.from <= at(target) && m.until.is_some_and(|until| until >= at(target));
            match choose(at(target), at(1000), &all) {
                Ok(index) => prop_assert!(leads(&all[index]) && all.iter().all(|m| !leads(m) || m.from <= all[index].from)),
                Err(_) => prop_assert!(!all.iter().any(leads)),
            }
        }
    }
}
