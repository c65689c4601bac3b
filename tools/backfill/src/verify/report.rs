//! What `verify` tells: lines of JSON while it goes on, or text for people.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use super::Subject;
use super::lines::{Line, Shown, Summary, counts, seconds, write_table};
use super::tally::{Ending, Tally};
use crate::cli::VerifyArgs;
use crate::error::Error;
use crate::patience::Patient;
use crate::statements::Position;
use indicatif::{ProgressBar, ProgressStyle};
use release_common::Context;
use release_common::output::github::{Annotation, Level, annotations};
use release_common::output::{Format, JsonLines};

/// Between two `progress` lines.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);
/// Rows whose values one query fetches.
const VALUES_AT_ONCE: usize = 100;

/// A row that differs.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) key: Position,
    /// The server's code and words, where the expression fails.
    pub(crate) error: Option<(String, String)>,
}

/// Where lines go.
pub(crate) struct Reporter<'a> {
    context: &'a mut Context,
    format: Format,
    shows_values: bool,
    left_to_list: usize,
    rows_estimated: u64,
    seed: Option<u32>,
    tally: Tally,
    began: Instant,
    /// Rows that an earlier process had checked are no measure of this one's pace.
    rows_before: Option<u64>,
    told: Instant,
    bar: Option<ProgressBar>,
}

impl<'a> Reporter<'a> {
    pub(crate) fn new(context: &'a mut Context, args: &VerifyArgs, rows_estimated: u64) -> Reporter<'a> {
        Reporter {
            format: args.report.format(),
            shows_values: args.show_values,
            left_to_list: usize::try_from(args.list).unwrap_or(usize::MAX),
            rows_estimated,
            seed: None,
            tally: Tally::default(),
            began: Instant::now(),
            rows_before: None,
            told: Instant::now(),
            bar: None,
            context,
        }
    }

    /// Something that explains what happens.
    pub(crate) fn note(&self, message: fmt::Arguments<'_>) {
        self.context.console.note(message);
    }

    /// The seed of a sample: with it the same blocks can be read again.
    pub(crate) fn seed(&mut self, seed: u32) {
        self.seed = Some(seed);
    }

    /// What was last counted.
    pub(crate) fn tally(&self) -> Tally {
        self.tally.clone()
    }

    /// Where it stands.
    pub(crate) fn progress(&mut self, tally: &Tally) -> io::Result<()> {
        self.tally.clone_from(tally);
        let before = *self.rows_before.get_or_insert(tally.rows_checked);
        if self.context.console.wants_progress() {
            let rows = self.rows_estimated;
            let bar = self.bar.get_or_insert_with(|| bar(rows));
            bar.set_length(rows.max(tally.rows_checked));
            bar.set_position(tally.rows_checked);
            bar.set_message(format!("{} differ", tally.rows_different));
        }
        if self.format != Format::Json || self.told.elapsed() < PROGRESS_EVERY {
            return Ok(());
        }
        self.told = Instant::now();
        let rows_per_s = per_second(tally.rows_checked.saturating_sub(before), self.began.elapsed());
        let left = self.rows_estimated.saturating_sub(tally.rows_checked);
        let eta_s = (rows_per_s > 0.0).then(|| (as_f64(left) / rows_per_s).round());
        self.line(&Line::Progress { tally, rows_estimated: self.rows_estimated, rows_per_s, eta_s })
    }

    /// Rows that differ, up to what `--list` allows; their values are read once more for that.
    pub(crate) async fn findings(
        &mut self,
        findings: &[Finding],
        subject: &Subject<'_>,
        patient: &mut Patient,
    ) -> Result<(), Error> {
        let listed = findings.get(..findings.len().min(self.left_to_list)).unwrap_or_default();
        self.left_to_list = self.left_to_list.saturating_sub(listed.len());
        for group in listed.chunks(VALUES_AT_ONCE) {
            // Where an expression fails there are no values to show.
            let keys: Vec<Position> = group
                .iter()
                .filter(|finding| finding.error.is_none())
                .map(|finding| finding.key.clone())
                .collect();
            let mut shown: Vec<Shown> = Vec::new();
            if self.shows_values && !keys.is_empty() {
                let read = patient.read::<Shown>(&subject.comparison.values(&keys)).await;
                shown = read.map_err(|source| patient.error("reading values", source))?;
            }
            for finding in group {
                let values = shown.iter().find(|row| row.key == finding.key);
                self.finding(finding, values)?;
            }
        }
        Ok(())
    }

    fn finding(&mut self, finding: &Finding, shown: Option<&Shown>) -> io::Result<()> {
        let error = finding.error.as_ref();
        if self.format == Format::Json {
            let sqlstate = error.map(|(code, _)| code.as_str());
            let message = error.map(|(_, message)| message.as_str());
            return self.line(&Line::Difference { key: &finding.key, sqlstate, message, shown });
        }
        let key = finding.key.join(", ");
        let told = match (error, shown) {
            (Some((code, message)), _) => format!("the expression fails: {message} ({code})"),
            (None, Some(shown)) => shown.told(),
            (None, None) => "differs".to_owned(),
        };
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        writeln!(self.context.stdout(), "row          ({key}) {told}")
    }

    /// The end of a round of `--follow`.
    pub(crate) fn round(&mut self, round: u32, ending: &Ending, elapsed: Duration) -> io::Result<()> {
        self.rows_before = None;
        self.began = Instant::now();
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        let (tally, reason, dead_letters) = (&ending.tally, ending.reason, ending.dead_letters);
        if self.format == Format::Json {
            let elapsed_s = seconds(elapsed);
            return self.line(&Line::Round { round, reason, tally, dead_letters, elapsed_s });
        }
        let counts = counts(tally);
        writeln!(self.context.stdout(), "round        {round}: {counts}")?;
        self.context.stdout().flush()
    }

    /// The end.
    pub(crate) fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        let summary = summary.clone().with_seed(self.seed);
        if self.format == Format::Json {
            return self.line(&Line::Summary(&summary));
        }
        write_table(self.context.stdout(), &summary)?;
        if self.format == Format::Github && summary.is_bad() {
            let message = format!("backfill verify {}: {}", summary.job, summary.told());
            let error = Annotation { level: Level::Error, file: None, message };
            write!(self.context.stdout(), "{}", annotations(&[error]))?;
        }
        Ok(())
    }

    fn line(&mut self, line: &Line<'_>) -> io::Result<()> {
        JsonLines::new(self.context.stdout()).write(line)
    }
}

fn bar(rows: u64) -> ProgressBar {
    let bar = ProgressBar::new(rows);
    let template = "{bar:40} {pos} of about {len} rows  {per_sec}  {eta} left  {msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

/// Rows per second, without digits that nobody reads.
fn per_second(rows: u64, elapsed: Duration) -> f64 {
    let elapsed = elapsed.as_secs_f64();
    if elapsed > 0.0 { (as_f64(rows) / elapsed).round() } else { 0.0 }
}

#[expect(clippy::cast_precision_loss, reason = "rates and remaining times are estimates")]
fn as_f64(rows: u64) -> f64 {
    rows as f64
}
