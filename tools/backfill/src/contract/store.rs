//! Keeps the looks of a job and the answer it got last.

use jiff::Timestamp;
use release_postgres::{DatabaseError, Session, literal};
use serde::Deserialize;
use serde_json::{Value, json};

use super::observation::Observation;
use super::verdict::{Answer, Reason};
use crate::job::Job;
use crate::state::{Actor, jsonb};

#[derive(Deserialize)]
struct Row {
    observation: Observation,
}

/// The looks of a job.
pub(crate) async fn read(session: &mut Session, job: &Job) -> Result<Vec<Observation>, DatabaseError> {
    let query = format!(
        "select observation from backfill.contract_observation where job_id = {} and observation ? 'postmaster_start' \
         order by observation ->> 'at'",
        job.id
    );
    Ok(session.read::<Row>(&query).await?.into_iter().map(|row| row.observation).collect())
}

/// What is to be kept.
pub(crate) struct Record<'a> {
    pub(crate) look: Option<&'a Observation>,
    /// Times of looks that need not be kept any longer.
    pub(crate) superfluous: &'a [Timestamp],
    pub(crate) columns: &'a [String],
    pub(crate) answer: Answer,
    pub(crate) reason: Reason,
}

/// Keeps a look, and the answer if it is another one than before.
pub(crate) async fn write(
    session: &mut Session,
    actor: &Actor,
    job: &Job,
    record: &Record<'_>,
) -> Result<(), DatabaseError> {
    let (columns, clock) = (json!(record.columns), literal(actor.clock()));
    let mut statements = Vec::new();
    if let Some(look) = record.look {
        statements.push(format!(
            "insert into backfill.contract_observation (job_id, clock, observation) values ({}, {clock}, {})",
            job.id,
            jsonb(Some(&json!(look)))
        ));
    }
    if !record.superfluous.is_empty() {
        let times: Vec<String> = record.superfluous.iter().map(|at| literal(&at.to_string())).collect();
        statements.push(format!(
            "delete from backfill.contract_observation where job_id = {} and clock = {clock} and \
             observation -> 'columns' = {} and observation ->> 'at' in ({})",
            job.id,
            jsonb(Some(&columns)),
            times.join(", ")
        ));
    }
    if last_answer(session, job, &columns).await? != Some((json!(record.answer), json!(record.reason))) {
        let detail = json!({"result": record.answer, "reason": record.reason, "column": columns});
        statements.push(actor.event(job, "contract_checked", &detail));
    }
    if !statements.is_empty() {
        session.write::<Value>(&statements.join("; ")).await?;
    }
    Ok(())
}

async fn last_answer(
    session: &mut Session,
    job: &Job,
    columns: &Value,
) -> Result<Option<(Value, Value)>, DatabaseError> {
    #[derive(Deserialize)]
    struct Last {
        result: Value,
        reason: Value,
    }
    let query = format!(
        "select detail -> 'result' as result, detail -> 'reason' as reason from backfill.event \
         where job_id = {} and kind = 'contract_checked' and detail -> 'column' = {} order by id desc limit 1",
        job.id,
        jsonb(Some(columns))
    );
    Ok(session.read::<Last>(&query).await?.pop().map(|last| (last.result, last.reason)))
}
