//! When a job is done: after one pass along an ascending key, else when a whole pass found nothing to do.

use release_postgres::{DatabaseError, LIMITS, Session, literal, rows};
use serde::Deserialize;
use serde_json::Value;

use crate::job::{Job, State};
use crate::state::{self, Actor};
use crate::statements::Statements;
use crate::target::Walk;

/// A job whose rows keep needing work after so many passes is being written to behind its back.
const MOST_PASSES: i32 = 8;

/// What follows the end of a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Every row was seen.
    Done,
    /// Look again.
    Pass,
    /// Rows keep coming that need work.
    Endless,
}

/// Decides from the way, the number of the pass that has ended and the rows that it wrote.
pub(crate) fn next(walk: &Walk, pass: i32, rows_written: i64) -> Next {
    let needs_quiet_pass = match walk {
        Walk::Key { is_scattered, .. } => *is_scattered,
        // A row that another session moved may have passed the cursor unseen.
        Walk::Ctid { .. } => true,
    };
    if !needs_quiet_pass || rows_written == 0 {
        Next::Done
    } else if pass >= MOST_PASSES {
        Next::Endless
    } else {
        Next::Pass
    }
}

/// What came of the end of a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// The job is done, or another worker has closed the pass.
    Done,
    /// Another pass begins.
    Again { pass: i32, rows_written: i64 },
    /// Rows keep coming that need work.
    Endless,
    /// Somebody has ended the job meanwhile.
    Over,
}

#[derive(Deserialize)]
struct Ended {
    state: State,
    pass: i32,
    left: i64,
    rows_written: i64,
}

/// Closes a pass of which no chunk is left. The job's row is locked meanwhile, so that one worker decides.
pub(crate) async fn close(
    session: &mut Session,
    job: &Job,
    statements: &Statements,
    actor: &Actor,
) -> Result<Closed, DatabaseError> {
    let id = job.id;
    let query = format!(
        "begin; {LIMITS}; select from backfill.job where id = {id} for update; \
         select row_to_json(ended)::text from (select j.state, j.pass, \
         count(c.n) filter (where not c.is_done) as left, coalesce(sum(c.rows_written), 0)::int8 as rows_written \
         from backfill.job j left join backfill.chunk c on c.job_id = j.id and c.pass = j.pass \
         where j.id = {id} group by j.id) ended"
    );
    let answer = session.send(&query).await?;
    let Some(ended) = rows::<Ended>(&answer)?.pop() else {
        session.send("rollback").await?;
        return Ok(Closed::Done);
    };
    if matches!(ended.state, State::Cancelled | State::Failed) {
        session.send("rollback").await?;
        return Ok(Closed::Over);
    }
    if ended.left > 0 || ended.state == State::Done {
        session.send("rollback").await?;
        let rows_written = ended.rows_written;
        return Ok(if ended.left > 0 {
            Closed::Again { pass: ended.pass, rows_written }
        } else {
            Closed::Done
        });
    }
    let (statement, closed) = match next(&job.target.walk, ended.pass, ended.rows_written) {
        Next::Done => (done(job, actor), Closed::Done),
        Next::Endless => {
            session.send("rollback").await?;
            return Ok(Closed::Endless);
        }
        Next::Pass => {
            let pass = ended.pass + 1;
            (
                again(session, job, statements, pass).await?,
                Closed::Again { pass, rows_written: ended.rows_written },
            )
        }
    };
    // Durable, and with it every batch before it: the log of the server is written in order.
    session.send(&format!("{statement}; commit")).await?;
    release_common::fault::point("pass.closed");
    Ok(closed)
}

fn done(job: &Job, actor: &Actor) -> String {
    format!(
        "update backfill.job set state = 'done', done_at = clock_timestamp(), reason = null where id = {}; {}",
        job.id,
        actor.event(job, State::Done.name(), &Value::Null)
    )
}

/// The chunks of the first pass once more, the last one up to what the table has grown to.
async fn again(
    session: &mut Session,
    job: &Job,
    statements: &Statements,
    pass: i32,
) -> Result<String, DatabaseError> {
    let hi = match &job.target.walk {
        Walk::Key { .. } => highest_key(session, statements).await?,
        Walk::Ctid { .. } => Some(Value::from(vec![current_blocks(session, statements).await?])),
    };
    let id = job.id;
    Ok(format!(
        "insert into backfill.chunk (job_id, pass, n, lo, hi) \
         select job_id, {pass}, n, lo, case when n = max(n) over () then coalesce({}, hi) else hi end \
         from backfill.chunk where job_id = {id} and pass = 1; \
         update backfill.job set pass = {pass} where id = {id}",
        state::jsonb(hi.as_ref())
    ))
}

/// As `split::highest_key`, within the open transaction.
async fn highest_key(session: &mut Session, statements: &Statements) -> Result<Option<Value>, DatabaseError> {
    let query = format!(
        "select {}::text from {} {} limit 1",
        statements.key_json(),
        statements.aliased(),
        statements.order_descending()
    );
    let answer = session.send(&query).await?;
    Ok(answer.value(0, 0).and_then(|text| serde_json::from_str(text).ok()))
}

async fn current_blocks(session: &mut Session, statements: &Statements) -> Result<String, DatabaseError> {
    let query = format!(
        "select (pg_relation_size({}::regclass) / current_setting('block_size')::int8)::text",
        literal(statements.table())
    );
    Ok(session.send(&query).await?.value(0, 0).unwrap_or("0").to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Next, next};
    use crate::target::Walk;

    #[test]
    fn blocks_and_scattered_keys_are_walked_until_nothing_is_found() {
        let key = |is_scattered| Walk::Key { columns: Vec::new(), is_scattered };
        let blocks = Walk::Ctid { file_node: 1, rows_per_block: 50 };
        for (walk, pass, rows, expected) in [
            (key(false), 1, 10, Next::Done),
            (key(true), 1, 10, Next::Pass),
            (key(true), 2, 0, Next::Done),
            (blocks.clone(), 1, 10, Next::Pass),
            (blocks.clone(), 7, 1, Next::Pass),
            (blocks.clone(), 8, 1, Next::Endless),
            (blocks, 1, 0, Next::Done),
        ] {
            assert_eq!(next(&walk, pass, rows), expected, "{walk:?} {pass} {rows}");
        }
    }
}
