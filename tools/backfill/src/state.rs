//! Jobs in the database: recorded, found, ordered about, and every change written down.

use release_common::Clock;
use release_postgres::{DatabaseError, LIMITS, Session, literal, nullable};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::job::{Desired, Job, State};
use crate::spec::Spec;
use crate::target::Target;

const LAYOUT: &str = include_str!("state.sql");
/// Our own space of advisory locks ("slip", "bf"); Prisma's is 72707369. Held within transactions only.
const LAYOUT_LOCK: &str = "select pg_advisory_xact_lock(1936484720, 25190)";

/// An advisory lock does not tell a session what others have committed meanwhile; opening a table does. Without it the
/// second of two first runs still believes that there is no schema, and fails to create it.
const LOOK_AROUND: &str = "select from pg_catalog.pg_namespace limit 0";

/// Who does something, as events record it.
#[derive(Clone, Debug)]
pub struct Actor {
    /// `user@host`, with the process.
    pub name: String,
    /// Whether a test moved the time.
    pub is_simulated: bool,
}

impl Actor {
    /// This process.
    pub fn this(clock: &dyn Clock) -> Actor {
        let user =
            std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "?".to_owned());
        let node = rustix::system::uname();
        let host = node.nodename().to_string_lossy().into_owned();
        Actor { name: format!("{user}@{host}/{}", std::process::id()), is_simulated: clock.is_simulated() }
    }

    /// As events and reports name the clock.
    pub fn clock(&self) -> &'static str {
        if self.is_simulated { "simulated" } else { "system" }
    }

    /// The statement that records that `job` had `kind` happen to it.
    pub fn event(&self, job: &Job, kind: &str, detail: &Value) -> String {
        self.event_of(&job.id.to_string(), &job.name, kind, detail)
    }

    fn event_of(&self, id: &str, job: &str, kind: &str, detail: &Value) -> String {
        format!(
            "insert into backfill.event (job_id, job, actor, kind, clock, detail) select {id}, {}, {} || ' as ' || \
             current_user, {}, {}, {}",
            literal(job),
            literal(&self.name),
            literal(kind),
            literal(self.clock()),
            literal(&detail.to_string())
        )
    }
}

const JOBS: &str = "select id, name, spec, fingerprint, target, system_identifier, state, desired, duty, pass, reason \
                    from backfill.job";

/// Creates what is missing of the schema.
///
/// # Errors
/// Those of the session.
pub async fn prepare(session: &mut Session) -> Result<(), DatabaseError> {
    let message = format!("begin; {LIMITS}; {LAYOUT_LOCK}; {LOOK_AROUND}; {LAYOUT}; commit");
    session.send(&message).await.map(drop)
}

/// The job of this name.
///
/// # Errors
/// Those of the session.
pub async fn find(session: &mut Session, name: &str) -> Result<Option<Job>, DatabaseError> {
    if !is_prepared(session).await? {
        return Ok(None);
    }
    Ok(session.read::<Job>(&format!("{JOBS} where name = {}", literal(name))).await?.pop())
}

/// All jobs, by name.
///
/// # Errors
/// Those of the session.
pub async fn all(session: &mut Session) -> Result<Vec<Job>, DatabaseError> {
    if !is_prepared(session).await? {
        return Ok(Vec::new());
    }
    session.read::<Job>(&format!("{JOBS} order by name")).await
}

/// Whether the schema is there.
///
/// # Errors
/// Those of the session.
pub async fn is_prepared(session: &mut Session) -> Result<bool, DatabaseError> {
    #[derive(Deserialize)]
    struct Found {
        is_there: bool,
    }
    let found = session.read::<Found>("select to_regclass('backfill.job') is not null as is_there").await?;
    Ok(found.first().is_some_and(|found| found.is_there))
}

/// Records a job with its chunks, in one transaction; the job that is there when another process was faster.
///
/// # Errors
/// Those of the session.
pub async fn record(
    session: &mut Session,
    actor: &Actor,
    spec: &Spec,
    target: &Target,
    system_identifier: Option<&str>,
    chunks: &[Bounds],
) -> Result<(), DatabaseError> {
    let name = literal(&spec.name);
    let id = format!("(select id from backfill.job where name = {name})");
    let values: Vec<String> = chunks
        .iter()
        .zip(1..)
        .map(|(bounds, n)| {
            format!("({id}, 1, {n}, {}, {})", jsonb(bounds.lo.as_ref()), jsonb(bounds.hi.as_ref()))
        })
        .collect();
    let chunks = if values.is_empty() {
        String::new()
    } else {
        format!("insert into backfill.chunk (job_id, pass, n, lo, hi) values {};", values.join(", "))
    };
    let statements = format!(
        "insert into backfill.job (name, spec, fingerprint, target, system_identifier, created_by) \
         values ({name}, {}, {}, {}, {}, {}); {chunks} {}",
        literal(&json!(spec).to_string()),
        literal(&spec.fingerprint()),
        literal(&json!(target).to_string()),
        nullable(system_identifier),
        literal(&actor.name),
        actor.event_of(
            &id,
            &spec.name,
            "recorded",
            &json!({"fingerprint": spec.fingerprint(), "spec": spec})
        )
    );
    session.write::<Value>(&statements).await?;
    release_common::fault::point("init.recorded");
    Ok(())
}

/// Where a chunk begins (exclusive) and ends (inclusive).
#[derive(Clone, Debug, PartialEq)]
pub struct Bounds {
    /// `None` is unbounded.
    pub lo: Option<Value>,
    /// `None` is unbounded.
    pub hi: Option<Value>,
}

/// A value as a literal of type jsonb.
pub fn jsonb(value: Option<&Value>) -> String {
    value.map_or_else(|| "null".to_owned(), |value| format!("{}::jsonb", literal(&value.to_string())))
}

/// Asks something of the workers of a job.
///
/// # Errors
/// Those of the session.
pub async fn order(
    session: &mut Session,
    actor: &Actor,
    job: &Job,
    desired: Desired,
    reason: Option<&str>,
) -> Result<(), DatabaseError> {
    let (state, kind) = match desired {
        Desired::Run => ("", "resumed"),
        Desired::Pause => ("", "paused"),
        Desired::Cancel => (", state = 'cancelled', done_at = clock_timestamp()", "cancelled"),
    };
    let statements = format!(
        "update backfill.job set desired = {}, reason = {}{state} where id = {}; {}",
        literal(desired.name()),
        nullable(reason),
        job.id,
        actor.event(job, kind, &json!({"reason": reason}))
    );
    session.write::<Value>(&statements).await.map(drop)
}

/// Changes the duty of a job while it runs.
///
/// # Errors
/// Those of the session.
pub async fn set_duty(
    session: &mut Session,
    actor: &Actor,
    job: &Job,
    duty: f64,
) -> Result<(), DatabaseError> {
    let event = actor.event(job, "rate_changed", &json!({"duty": duty}));
    let statements = format!("update backfill.job set duty = {duty} where id = {}; {event}", job.id);
    session.write::<Value>(&statements).await.map(drop)
}

/// Changes a job's state and records it, unless another process was faster: what is done or cancelled stays so.
///
/// # Errors
/// Those of the session.
pub async fn set_state(
    session: &mut Session,
    actor: &Actor,
    job: &Job,
    state: State,
    reason: Option<&str>,
) -> Result<(), DatabaseError> {
    let time = match state {
        State::Running => ", started_at = coalesce(started_at, clock_timestamp())",
        State::Done | State::Failed | State::Cancelled => ", done_at = clock_timestamp()",
        State::Ready => "",
    };
    let statement = format!(
        "with changed as (update backfill.job set state = {name}, reason = {reason_text}{time} \
         where id = {id} and state not in ('done', 'cancelled', {name}) returning id) {event} from changed",
        name = literal(state.name()),
        reason_text = nullable(reason),
        id = job.id,
        event = actor.event(job, state.name(), &json!({"reason": reason}))
    );
    session.write::<Value>(&statement).await.map(drop)
}
