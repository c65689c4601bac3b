//! The lines of a verification, as JSON and as words.

use std::io::{self, Write};
use std::time::Duration;

use release_common::units::{Percent, Span};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Subject;
use super::tally::{Ending, Mode, Reason, Tally};
use crate::statements::Position;

/// One line of `verify --json`.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Line<'a> {
    Progress {
        #[serde(flatten)]
        tally: &'a Tally,
        rows_estimated: u64,
        rows_per_s: f64,
        eta_s: Option<f64>,
    },
    Difference {
        key: &'a [String],
        #[serde(skip_serializing_if = "Option::is_none")]
        sqlstate: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<&'a str>,
        #[serde(flatten)]
        shown: Option<&'a Shown>,
    },
    Round {
        round: u32,
        reason: Reason,
        #[serde(flatten)]
        tally: &'a Tally,
        dead_letters: Option<u64>,
        elapsed_s: f64,
    },
    Summary(&'a Summary),
}

/// What a row holds and should hold.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Shown {
    #[serde(skip_serializing)]
    pub(super) key: Position,
    values: Vec<Held>,
    source: Value,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Held {
    column: String,
    found: Option<String>,
    expected: Option<String>,
}

/// How it ended.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Summary {
    reason: Reason,
    pub(super) job: String,
    mode: Mode,
    #[serde(flatten)]
    tally: Tally,
    dead_letters: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upper_bound_percent: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sample_percent: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u32>,
    is_standby: bool,
    elapsed_s: f64,
    clock: &'static str,
}

impl Summary {
    pub(crate) fn new(
        subject: &Subject<'_>,
        ending: &Ending,
        elapsed: Duration,
        clock: &'static str,
    ) -> Summary {
        Summary {
            reason: ending.reason,
            job: subject.job.name.clone(),
            mode: ending.mode,
            tally: ending.tally.clone(),
            dead_letters: ending.dead_letters,
            upper_bound_percent: ending.upper_bound_percent,
            sample_percent: subject.args.sample.map(Percent::value),
            seed: None,
            is_standby: subject.place.is_standby,
            elapsed_s: seconds(elapsed),
            clock,
        }
    }
}

impl Summary {
    /// With what a sample was drawn.
    pub(super) fn with_seed(self, seed: Option<u32>) -> Summary {
        Summary { seed, ..self }
    }

    /// Whether there is something to look at.
    pub(super) fn is_bad(&self) -> bool {
        !matches!(self.reason, Reason::Clean | Reason::Repaired | Reason::SampledClean | Reason::Signal)
    }

    /// The reason as a sentence.
    pub(super) fn told(&self) -> String {
        let elapsed = Duration::try_from_secs_f64((self.elapsed_s * 10.0).round().max(0.0) / 10.0);
        let elapsed = Span(elapsed.unwrap_or_default());
        let name = &self.job;
        match self.reason {
            Reason::Clean => format!("clean after {elapsed}: every row is what its expression gives"),
            Reason::Different if self.mode == Mode::Full => {
                format!("different after {elapsed}: `backfill verify {name} --repair` fills what differs")
            }
            Reason::Different => "different: a sample finds that rows differ, not which all".to_owned(),
            Reason::Repaired => format!("repaired after {elapsed}: every row is now what its expression gives"),
            Reason::DeadLetters => {
                format!("dead letters are left: `backfill deadletter list {name}` shows them")
            }
            Reason::Unsettled => {
                "unsettled: rows without a key changed while they were compared; try again when less is written"
                    .to_owned()
            }
            Reason::SampledClean => format!(
                "no sampled row differs: at 95 % at most {:.2}% of all do, if wrong rows are spread evenly",
                self.upper_bound_percent.unwrap_or(100.0)
            ),
            Reason::SampledNothing => "the sample held no row and proves nothing: take a larger share".to_owned(),
            Reason::Signal if self.is_standby => "stopped; nothing is recorded on a standby".to_owned(),
            Reason::Signal => "stopped; the same command goes on from there within 24 hours".to_owned(),
            Reason::Unreachable => "the database cannot be reached: the same command goes on".to_owned(),
            Reason::Failed => "failed before every row was seen".to_owned(),
        }
    }
}

impl Shown {
    /// What is wrong with the row, in words.
    pub(super) fn told(&self) -> String {
        let wrong = self.values.iter().filter(|held| held.found != held.expected);
        let wrong: Vec<String> = wrong.map(Held::told).collect();
        let source = self.source.as_object().filter(|source| !source.is_empty());
        let source = source.map(|source| {
            let old = source.iter().map(|(name, value)| format!("{name} is {}", shown(value.as_str())));
            format!(" ({})", old.collect::<Vec<_>>().join(", "))
        });
        format!("{}{}", wrong.join(", "), source.unwrap_or_default())
    }
}

impl Held {
    fn told(&self) -> String {
        let (found, expected) = (shown(self.found.as_deref()), shown(self.expected.as_deref()));
        format!("{} is {found} instead of {expected}", self.column)
    }
}

/// A value on a line of its own, whatever it holds.
fn shown(value: Option<&str>) -> String {
    value.map_or_else(|| "null".to_owned(), |text| format!("{text:?}"))
}

/// The answer as a table.
pub(super) fn write_table(out: &mut (dyn Write + Send), summary: &Summary) -> io::Result<()> {
    writeln!(out, "job          {}", summary.job)?;
    if let (Some(percent), Some(seed)) = (summary.sample_percent, summary.seed) {
        writeln!(out, "sample       {percent}% of the blocks, seed {seed}")?;
    }
    writeln!(out, "rows         {}", counts(&summary.tally))?;
    if let Some(letters) = summary.dead_letters.filter(|letters| *letters > 0) {
        writeln!(out, "dead letters {letters}")?;
    }
    if summary.clock == "simulated" {
        writeln!(out, "clock        simulated")?;
    }
    writeln!(out, "result       {}", summary.told())
}

/// Counts in words; what is zero is left out.
pub(super) fn counts(tally: &Tally) -> String {
    let mut text = format!("{} checked, {} differ", tally.rows_checked, tally.rows_different);
    for (count, word) in [(tally.rows_repaired, "repaired"), (tally.rows_moved, "moved meanwhile")] {
        if count > 0 {
            text.push_str(&format!(", {count} {word}"));
        }
    }
    text
}

/// To the millisecond.
pub(super) fn seconds(elapsed: Duration) -> f64 {
    (elapsed.as_secs_f64() * 1000.0).round() / 1000.0
}
