//! Fills rows that differ, in small transactions with the job's limits.

use release_postgres::DatabaseError;

use super::Subject;
use super::report::Finding;
use crate::letters;
use crate::patience::Patient;
use crate::reaction::Reaction;
use crate::statements::Position;

/// Rows per transaction: their locks are held for a moment only.
const ROWS: usize = 100;

/// Repairs rows; how many of them are right afterwards.
pub(crate) async fn rows(
    subject: &Subject<'_>,
    patient: &mut Patient,
    findings: &[Finding],
) -> Result<u64, DatabaseError> {
    let mut repaired = 0;
    for group in findings.chunks(ROWS) {
        let keys: Vec<Position> = group.iter().map(|finding| finding.key.clone()).collect();
        match fill(subject, patient, &keys).await {
            Ok(filled) if filled == count(keys.len()) => repaired += filled,
            // Rows that were not written are gone, right by now, or kept from being right by a trigger.
            Ok(filled) => repaired += filled + settled(subject, patient, &keys, filled).await?,
            Err(error) if is_row(&error) => repaired += one_by_one(subject, patient, &keys).await?,
            Err(error) => return Err(error),
        }
    }
    Ok(repaired)
}

/// Each row by itself; those that fail become dead letters.
async fn one_by_one(
    subject: &Subject<'_>,
    patient: &mut Patient,
    keys: &[Position],
) -> Result<u64, DatabaseError> {
    let mut repaired = 0;
    for key in keys {
        let one = std::slice::from_ref(key);
        match fill(subject, patient, one).await {
            Ok(0) => repaired += settled(subject, patient, one, 0).await?,
            Ok(filled) => repaired += filled,
            Err(error) if is_row(&error) => {
                patient.write(&letters::write(subject.job, key, &error)).await?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(repaired)
}

/// Writes the rows in one transaction; how many it wrote.
async fn fill(subject: &Subject<'_>, patient: &mut Patient, keys: &[Position]) -> Result<u64, DatabaseError> {
    let statements = subject.comparison.statements();
    let updates: Vec<String> = keys.iter().map(|key| statements.repair_row(key)).collect();
    let answer = patient.send(&format!("{}{}; commit", statements.begin(), updates.join("; "))).await?;
    Ok(answer.affected.iter().sum())
}

/// Of the rows that were not written, those that need nothing any more.
async fn settled(
    subject: &Subject<'_>,
    patient: &mut Patient,
    keys: &[Position],
    written: u64,
) -> Result<u64, DatabaseError> {
    #[derive(serde::Deserialize)]
    struct One {
        differs: Option<bool>,
    }
    let mut wrong = 0;
    for key in keys {
        let found = patient.read::<One>(&subject.comparison.one(key)).await?;
        wrong += u64::from(found.first().and_then(|one| one.differs).unwrap_or(false));
    }
    Ok(count(keys.len()).saturating_sub(written).saturating_sub(wrong))
}

fn count(keys: usize) -> u64 {
    u64::try_from(keys).unwrap_or(u64::MAX)
}

/// Constraints are of the data as much as the expression's own errors.
fn is_row(error: &DatabaseError) -> bool {
    error.sqlstate().is_some_and(|code| Reaction::to(code) == Reaction::Bisect)
}
