//! Dead letters in the database: read, written, and tried again, each row in a transaction of its own.

use release_postgres::{DatabaseError, literal};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::job::Job;
use crate::patience::Patient;
use crate::statements::{Position, Statements};

/// A row that could not be filled.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Letter {
    pub(crate) id: i64,
    pub(crate) key: Position,
    pub(crate) sqlstate: String,
    pub(crate) message: String,
    pub(crate) tries: i64,
    pub(crate) at: jiff::Timestamp,
}

/// What came of another try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Retried {
    /// It is filled now, or needs nothing any more.
    Filled,
    /// There is no such row any more.
    Gone,
}

/// All letters of a job, the oldest first.
pub(crate) async fn all(patient: &mut Patient, job: &Job) -> Result<Vec<Letter>, DatabaseError> {
    let query = format!(
        "select id, key, sqlstate, message, tries, at from backfill.deadletter where job_id = {} order by id",
        job.id
    );
    patient.read(&query).await
}

/// How many there are.
pub(crate) async fn count(patient: &mut Patient, job: &Job) -> Result<u64, DatabaseError> {
    let query = format!("select count(*) as letters from backfill.deadletter where job_id = {}", job.id);
    let found = patient.read::<Value>(&query).await?;
    Ok(found.first().and_then(|row| row.get("letters")).and_then(Value::as_u64).unwrap_or(0))
}

/// The statement that writes a letter, or counts another try.
pub(crate) fn write(job: &Job, key: &[String], error: &DatabaseError) -> String {
    format!(
        "insert into backfill.deadletter (job_id, key, sqlstate, message) values ({}, {}, {}, {}) \
         on conflict (job_id, key) do update set tries = deadletter.tries + 1, sqlstate = excluded.sqlstate, \
         message = excluded.message, at = excluded.at",
        job.id,
        literal(&json!(key).to_string()),
        literal(&code(error)),
        literal(&error.to_string())
    )
}

/// Tries to fill the row; the letter goes in the same transaction, with an event.
///
/// Sent again after a lost answer it changes no row a second time, and at worst leaves a second event.
pub(crate) async fn retry(
    patient: &mut Patient,
    job: &Job,
    statements: &Statements,
    letter: &Letter,
) -> Result<Retried, DatabaseError> {
    let (id, row) = (letter.id, statements.is_row(&letter.key));
    let detail = json!({"key": letter.key});
    let message = format!(
        "{}{}; select (exists (select from {} where {row}))::text; {}; \
         delete from backfill.deadletter where id = {id}; commit",
        statements.begin(),
        statements.update_row(&letter.key),
        statements.aliased(),
        patient.actor().event(job, "dead_letter_retried", &detail),
    );
    let answer = patient.send(&message).await?;
    Ok(if answer.value(0, 0) == Some("true") { Retried::Filled } else { Retried::Gone })
}

/// Five letters, or none when the server had no say.
pub(crate) fn code(error: &DatabaseError) -> String {
    error.sqlstate().map(|code| code.to_string()).unwrap_or_default()
}
