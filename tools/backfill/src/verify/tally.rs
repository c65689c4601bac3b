//! What a verification has counted, and what follows from that.

use release_common::{Outcome, Signal};
use serde::{Deserialize, Serialize};

/// Counts of rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally {
    /// Rows that the job is about.
    pub(crate) rows_checked: u64,
    /// Rows that differed at both looks.
    pub(crate) rows_different: u64,
    /// Those of them that are right now.
    pub(crate) rows_repaired: u64,
    /// Rows without a key that differed and were then updated or deleted.
    #[serde(default)]
    pub(crate) rows_moved: u64,
}

/// What was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    /// Every row.
    Full,
    /// Some blocks.
    Sample,
}

/// How it ended, as reports name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reason {
    /// Every row is what its expression gives.
    Clean,
    /// Some are not.
    Different,
    /// Those that were not have been filled.
    Repaired,
    /// No row differs, but some could not be filled.
    DeadLetters,
    /// Rows without a key kept moving.
    Unsettled,
    /// No sampled row differs.
    SampledClean,
    /// The sample held no row.
    SampledNothing,
    /// A signal came.
    Signal,
    /// The database cannot be reached.
    Unreachable,
    /// A statement failed.
    Failed,
}

/// The end of a verification.
#[derive(Clone, Debug)]
pub(crate) struct Ending {
    pub(crate) mode: Mode,
    pub(crate) reason: Reason,
    pub(crate) tally: Tally,
    pub(crate) dead_letters: Option<u64>,
    /// What a sample proves.
    pub(crate) upper_bound_percent: Option<f64>,
    pub(crate) signal: Option<Signal>,
}

impl Ending {
    /// An end without more to say.
    pub(crate) fn new(mode: Mode, reason: Reason, tally: Tally) -> Ending {
        Ending { mode, reason, tally, dead_letters: None, upper_bound_percent: None, signal: None }
    }

    /// Every row was looked at.
    pub(crate) fn complete(tally: Tally, dead_letters: u64) -> Ending {
        let reason = if tally.rows_different > tally.rows_repaired {
            Reason::Different
        } else if dead_letters > 0 {
            Reason::DeadLetters
        } else if tally.rows_moved > 0 {
            Reason::Unsettled
        } else if tally.rows_repaired > 0 {
            Reason::Repaired
        } else {
            Reason::Clean
        };
        Ending { dead_letters: Some(dead_letters), ..Ending::new(Mode::Full, reason, tally) }
    }

    /// Some blocks were looked at. `is_empty` says that the table holds no row at all.
    pub(crate) fn sampled(tally: Tally, is_empty: bool) -> Ending {
        let reason = match tally.rows_checked {
            _ if tally.rows_different > 0 => Reason::Different,
            0 if is_empty => Reason::Clean,
            0 => Reason::SampledNothing,
            _ => Reason::SampledClean,
        };
        let upper_bound_percent =
            (tally.rows_different == 0).then(|| upper_bound_percent(tally.rows_checked));
        Ending { upper_bound_percent, ..Ending::new(Mode::Sample, reason, tally) }
    }

    /// A signal was obeyed.
    pub(crate) fn stopped(signal: Signal, tally: Tally) -> Ending {
        Ending { signal: Some(signal), ..Ending::new(Mode::Full, Reason::Signal, tally) }
    }

    /// What a script learns. Only a signal ends `--follow`: there the answer is what the rounds found.
    pub(crate) fn outcome(&self, is_following: bool) -> Outcome {
        if is_following && self.tally.rows_different > self.tally.rows_repaired {
            return Outcome::Bad;
        }
        match (self.signal, self.reason) {
            (Some(signal), _) => Outcome::Stopped(signal),
            (None, Reason::Clean | Reason::Repaired | Reason::SampledClean) => Outcome::Good,
            (None, Reason::Different | Reason::DeadLetters) => Outcome::Bad,
            (
                None,
                Reason::Unsettled
                | Reason::SampledNothing
                | Reason::Signal
                | Reason::Unreachable
                | Reason::Failed,
            ) => Outcome::Unfinished,
        }
    }
}

impl Tally {
    /// Adds the counts of another round.
    pub(crate) fn add(&mut self, other: &Tally) {
        self.rows_checked += other.rows_checked;
        self.rows_different += other.rows_different;
        self.rows_repaired += other.rows_repaired;
        self.rows_moved += other.rows_moved;
    }
}

/// The rule of three (Hanley and Lippman-Hand, 1983): none found among `rows` drawn one by one leaves at most 3/`rows`,
/// at 95 %.
#[expect(clippy::cast_precision_loss, reason = "a bound of a percentage needs no 53 bits")]
fn upper_bound_percent(rows: u64) -> f64 {
    if rows == 0 { 100.0 } else { (300.0 / rows as f64).min(100.0) }
}

#[cfg(test)]
mod tests {
    use release_common::{Outcome, Signal};

    use super::{Ending, Reason, Tally};

    fn tally(rows_checked: u64, rows_different: u64, rows_repaired: u64, rows_moved: u64) -> Tally {
        Tally { rows_checked, rows_different, rows_repaired, rows_moved }
    }

    #[test]
    fn every_count_has_its_answer() {
        for (counts, letters, reason, outcome) in [
            (tally(9, 0, 0, 0), 0, Reason::Clean, Outcome::Good),
            (tally(9, 1, 0, 0), 0, Reason::Different, Outcome::Bad),
            (tally(9, 2, 1, 0), 0, Reason::Different, Outcome::Bad),
            (tally(9, 2, 2, 0), 0, Reason::Repaired, Outcome::Good),
            (tally(9, 2, 2, 0), 1, Reason::DeadLetters, Outcome::Bad),
            (tally(9, 0, 0, 1), 0, Reason::Unsettled, Outcome::Unfinished),
        ] {
            let ending = Ending::complete(counts, letters);
            assert_eq!((ending.reason, ending.outcome(false)), (reason, outcome));
        }
    }

    #[test]
    fn a_clean_sample_leaves_room_for_three_in_its_rows() {
        for (rows, bound, reason) in [
            (300, 1.0, Reason::SampledClean),
            (30_000, 0.01, Reason::SampledClean),
            (2, 100.0, Reason::SampledClean),
            (0, 100.0, Reason::SampledNothing),
        ] {
            let ending = Ending::sampled(tally(rows, 0, 0, 0), false);
            assert_eq!((ending.upper_bound_percent, ending.reason), (Some(bound), reason));
        }
        assert_eq!(Ending::sampled(tally(9, 1, 0, 0), false).upper_bound_percent, None);
    }

    #[test]
    fn following_answers_what_it_found_and_else_obeys() {
        let stopped = |counts| Ending::stopped(Signal::Terminate, counts);
        assert_eq!(stopped(tally(9, 1, 0, 0)).outcome(true), Outcome::Bad);
        assert_eq!(stopped(tally(9, 1, 1, 0)).outcome(true), Outcome::Stopped(Signal::Terminate));
        assert_eq!(stopped(tally(9, 1, 0, 0)).outcome(false), Outcome::Stopped(Signal::Terminate));
    }
}
