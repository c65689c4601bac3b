//! Looks at the database once a second, on a connection of its own.
//!
//! All signals come from SQL: the views that PostgreSQL itself keeps. What the role may not see is told as blind, because
//! an unseen signal is not a green one.

use std::time::Instant;

use release_postgres::{DatabaseError, Session, literal};
use serde::Deserialize;

use crate::catalog::Server;
use crate::job::Job;
use crate::signals::Signals;
use crate::target::Walk;

/// PostgreSQL 14 tells since when a session waits for a lock.
const WAIT_START_SINCE: u32 = 140_000;
/// PostgreSQL 17 moved the counters of checkpoints.
const CHECKPOINTER_SINCE: u32 = 170_000;

/// One row of [`QUERY`].
#[derive(Clone, Debug, Deserialize)]
struct Look {
    replica_lag_bytes: Option<f64>,
    replica_lag_s: Option<f64>,
    slots_unreserved: Vec<String>,
    slots_lost: Vec<String>,
    wal_bytes: f64,
    lock_waiters: i64,
    active: i64,
    blocked_by_us: i64,
    blocked_by_us_ms: Option<f64>,
    oldest_snapshot_s: Option<f64>,
    is_vacuuming: bool,
    dead_ratio: Option<f64>,
    is_archiving_failing: bool,
    archive_backlog: Option<f64>,
    checkpoints_requested: i64,
    is_same_table: bool,
}

/// What a look brought.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) signals: Signals,
    /// False when the table is not the one that the job was recorded for.
    pub(crate) is_same_table: bool,
    /// Slots that have lost their WAL since the first look.
    pub(crate) newly_lost_slots: Vec<String>,
}

/// Turns looks into signals: rates need the look before.
pub(crate) struct Sampler {
    query: String,
    is_blind: bool,
    first_lost: Option<Vec<String>>,
    last: Option<(Instant, Look)>,
}

impl Sampler {
    /// For the table of `job` on `server`.
    pub(crate) fn new(job: &Job, server: &Server) -> Sampler {
        let waited = if server.version_num >= WAIT_START_SINCE {
            "(select min(l.waitstart) from pg_locks l where l.pid = a.pid and not l.granted)"
        } else {
            "a.query_start"
        };
        let checkpoints = if server.version_num >= CHECKPOINTER_SINCE {
            "(select num_requested from pg_stat_checkpointer)"
        } else {
            "(select checkpoints_req from pg_stat_bgwriter)"
        };
        let query = QUERY
            .replace("{waited}", waited)
            .replace("{checkpoints}", checkpoints)
            .replace("{oid}", &job.target.oid.to_string())
            .replace("{same_table}", &same_table(job));
        Sampler { query, is_blind: !server.sees_all, first_lost: None, last: None }
    }

    /// Looks once.
    pub(crate) async fn look(&mut self, session: &mut Session) -> Result<Sample, DatabaseError> {
        let look = session.read::<Look>(&self.query).await?.pop();
        let look = look.ok_or_else(|| DatabaseError::Row("no signals".to_owned()))?;
        let now = Instant::now();
        let first_lost = self.first_lost.get_or_insert_with(|| look.slots_lost.clone());
        let newly_lost = look.slots_lost.iter().filter(|slot| !first_lost.contains(slot));
        let newly_lost_slots = newly_lost.cloned().collect();
        let sample =
            Sample { signals: self.signals(&look, now), is_same_table: look.is_same_table, newly_lost_slots };
        self.last = Some((now, look));
        Ok(sample)
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of sessions")]
    fn signals(&self, look: &Look, now: Instant) -> Signals {
        let before = self.last.as_ref();
        let rate = before.map(|(at, last)| {
            (look.wal_bytes - last.wal_bytes).max(0.0) / now.duration_since(*at).as_secs_f64().max(0.1)
        });
        let seen = |value: i64| (!self.is_blind).then_some(value as f64);
        Signals {
            replica_lag_bytes: look.replica_lag_bytes,
            replica_lag_s: look.replica_lag_s,
            slots_unreserved: look.slots_unreserved.clone(),
            slots_lost: look.slots_lost.clone(),
            wal_rate_bytes: rate,
            lock_waiters: seen(look.lock_waiters),
            active: seen(look.active),
            blocked_by_us: look.blocked_by_us,
            blocked_by_us_ms: look.blocked_by_us_ms.unwrap_or(0.0),
            oldest_snapshot_s: look.oldest_snapshot_s.filter(|_| !self.is_blind),
            is_vacuuming: look.is_vacuuming,
            dead_ratio: look.dead_ratio,
            is_archiving_failing: look.is_archiving_failing,
            archive_backlog: look.archive_backlog,
            forced_checkpoints: before
                .map_or(0, |(_, last)| (look.checkpoints_requested - last.checkpoints_requested).max(0)),
            ..Signals::default()
        }
    }
}

/// The signals that a role without `pg_monitor` does not see.
pub(crate) fn blind_signals(server: &Server) -> Vec<&'static str> {
    if server.sees_all {
        return Vec::new();
    }
    vec![
        "replica_lag_bytes",
        "replica_lag",
        "lock_waiters",
        "active",
        "blocked_by_us",
        "old_snapshot",
        "vacuum",
    ]
}

/// True while name, number and columns are those of the job; in ctid order also the file.
fn same_table(job: &Job) -> String {
    let target = &job.target;
    let columns = target.columns.iter().map(|column| {
        format!(
            "exists (select from pg_attribute where attrelid = {} and attnum = {} and attname = {} \
             and format_type(atttypid, atttypmod) = {} and not attisdropped)",
            target.oid,
            column.number,
            literal(column.name.name()),
            literal(&column.type_name)
        )
    });
    let file = match &target.walk {
        Walk::Ctid { file_node, .. } => Some(format!("pg_relation_filenode({}) = {file_node}", target.oid)),
        Walk::Key { .. } => None,
    };
    let same = format!("coalesce(to_regclass({})::oid = {}, false)", literal(&target.name), target.oid);
    [same].into_iter().chain(columns).chain(file).collect::<Vec<_>>().join(" and ")
}

/// Sessions of this tool, of any job and machine, are known by their application name.
const QUERY: &str = "
with a as materialized (
  select pid, state, wait_event_type, xact_start, query_start, backend_xmin,
         coalesce(application_name, '') like 'backfill%' as is_ours
  from pg_stat_activity where backend_type = 'client backend' and datid is not null
), waiting as (
  select a.pid, {waited} as since from a
  where a.wait_event_type = 'Lock' and not a.is_ours
    and exists (select from unnest(pg_blocking_pids(a.pid)) as blocker join a as b on b.pid = blocker and b.is_ours)
)
select
  (select max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)) from pg_stat_replication)::float8 as replica_lag_bytes,
  (select max(extract(epoch from replay_lag)) from pg_stat_replication)::float8 as replica_lag_s,
  (select coalesce(json_agg(slot_name order by slot_name), '[]') from pg_replication_slots where wal_status = 'unreserved') as slots_unreserved,
  (select coalesce(json_agg(slot_name order by slot_name), '[]') from pg_replication_slots where wal_status = 'lost') as slots_lost,
  pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8 as wal_bytes,
  (select count(*) from a where wait_event_type = 'Lock' and not is_ours) as lock_waiters,
  (select count(*) from a where state = 'active' and not is_ours) as active,
  (select count(*) from waiting) as blocked_by_us,
  (select max(extract(epoch from clock_timestamp() - since)) * 1000 from waiting)::float8 as blocked_by_us_ms,
  (select max(extract(epoch from clock_timestamp() - xact_start)) from a
   where backend_xmin is not null and not is_ours)::float8 as oldest_snapshot_s,
  exists (select from pg_stat_progress_vacuum where relid = {oid}) as is_vacuuming,
  (select sum(n_dead_tup)::float8 / greatest(sum(n_live_tup), 1) from pg_stat_all_tables
   where relid = {oid} or relid in (select relid from pg_partition_tree({oid})))::float8 as dead_ratio,
  (select current_setting('archive_mode') <> 'off' and failed_count > 0
     and last_failed_time > coalesce(last_archived_time, '-infinity') from pg_stat_archiver) as is_archiving_failing,
  (select case when current_setting('archive_mode') <> 'off' and last_archived_wal ~ '^[0-9A-F]{24}$' then
     greatest(floor(pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') / pg_size_bytes(current_setting('wal_segment_size')))
       - (('x' || substr(last_archived_wal, 9, 8))::bit(32)::int8 * (4294967296 / pg_size_bytes(current_setting('wal_segment_size')))
          + ('x' || substr(last_archived_wal, 17, 8))::bit(32)::int8) - 1, 0) end
   from pg_stat_archiver)::float8 as archive_backlog,
  {checkpoints}::int8 as checkpoints_requested,
  {same_table} as is_same_table";
