//! Chunks in the database: claimed by one worker at a time, given back, and counted.

use release_postgres::{DatabaseError, LIMITS, Session, literal, rows};
use serde::Deserialize;
use serde_json::Value;

use crate::job::{Desired, Job, State};
use crate::owner::Owner;
use crate::statements::{Claim, Position, lease_end};

/// A chunk that this worker holds.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Chunk {
    pub(crate) pass: i32,
    pub(crate) n: i32,
    pub(crate) lo: Option<Position>,
    pub(crate) hi: Option<Position>,
    /// Exclusive; the place up to which the work is done.
    pub(crate) cursor: Option<Position>,
    pub(crate) seq: i64,
    pub(crate) epoch: i64,
}

impl Chunk {
    /// What a checkpoint names.
    pub(crate) fn claim(&self) -> Claim {
        Claim { pass: self.pass, n: self.n, epoch: self.epoch }
    }

    /// Where the next batch begins.
    pub(crate) fn position(&self) -> Option<&[String]> {
        self.cursor.as_deref().or(self.lo.as_deref())
    }
}

/// What came of asking for a chunk.
#[derive(Debug)]
pub(crate) enum Claimed {
    /// It is ours.
    Chunk(Chunk),
    /// All that is left belongs to others for now.
    Elsewhere,
    /// The pass has none left.
    PassDone,
    /// The job wants no workers.
    NotNow(State, Desired),
}

const COLUMNS: &str = "c.pass, c.n, c.lo, c.hi, c.cursor, c.seq, c.epoch";

/// Claims a free chunk, one whose lease has ended, or one whose owner has died on this machine. Who claims holds
/// nothing: a chunk of its own is one whose claim's answer was lost, or whose end a crash of the server took back.
pub(crate) async fn claim(session: &mut Session, job: &Job, owner: &Owner) -> Result<Claimed, DatabaseError> {
    let standing = standing(session, job).await?;
    let may_work =
        matches!(standing.state, State::Ready | State::Running) && standing.desired == Desired::Run;
    if !may_work {
        return Ok(Claimed::NotNow(standing.state, standing.desired));
    }
    if standing.left == 0 {
        return Ok(Claimed::PassDone);
    }
    let own = literal(&owner.to_string());
    let dead = standing.owners.iter().filter(|owner| Owner::is_dead(owner)).map(|owner| literal(owner));
    let idle = dead.chain([own.clone()]).collect::<Vec<_>>().join(", ");
    // A claim is durable, unlike a batch: nobody may lose an epoch that has fenced somebody.
    let message = format!(
        "begin; {LIMITS}; with free as (select job_id, pass, n from backfill.chunk \
         where job_id = {id} and pass = {pass} and not is_done \
         and (lease_until is null or lease_until < clock_timestamp() or owner in ({idle})) \
         order by n limit 1 for update skip locked), \
         claimed as (update backfill.chunk c set owner = {own}, epoch = c.epoch + 1, lease_until = {lease} \
         from free where (c.job_id, c.pass, c.n) = (free.job_id, free.pass, free.n) returning {COLUMNS}) \
         select row_to_json(claimed)::text from claimed; commit",
        id = job.id,
        pass = standing.pass,
        lease = lease_end(),
    );
    let found = rows::<Chunk>(&session.send(&message).await?)?.pop();
    Ok(found.map_or(Claimed::Elsewhere, Claimed::Chunk))
}

/// The chunk as the database has it, if the claim still holds: after a lost answer.
pub(crate) async fn read_again(
    session: &mut Session,
    job: &Job,
    chunk: &Chunk,
) -> Result<Option<Chunk>, DatabaseError> {
    let query = format!(
        "select {COLUMNS} from backfill.chunk c where job_id = {} and pass = {} and n = {} and epoch = {} \
         and not is_done",
        job.id, chunk.pass, chunk.n, chunk.epoch
    );
    Ok(session.read::<Chunk>(&query).await?.pop())
}

/// Gives a chunk back, so that nobody waits for the end of its lease.
pub(crate) async fn release(session: &mut Session, job: &Job, claim: Claim) -> Result<(), DatabaseError> {
    let statement = format!(
        "update backfill.chunk set owner = null, lease_until = null where job_id = {} and pass = {} and n = {} \
         and epoch = {} and not is_done",
        job.id, claim.pass, claim.n, claim.epoch
    );
    session.write::<Value>(&statement).await.map(drop)
}

/// Where a job stands.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Standing {
    pub(crate) state: State,
    pub(crate) desired: Desired,
    pub(crate) duty: Option<f64>,
    pub(crate) pass: i32,
    /// Chunks of the pass that are not done.
    pub(crate) left: i64,
    pub(crate) chunks: i64,
    /// Those who hold some.
    pub(crate) owners: Vec<String>,
    /// Of the first pass: what share of the way is done.
    pub(crate) keys_seen: i64,
    pub(crate) rows_written: i64,
    pub(crate) dead_letters: i64,
}

/// Reads where a job stands.
pub(crate) async fn standing(session: &mut Session, job: &Job) -> Result<Standing, DatabaseError> {
    let query = format!(
        "select j.state, j.desired, j.duty, j.pass, \
         count(c.n) filter (where c.pass = j.pass and not c.is_done) as left, \
         count(c.n) filter (where c.pass = j.pass) as chunks, \
         coalesce(json_agg(distinct c.owner) filter (where c.lease_until is not null and not c.is_done), '[]') as owners, \
         coalesce(sum(c.keys_seen) filter (where c.pass = j.pass), 0)::int8 as keys_seen, \
         coalesce(sum(c.rows_written), 0)::int8 as rows_written, \
         (select count(*) from backfill.deadletter d where d.job_id = j.id) as dead_letters \
         from backfill.job j left join backfill.chunk c on c.job_id = j.id where j.id = {} group by j.id",
        job.id
    );
    let gone = || DatabaseError::Row(format!("job {} is gone", job.name));
    session.read::<Standing>(&query).await?.pop().ok_or_else(gone)
}
