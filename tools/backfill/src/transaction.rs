//! One batch as one transaction: the rows and the checkpoint commit together or not at all.

use release_common::fault;
use release_postgres::{DatabaseError, Session, literal};
use serde_json::{Value, json};

use crate::chunks::Chunk;
use crate::job::{Desired, Job};
use crate::live::{Note, Stop};
use crate::reaction::Reaction;
use crate::statements::{Position, Statements, Step};

/// A batch about to be tried.
pub(crate) struct Batch<'a> {
    pub(crate) statements: &'a Statements,
    pub(crate) chunk: &'a Chunk,
    /// Most keys.
    pub(crate) keys: u32,
}

/// A batch that was committed.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    pub(crate) cursor: Position,
    pub(crate) seq: i64,
    pub(crate) step: Step,
    /// What the job's row asks for in the meantime.
    pub(crate) stop: Option<Stop>,
}

/// A row that was left out.
pub(crate) struct LeftOut {
    pub(crate) done: Done,
    pub(crate) letters: Vec<Note>,
    pub(crate) is_over_limit: bool,
}

/// Where a batch ends.
struct End {
    upper: Position,
    is_last: bool,
}

/// Runs one batch.
///
/// # Errors
/// What the server or the connection says. Unless the answer to the commit was lost, nothing has happened.
pub(crate) async fn run(session: &mut Session, batch: &Batch<'_>) -> Result<Done, DatabaseError> {
    let end = begin(session, batch).await?;
    fault::point("batch.begun");
    let statements = batch.statements;
    let update = statements.update(batch.chunk.position(), Some(&end.upper));
    let answer = session.send(&update).await?;
    let written = answer.affected.last().copied().unwrap_or(0);
    fault::point("batch.updated");
    let keys = if end.is_last { written } else { u64::from(batch.keys).max(written) };
    let step = Step { keys, rows: written, is_last: end.is_last };
    commit(session, batch, end.upper, step, "").await
}

/// Opens the transaction and finds where the batch ends.
async fn begin(session: &mut Session, batch: &Batch<'_>) -> Result<End, DatabaseError> {
    let (statements, chunk) = (batch.statements, batch.chunk);
    // The bounds of a chunk are fixed when it is made: a batch always has an end.
    let hi = chunk.hi.clone().unwrap_or_default();
    if let Some(upper) = statements.upper_block(chunk.position(), &hi, batch.keys) {
        session.send(&statements.begin()).await?;
        let is_last = upper == hi;
        return Ok(End { upper, is_last });
    }
    let probe = statements.upper_key(chunk.position(), Some(&hi), batch.keys);
    let answer = session.send(&format!("{}{probe}", statements.begin())).await?;
    let found: Option<Position> =
        answer.rows.into_iter().next().map(|row| row.into_iter().flatten().collect());
    // The key at the very end of the chunk ends it as well.
    Ok(match found {
        Some(upper) if upper != hi => End { upper, is_last: false },
        _ => End { upper: hi, is_last: true },
    })
}

async fn commit(
    session: &mut Session,
    batch: &Batch<'_>,
    upper: Position,
    step: Step,
    also: &str,
) -> Result<Done, DatabaseError> {
    let checkpoint = batch.statements.checkpoint(batch.chunk.claim(), &upper, &step);
    let answer = session.send(&format!("{also}{checkpoint}; commit")).await?;
    let row = answer.rows.last();
    let value = |column: usize| row.and_then(|row| row.get(column)).and_then(Option::as_deref);
    let stop = match value(0) {
        Some(name) if name == Desired::Pause.name() => Some(Stop::Paused),
        Some(name) if name == Desired::Cancel.name() => Some(Stop::Cancelled),
        _ => None,
    };
    let seq = value(2).and_then(|text| text.parse().ok()).unwrap_or(batch.chunk.seq + 1);
    Ok(Done { cursor: upper, seq, step, stop })
}

/// Leaves out the one row that cannot be filled, in one transaction with the checkpoint behind it.
pub(crate) async fn leave_out(
    session: &mut Session,
    job: &Job,
    batch: &Batch<'_>,
    error: &DatabaseError,
    most: u64,
) -> Result<LeftOut, DatabaseError> {
    let end = begin(session, batch).await?;
    let is_block = batch.statements.upper_block(batch.chunk.position(), &end.upper, 1).is_some();
    let (letters, rows) = if is_block {
        session.send("rollback").await?;
        let found = block(session, batch, &end).await?;
        session.send(&batch.statements.begin()).await?;
        found
    } else {
        (vec![letter(&end.upper, error)], 0)
    };
    let statements: String = letters.iter().map(|note| insert(job, note)).collect();
    let step = Step { keys: u64::try_from(letters.len()).unwrap_or(0), rows, is_last: end.is_last };
    let done = commit(session, batch, end.upper, step, &statements).await?;
    let count = format!("select count(*) as letters from backfill.deadletter where job_id = {}", job.id);
    let count = session.read::<Value>(&count).await?;
    let count = count.first().and_then(|row| row.get("letters")).and_then(Value::as_u64).unwrap_or(0);
    Ok(LeftOut { done, letters, is_over_limit: count > most })
}

/// A block holds many rows: each is tried by itself, and those that fail are told.
async fn block(
    session: &mut Session,
    batch: &Batch<'_>,
    end: &End,
) -> Result<(Vec<Note>, u64), DatabaseError> {
    let statements = batch.statements;
    let keys = statements.keys_in_need(batch.chunk.position(), Some(&end.upper));
    let mut letters = Vec::new();
    let mut written = 0;
    for key in session.read::<KeyRow>(&keys).await?.into_iter().map(|row| row.key) {
        let message = format!("{} {}; commit", statements.begin(), statements.update_row(&key));
        match session.send(&message).await {
            Ok(answer) => written += answer.affected.iter().sum::<u64>(),
            Err(error) if is_data_error(&error) => letters.push(letter(&key, &error)),
            Err(error) => return Err(error),
        }
    }
    Ok((letters, written))
}

#[derive(serde::Deserialize)]
struct KeyRow {
    key: Position,
}

fn is_data_error(error: &DatabaseError) -> bool {
    error.sqlstate().is_some_and(|code| Reaction::to(code) == Reaction::Bisect)
}

fn letter(key: &[String], error: &DatabaseError) -> Note {
    Note::DeadLetter {
        key: key.to_vec(),
        sqlstate: error.sqlstate().map(|code| code.to_string()).unwrap_or_default(),
        message: error.to_string(),
    }
}

fn insert(job: &Job, note: &Note) -> String {
    let Note::DeadLetter { key, sqlstate, message } = note else { return String::new() };
    format!(
        "insert into backfill.deadletter (job_id, key, sqlstate, message) values ({}, {}, {}, {}) \
         on conflict (job_id, key) do update set tries = deadletter.tries + 1, sqlstate = excluded.sqlstate, \
         message = excluded.message, at = excluded.at; ",
        job.id,
        literal(&json!(key).to_string()),
        literal(sqlstate),
        literal(message)
    )
}
