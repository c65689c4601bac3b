//! A verification as the database remembers it: how far it has come, what it has counted, and the keys that differ.

use std::time::{Duration, Instant};

use release_common::units::Span;
use release_postgres::literal;
use serde::Deserialize;
use serde_json::json;

use super::Subject;
use super::tally::Tally;
use crate::error::Error;
use crate::patience::Patient;
use crate::state::jsonb;
use crate::statements::Position;

/// A kill costs at most so much reading.
const SAVE_EVERY: Duration = Duration::from_secs(2);
/// Rows that nobody will look at one by one need not fill a table.
const MOST_KEYS: u64 = 10_000;
/// After it the rows before the cursor have seen too much to count as checked.
const RESUME_WITHIN: &str = "24 hours";

/// The record; on a standby it stays in memory.
pub(crate) struct Record {
    id: Option<i64>,
    cursor: Option<Position>,
    tally: Tally,
    resumed: Option<Span>,
    file_node: Option<i64>,
    is_by_place: bool,
    pending: Vec<Position>,
    keys: u64,
    saved: Instant,
}

#[derive(Deserialize)]
struct Unfinished {
    id: i64,
    cursor: Vec<String>,
    age_s: f64,
    keys: u64,
    #[serde(flatten)]
    tally: Tally,
}

impl Record {
    /// Begins a verification, or goes on with one that was stopped.
    pub(crate) async fn begin(
        patient: &mut Patient,
        subject: &Subject<'_>,
        may_resume: bool,
    ) -> Result<Record, Error> {
        let mut record = Record {
            id: None,
            cursor: None,
            tally: Tally::default(),
            resumed: None,
            file_node: subject.place.file_node,
            is_by_place: subject.comparison.is_by_place(),
            pending: Vec::new(),
            keys: 0,
            saved: Instant::now(),
        };
        if subject.place.is_standby {
            return Ok(record);
        }
        if may_resume && record.resume(patient, subject).await? {
            return Ok(record);
        }
        record.id = insert(patient, subject.job.id, "full", &Tally::default(), false).await?;
        Ok(record)
    }

    async fn resume(&mut self, patient: &mut Patient, subject: &Subject<'_>) -> Result<bool, Error> {
        let query = format!(
            "select id, cursor, extract(epoch from clock_timestamp() - started_at)::float8 as age_s, rows_checked, \
             rows_different, rows_repaired, \
             (select count(*) from backfill.difference d where d.verification_id = v.id) as keys \
             from backfill.verification v where job_id = {} and kind = 'full' and ended_at is null \
             and cursor is not null and started_at > clock_timestamp() - interval '{RESUME_WITHIN}' \
             order by id desc limit 1",
            subject.job.id
        );
        let found = patient.read::<Unfinished>(&query).await;
        let mut found = found.map_err(|source| patient.error("reading earlier verifications", source))?;
        let Some(unfinished) = found.pop() else { return Ok(false) };
        // What was found without --repair would stay as it is behind the cursor; and blocks of another file are others.
        let is_unrepaired = unfinished.tally.rows_different > unfinished.tally.rows_repaired;
        let is_same_file = !self.is_by_place || unfinished.cursor.get(1) == self.file().as_ref();
        if (subject.args.repair && is_unrepaired) || !is_same_file {
            return Ok(false);
        }
        let age = Duration::try_from_secs_f64(unfinished.age_s.max(0.0).round()).unwrap_or_default();
        self.id = Some(unfinished.id);
        self.cursor = Some(unfinished.cursor);
        self.tally = unfinished.tally;
        self.keys = unfinished.keys;
        self.resumed = Some(Span(age));
        Ok(true)
    }

    fn file(&self) -> Option<String> {
        self.file_node.map(|node| node.to_string())
    }

    /// How long ago the verification began that goes on.
    pub(crate) fn resumed(&self) -> Option<Span> {
        self.resumed
    }

    /// How far it has come.
    pub(crate) fn cursor(&self) -> Option<&[String]> {
        self.cursor.as_deref()
    }

    /// What is counted.
    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Moves the cursor past a stretch and adds what was counted there.
    pub(crate) fn advance(&mut self, cursor: Position, counted: &Tally, keys: Vec<Position>) {
        let mut cursor = cursor;
        if self.is_by_place {
            cursor.extend(self.file());
        }
        self.cursor = Some(cursor);
        self.tally.add(counted);
        self.pending.extend(keys);
    }

    /// Saves when it is time to.
    pub(crate) async fn save_if_due(&mut self, patient: &mut Patient) -> Result<(), Error> {
        if self.saved.elapsed() < SAVE_EVERY { Ok(()) } else { self.save(patient, "").await }
    }

    /// Saves with the end.
    pub(crate) async fn end(&mut self, patient: &mut Patient) -> Result<(), Error> {
        self.save(patient, ", ended_at = clock_timestamp()").await
    }

    /// Saves now.
    pub(crate) async fn stop(&mut self, patient: &mut Patient) -> Result<(), Error> {
        self.save(patient, "").await
    }

    /// Forgets what was counted, for another walk.
    pub(crate) async fn restart(&mut self, patient: &mut Patient) -> Result<(), Error> {
        self.cursor = None;
        self.keys = 0;
        self.pending.clear();
        // What was repaired stays repaired, and is not found again.
        let repaired = self.tally.rows_repaired;
        self.tally = Tally { rows_different: repaired, rows_repaired: repaired, ..Tally::default() };
        let Some(id) = self.id else { return Ok(()) };
        let forget = format!("delete from backfill.difference where verification_id = {id}");
        let forgotten = patient.write(&forget).await;
        forgotten.map(drop).map_err(|source| patient.error("recording the verification", source))
    }

    async fn save(&mut self, patient: &mut Patient, also: &str) -> Result<(), Error> {
        self.saved = Instant::now();
        let Some(id) = self.id else { return Ok(()) };
        let room = usize::try_from(MOST_KEYS.saturating_sub(self.keys)).unwrap_or(0);
        let values: Vec<String> = self
            .pending
            .iter()
            .take(room)
            .map(|key| format!("({id}, {})", literal(&json!(key).to_string())))
            .collect();
        let keys = if values.is_empty() {
            String::new()
        } else {
            format!("insert into backfill.difference (verification_id, key) values {}; ", values.join(", "))
        };
        let cursor = self.cursor.as_ref().map(|cursor| json!(cursor));
        let statement = format!(
            "{keys}update backfill.verification set cursor = {}, rows_checked = {}, rows_different = {}, \
             rows_repaired = {}{also} where id = {id}",
            jsonb(cursor.as_ref()),
            self.tally.rows_checked,
            self.tally.rows_different,
            self.tally.rows_repaired,
        );
        let saved = patient.write(&statement).await;
        saved.map_err(|source| patient.error("recording the verification", source))?;
        self.keys += u64::try_from(values.len()).unwrap_or(0);
        self.pending.clear();
        release_common::fault::point("verify.saved");
        Ok(())
    }
}

/// Records a verification; its number.
pub(crate) async fn insert(
    patient: &mut Patient,
    job_id: i64,
    kind: &str,
    tally: &Tally,
    is_ended: bool,
) -> Result<Option<i64>, Error> {
    let end = if is_ended { "clock_timestamp()" } else { "null" };
    let statement = format!(
        "insert into backfill.verification (job_id, kind, ended_at, rows_checked, rows_different, rows_repaired) \
         values ({job_id}, {}, {end}, {}, {}, {}) returning id::text",
        literal(kind),
        tally.rows_checked,
        tally.rows_different,
        tally.rows_repaired
    );
    let inserted = patient.write(&statement).await;
    let answer = inserted.map_err(|source| patient.error("recording the verification", source))?;
    Ok(answer.value(0, 0).and_then(|id| id.parse().ok()))
}
