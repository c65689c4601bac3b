//! A look at a share of the table's blocks, and what that proves.
//!
//! Blocks are drawn, not rows: rows that were written together lie together, and are right or wrong together. So the
//! bound is the rule of three for as many rows drawn one by one, and the report says that it is not quite that.

use std::collections::HashSet;
use std::time::Duration;

use release_common::units::Percent;
use release_postgres::{DatabaseError, rows};
use serde::Deserialize;

use super::record;
use super::report::{Finding, Reporter};
use super::tally::{Ending, Tally};
use super::{Mode, Reason, Subject};
use crate::comparison::Counted;
use crate::error::Error;
use crate::letters;
use crate::patience::{Patient, reading};
use crate::reaction::Reaction;
use crate::statements::Position;

/// More keys than anybody looks at are not read again.
const MOST_KEYS: u32 = 10_000;
/// See `walk`.
const SECOND_LOOK_AFTER: Duration = Duration::from_millis(200);

#[derive(Deserialize)]
struct KeyRow {
    key: Position,
}

/// Draws one sample.
pub(crate) async fn run(
    subject: &Subject<'_>,
    percent: Percent,
    patient: &mut Patient,
    reporter: &mut Reporter<'_>,
) -> Result<Ending, Error> {
    let seed = getrandom::u32().unwrap_or_default() >> 1;
    reporter.seed(seed);
    match draw(subject, percent.value(), seed, patient).await {
        Ok((tally, findings, is_empty)) => {
            reporter.findings(&findings, subject, patient).await?;
            if !subject.place.is_standby {
                record::insert(patient, subject.job.id, "sample", &tally, true).await?;
            }
            Ok(Ending::sampled(tally, is_empty))
        }
        // Which row it was, only a walk can tell.
        Err(error) if error.sqlstate().is_some_and(|code| Reaction::to(code) == Reaction::Bisect) => {
            reporter.note(format_args!(
                "the expression of a sampled row fails: {error} ({}); without --sample it is named",
                letters::code(&error)
            ));
            let tally = Tally { rows_different: 1, ..Tally::default() };
            Ok(Ending::new(Mode::Sample, Reason::Different, tally))
        }
        Err(source) => Err(patient.error("sampling rows", source)),
    }
}

async fn draw(
    subject: &Subject<'_>,
    percent: f64,
    seed: u32,
    patient: &mut Patient,
) -> Result<(Tally, Vec<Finding>, bool), DatabaseError> {
    let comparison = subject.comparison;
    let counted = read::<Counted>(patient, &comparison.sample(percent, seed)).await?;
    let counted = counted.into_iter().next();
    let counted = counted.ok_or_else(|| DatabaseError::Row("a count without a row".to_owned()))?;
    let mut tally = Tally { rows_checked: counted.rows, ..Tally::default() };
    let mut findings = Vec::new();
    if counted.different > 0 {
        let query = comparison.sample_keys(percent, seed, MOST_KEYS);
        let first = keys(patient, &query).await?;
        tokio::time::sleep(SECOND_LOOK_AFTER).await;
        let second: HashSet<Position> = keys(patient, &query).await?.into_iter().collect();
        let confirmed = first.into_iter().filter(|key| second.contains(key));
        findings.extend(confirmed.map(|key| Finding { key, error: None }));
        let confirmed = u64::try_from(findings.len()).unwrap_or(u64::MAX);
        // Beyond the limit the first look has to do.
        let is_cut = confirmed >= u64::from(MOST_KEYS);
        tally.rows_different = if is_cut { counted.different } else { confirmed };
    }
    let is_empty = counted.keys == 0 && is_empty(subject, patient).await?;
    Ok((tally, findings, is_empty))
}

async fn is_empty(subject: &Subject<'_>, patient: &mut Patient) -> Result<bool, DatabaseError> {
    let query = format!("select 1 as one from {} limit 1", subject.comparison.statements().aliased());
    Ok(read::<serde_json::Value>(patient, &query).await?.is_empty())
}

async fn keys(patient: &mut Patient, query: &str) -> Result<Vec<Position>, DatabaseError> {
    Ok(read::<KeyRow>(patient, query).await?.into_iter().map(|row| row.key).collect())
}

/// A share of a huge table takes a while, and a sample is drawn at one moment.
async fn read<T: serde::de::DeserializeOwned>(
    patient: &mut Patient,
    query: &str,
) -> Result<Vec<T>, DatabaseError> {
    rows(&patient.send(&reading("10min", "", query)).await?)
}
