//! The walk: stretch after stretch, each in a short transaction of its own, smaller where a row's expression fails.

use std::time::{Duration, Instant};

use release_common::Signal;
use release_postgres::{DatabaseError, rows};
use serde::Deserialize;

use super::record::Record;
use super::report::{Finding, Reporter};
use super::tally::Tally;
use super::{Subject, repair};
use crate::comparison::Counted;
use crate::error::Error;
use crate::letters;
use crate::patience::{Patient, reading};
use crate::reaction::Reaction;
use crate::statements::Position;

/// Rows of a stretch: a few milliseconds of reading, against which a round trip is little.
const STRETCH: u32 = 10_000;
/// A stretch this small is looked at row by row when one of its expressions fails.
const ROW_BY_ROW: u32 = 16;
/// An application that writes old and new column in two statements has written both by then.
const SECOND_LOOK_AFTER: Duration = Duration::from_millis(200);
/// A timer costs more than a pause this short is worth.
const SHORTEST_PAUSE: Duration = Duration::from_micros(100);
/// Readers of the stream hear of it at least so often.
const TOLD_EVERY: Duration = Duration::from_secs(1);
/// Rows per block where nobody has analyzed the table.
const GUESSED_ROWS_PER_BLOCK: f64 = 50.0;

/// A walk under way.
pub(crate) struct Walker<'a, 'r> {
    subject: &'a Subject<'a>,
    patient: &'a mut Patient,
    reporter: &'a mut Reporter<'r>,
    record: &'a mut Record,
    limit: u32,
    /// In ctid order, how long the table was last seen to be.
    blocks: u64,
    /// Time of this turn that was spent waiting.
    idle: Duration,
}

/// What a stretch came to.
struct Stretch {
    counted: Tally,
    /// The cursor behind it; `None` at the end of the table.
    cursor: Option<Position>,
    findings: Vec<Finding>,
}

#[derive(Deserialize)]
struct KeyRow {
    key: Position,
}

#[derive(Deserialize)]
struct One {
    differs: Option<bool>,
}

impl<'a, 'r> Walker<'a, 'r> {
    pub(crate) fn new(
        subject: &'a Subject<'a>,
        patient: &'a mut Patient,
        reporter: &'a mut Reporter<'r>,
        record: &'a mut Record,
    ) -> Walker<'a, 'r> {
        let blocks = subject.place.blocks.unwrap_or(0);
        Walker { subject, patient, reporter, record, limit: STRETCH, blocks, idle: Duration::ZERO }
    }

    /// Walks from the record's cursor to the end of the table, or until a signal.
    pub(crate) async fn walk(&mut self) -> Result<Option<Signal>, Error> {
        loop {
            if let Some(signal) = self.patient.requested() {
                self.record.stop(self.patient).await?;
                return Ok(Some(signal));
            }
            let began = Instant::now();
            match self.stretch().await {
                Ok(stretch) => {
                    let is_last = stretch.cursor.is_none();
                    self.take(stretch).await?;
                    if is_last {
                        return Ok(None);
                    }
                }
                Err(error) => self.shrink(error)?,
            }
            self.tell().await?;
            let idle = std::mem::take(&mut self.idle);
            self.rest(began.elapsed().saturating_sub(idle)).await?;
        }
    }

    /// Compares the next stretch; after an error nothing has been counted.
    async fn stretch(&mut self) -> Result<Stretch, DatabaseError> {
        let lo = self.record.cursor().map(<[String]>::to_vec);
        let hi = self.upper_block(lo.as_deref());
        if self.subject.comparison.is_by_place() && hi.is_none() {
            return Ok(Stretch { counted: Tally::default(), cursor: None, findings: Vec::new() });
        }
        let is_smallest = match (&lo, &hi) {
            (_, None) => self.limit <= ROW_BY_ROW,
            (lo, Some(hi)) => number(hi) <= lo.as_deref().map_or(0, number) + 1,
        };
        let query = self.subject.comparison.count(lo.as_deref(), hi.as_deref(), self.limit);
        let counted = match self.read::<Counted>(&query).await {
            Ok(found) => found.into_iter().next(),
            Err(error) if is_smallest && is_row(&error) => {
                return self.row_by_row(lo.as_deref(), hi.as_deref()).await;
            }
            Err(error) => return Err(error),
        };
        let counted = counted.ok_or_else(|| DatabaseError::Row("a count without a row".to_owned()))?;
        self.blocks = counted.blocks.unwrap_or(self.blocks);
        let is_last = hi.is_none() && counted.keys < u64::from(self.limit);
        let upper = hi.or(counted.upper);
        let mut tally = Tally { rows_checked: counted.rows, ..Tally::default() };
        let mut findings = Vec::new();
        if counted.different > 0 {
            findings = self.second_look(lo.as_deref(), upper.as_deref(), &mut tally).await?;
        }
        Ok(Stretch { counted: tally, cursor: upper.filter(|_| !is_last), findings })
    }

    /// In ctid order the block before which the next stretch ends; `None` behind the end of the table.
    fn upper_block(&self, lo: Option<&[String]>) -> Option<Position> {
        if !self.subject.comparison.is_by_place() {
            return None;
        }
        let first = lo.map_or(0, number);
        let per_block = self.subject.place.rows_per_block.filter(|known| *known >= 1.0);
        let step = blocks_of(self.limit, per_block.unwrap_or(GUESSED_ROWS_PER_BLOCK));
        (first < self.blocks).then(|| vec![(first + step).min(self.blocks).to_string()])
    }

    /// The rows that differ now and still do a moment later.
    async fn second_look(
        &mut self,
        lo: Option<&[String]>,
        hi: Option<&[String]>,
        tally: &mut Tally,
    ) -> Result<Vec<Finding>, DatabaseError> {
        let query = self.subject.comparison.different_keys(lo, hi);
        let first = self.keys(&query).await?;
        if first.is_empty() {
            return Ok(Vec::new());
        }
        self.wait_for_second_look().await;
        let second: std::collections::HashSet<Position> = self.keys(&query).await?.into_iter().collect();
        let confirmed: Vec<Position> = first.iter().filter(|key| second.contains(*key)).cloned().collect();
        if self.subject.comparison.is_by_place() {
            tally.rows_moved = len(first.len() - confirmed.len());
        }
        Ok(confirmed.into_iter().map(|key| Finding { key, error: None }).collect())
    }

    /// Looks at each row of a small stretch in which an expression fails.
    async fn row_by_row(
        &mut self,
        lo: Option<&[String]>,
        hi: Option<&[String]>,
    ) -> Result<Stretch, DatabaseError> {
        let all = self.keys(&self.subject.comparison.keys(lo, hi, self.limit)).await?;
        let mut suspects = Vec::new();
        let mut rows_checked = 0;
        for key in &all {
            match self.one(key).await? {
                Some((true, error)) => {
                    rows_checked += 1;
                    suspects.push(Finding { key: key.clone(), error });
                }
                Some((false, _)) => rows_checked += 1,
                None => {}
            }
        }
        self.wait_for_second_look().await;
        let mut findings = Vec::new();
        let mut rows_moved = 0;
        for suspect in suspects {
            match self.one(&suspect.key).await? {
                Some((true, error)) => findings.push(Finding { key: suspect.key, error }),
                Some((false, _)) => {}
                None => rows_moved += u64::from(self.subject.comparison.is_by_place()),
            }
        }
        let is_last = hi.is_none() && len(all.len()) < u64::from(self.limit);
        let upper = hi.map(<[String]>::to_vec).or_else(|| all.last().cloned());
        let counted = Tally { rows_checked, rows_moved, ..Tally::default() };
        Ok(Stretch { counted, cursor: upper.filter(|_| !is_last), findings })
    }

    /// Whether a row differs; an expression that fails is no value that could be equal. `None`: no row of the job.
    async fn one(
        &mut self,
        key: &[String],
    ) -> Result<Option<(bool, Option<(String, String)>)>, DatabaseError> {
        match self.read::<One>(&self.subject.comparison.one(key)).await {
            Ok(found) => Ok(found.first().and_then(|one| one.differs).map(|differs| (differs, None))),
            Err(error) if is_row(&error) => {
                Ok(Some((true, Some((letters::code(&error), error.to_string())))))
            }
            Err(error) => Err(error),
        }
    }

    /// Counts, lists and repairs what a stretch came to.
    async fn take(&mut self, stretch: Stretch) -> Result<(), Error> {
        let Stretch { mut counted, cursor, findings } = stretch;
        self.reporter.findings(&findings, self.subject, self.patient).await?;
        counted.rows_different = len(findings.len());
        if self.subject.args.repair && !findings.is_empty() {
            let repaired = repair::rows(self.subject, self.patient, &findings).await;
            counted.rows_repaired =
                repaired.map_err(|source| self.patient.error("repairing rows", source))?;
        }
        let keys = findings.into_iter().map(|finding| finding.key).collect();
        let last = cursor.or_else(|| self.record.cursor().map(<[String]>::to_vec)).unwrap_or_default();
        self.record.advance(last, &counted, keys);
        self.limit = self.limit.saturating_mul(2).min(STRETCH);
        Ok(())
    }

    /// After an error that fewer rows may mend.
    fn shrink(&mut self, error: DatabaseError) -> Result<(), Error> {
        // While it waited for the database a signal came: the walk ends with its next turn.
        if self.patient.requested().is_some() {
            return Ok(());
        }
        let may_help = is_row(&error) || is_slow(&error);
        if !may_help || self.limit == 1 {
            return Err(self.patient.error("comparing rows", error));
        }
        self.limit /= 2;
        Ok(())
    }

    /// Pauses as the duty wants, and goes on telling where it stands.
    async fn rest(&mut self, worked: Duration) -> Result<(), Error> {
        let share = self.subject.args.duty.share();
        let mut left = worked.mul_f64((1.0 / share - 1.0).clamp(0.0, 1e6));
        while left > SHORTEST_PAUSE && self.patient.requested().is_none() {
            let pause = left.min(TOLD_EVERY);
            self.patient.sleep(pause).await;
            left -= pause;
            self.tell().await?;
        }
        Ok(())
    }

    async fn tell(&mut self) -> Result<(), Error> {
        self.reporter.progress(self.record.tally())?;
        self.record.save_if_due(self.patient).await
    }

    /// Waits for the second look; nothing is read meanwhile.
    async fn wait_for_second_look(&mut self) {
        tokio::time::sleep(SECOND_LOOK_AFTER).await;
        self.idle += SECOND_LOOK_AFTER;
    }

    async fn keys(&mut self, query: &str) -> Result<Vec<Position>, DatabaseError> {
        Ok(self.read::<KeyRow>(query).await?.into_iter().map(|row| row.key).collect())
    }

    async fn read<T: serde::de::DeserializeOwned>(&mut self, query: &str) -> Result<Vec<T>, DatabaseError> {
        rows(&self.patient.send(&reading("60s", self.subject.comparison.settings(), query)).await?)
    }
}

fn number(position: &[String]) -> u64 {
    position.first().and_then(|text| text.parse().ok()).unwrap_or(0)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and 10,000")]
fn blocks_of(rows: u32, rows_per_block: f64) -> u64 {
    (f64::from(rows) / rows_per_block).clamp(1.0, 10_000.0) as u64
}

fn len(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Whether the data of a row is at fault.
fn is_row(error: &DatabaseError) -> bool {
    error.sqlstate().is_some_and(|code| Reaction::to(code) == Reaction::Bisect)
}

fn is_slow(error: &DatabaseError) -> bool {
    error.sqlstate().is_some_and(|code| Reaction::to(code) == Reaction::Shrink)
}
