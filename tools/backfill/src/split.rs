//! Cuts the way through a table into chunks that workers share.
//!
//! A sample of blocks tells where the keys lie, so that no table is counted however large it is. Chunks only share work:
//! were all boundaries wrong, every row would still belong to exactly one of them.

use release_postgres::{DatabaseError, Session, literal};
use serde::Deserialize;
use serde_json::Value;

use crate::state::Bounds;
use crate::statements::Statements;
use crate::target::{Table, Walk};

/// Rows of a chunk: some minutes of work, so that a machine that joins late finds some.
const CHUNK_ROWS: f64 = 100_000.0;
/// More chunks than this help no number of workers.
const MOST_CHUNKS: f64 = 256.0;
/// Blocks that are read to learn where keys lie.
const SAMPLED_BLOCKS: f64 = 300.0;
/// A guess for a table that was never analyzed.
const ROWS_PER_BLOCK: f64 = 50.0;

/// Rows of the table as the catalog estimates them.
#[expect(clippy::cast_precision_loss, reason = "blocks are fewer than 2^32")]
pub(crate) fn estimated_rows(table: &Table) -> f64 {
    if table.rows > 0.0 { table.rows } else { table.blocks as f64 * ROWS_PER_BLOCK }
}

/// The chunks of the first pass; none for an empty table.
pub(crate) async fn split(
    session: &mut Session,
    statements: &Statements,
    table: &Table,
    walk: &Walk,
) -> Result<Vec<Bounds>, DatabaseError> {
    let chunks = (estimated_rows(table) / CHUNK_ROWS).clamp(1.0, MOST_CHUNKS).floor();
    match walk {
        Walk::Key { .. } => {
            let Some(highest) = highest_key(session, statements).await? else { return Ok(Vec::new()) };
            let inner = boundaries(session, statements, table, chunks, &highest).await?;
            Ok(chain(inner, highest))
        }
        Walk::Ctid { .. } => Ok(block_chunks(blocks(session, statements).await?, chunks)),
    }
}

/// The greatest key at this moment; later ones are the dual write's.
pub(crate) async fn highest_key(
    session: &mut Session,
    statements: &Statements,
) -> Result<Option<Value>, DatabaseError> {
    #[derive(Deserialize)]
    struct Highest {
        key: Value,
    }
    let query = format!(
        "select {} as key from {} {} limit 1",
        statements.key_json(),
        statements.aliased(),
        statements.order_descending()
    );
    Ok(session.read::<Highest>(&query).await?.pop().map(|found| found.key))
}

/// Blocks of the table at this moment.
pub(crate) async fn blocks(session: &mut Session, statements: &Statements) -> Result<u64, DatabaseError> {
    #[derive(Deserialize)]
    struct Blocks {
        blocks: u64,
    }
    let query = format!(
        "select pg_relation_size({}::regclass) / current_setting('block_size')::int8 as blocks",
        literal(statements.table())
    );
    Ok(session.read::<Blocks>(&query).await?.pop().map_or(0, |found| found.blocks))
}

async fn boundaries(
    session: &mut Session,
    statements: &Statements,
    table: &Table,
    chunks: f64,
    highest: &Value,
) -> Result<Vec<Value>, DatabaseError> {
    #[derive(Deserialize)]
    struct Boundary {
        key: Value,
    }
    if chunks < 2.0 {
        return Ok(Vec::new());
    }
    #[expect(clippy::cast_precision_loss, reason = "blocks are fewer than 2^32")]
    let percent = (SAMPLED_BLOCKS / table.blocks.max(1) as f64 * 100.0).clamp(0.000_1, 100.0);
    let query = format!(
        "select key from (select {} as key, row_number() over ({}) as place, count(*) over () as number \
         from {} tablesample system ({percent}) where {}) as sample \
         where place % greatest(number / {chunks}, 1) = 0 order by place limit {chunks} - 1",
        statements.key_json(),
        statements.order(),
        statements.aliased(),
        // Rows of greater keys may have come since.
        statements.range(None, position(highest).as_deref()),
    );
    let found = session.read::<Boundary>(&query).await?;
    Ok(found.into_iter().map(|boundary| boundary.key).collect())
}

/// A recorded position as texts.
pub(crate) fn position(value: &Value) -> Option<Vec<String>> {
    serde_json::from_value(value.clone()).ok()
}

/// Chunks between boundaries in rising order; the first begins below every key.
fn chain(mut boundaries: Vec<Value>, highest: Value) -> Vec<Bounds> {
    boundaries.dedup();
    // A sampled row may be the greatest itself.
    boundaries.retain(|boundary| *boundary != highest);
    let ends: Vec<Value> = boundaries.into_iter().chain([highest]).collect();
    let begins = [None].into_iter().chain(ends.iter().cloned().map(Some));
    begins.zip(ends.iter().cloned()).map(|(lo, hi)| Bounds { lo, hi: Some(hi) }).collect()
}

/// Equal shares of the blocks; the numbers are texts, as keys are.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "blocks are fewer than 2^32"
)]
pub(crate) fn block_chunks(blocks: u64, chunks: f64) -> Vec<Bounds> {
    let chunks = chunks.min(blocks as f64).max(0.0) as u64;
    let edge = |number: u64| Some(Value::from(vec![(blocks * number / chunks.max(1)).to_string()]));
    (0..chunks).map(|number| Bounds { lo: edge(number), hi: edge(number + 1) }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{Bounds, block_chunks, chain};

    #[test]
    fn chunks_follow_each_other_without_a_gap() {
        let chunks = chain(vec![json!(["3"]), json!(["3"]), json!(["7"]), json!(["9"])], json!(["9"]));
        let bounds = |lo: Value, hi: Value| Bounds { lo: Some(lo).filter(|lo| !lo.is_null()), hi: Some(hi) };
        let expected = [
            bounds(Value::Null, json!(["3"])),
            bounds(json!(["3"]), json!(["7"])),
            bounds(json!(["7"]), json!(["9"])),
        ];
        assert_eq!(chunks, expected);
    }

    proptest! {
        #[test]
        fn every_block_belongs_to_one_chunk(blocks in 0_u64..10_000, chunks in 1_u32..300) {
            let found = block_chunks(blocks, f64::from(chunks));
            let number = |value: &Option<Value>| value.as_ref().unwrap()[0].as_str().unwrap().parse::<u64>().unwrap();
            let mut next = 0;
            for chunk in &found {
                prop_assert_eq!(number(&chunk.lo), next);
                next = number(&chunk.hi);
            }
            prop_assert_eq!(next, blocks);
        }
    }
}
