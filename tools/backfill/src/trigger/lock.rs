//! Who keeps a statement from its lock on the table.

use release_postgres::{DatabaseError, literal};
use serde::{Deserialize, Serialize};

use crate::patience::Patient;

/// Locks of other sessions that `create trigger`'s SHARE ROW EXCLUSIVE waits for (manual, table 13.2).
const AGAINST_CREATE: &str = "and l.mode not in ('AccessShareLock', 'RowShareLock')";

/// Another session.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Blocker {
    pub(crate) pid: i32,
    pub(crate) user: Option<String>,
    pub(crate) application: Option<String>,
    pub(crate) state: Option<String>,
    /// How long its transaction lasts.
    pub(crate) transaction_s: Option<f64>,
    /// The beginning of its last statement.
    pub(crate) query: Option<String>,
}

/// Sessions that hold a lock on the table or its partitions.
pub(crate) async fn blockers(
    patient: &mut Patient,
    table: &str,
    is_drop: bool,
) -> Result<Vec<Blocker>, DatabaseError> {
    // To drop a trigger takes ACCESS EXCLUSIVE, which even a reader is in the way of.
    let modes = if is_drop { "" } else { AGAINST_CREATE };
    let table = literal(table);
    let query = format!(
        "select distinct on (a.pid) a.pid, a.usename::text as user, a.application_name as application, a.state, \
         extract(epoch from clock_timestamp() - a.xact_start)::float8 as transaction_s, left(a.query, 200) as query \
         from pg_locks l join pg_stat_activity a on a.pid = l.pid \
         where l.locktype = 'relation' and l.granted {modes} and l.pid <> pg_backend_pid() \
         and l.database = (select oid from pg_database where datname = current_database()) \
         and (l.relation = to_regclass({table}) \
              or l.relation in (select relid from pg_partition_tree(to_regclass({table})))) order by a.pid"
    );
    patient.read(&query).await
}

impl Blocker {
    /// In words, on one line.
    pub(crate) fn told(&self) -> String {
        let query: Vec<&str> = self.query.as_deref().unwrap_or_default().split_whitespace().collect();
        format!(
            "pid {} ({}, {}, {}, for {:.0} s): {}",
            self.pid,
            self.user.as_deref().unwrap_or("?"),
            self.application.as_deref().filter(|name| !name.is_empty()).unwrap_or("no application name"),
            self.state.as_deref().unwrap_or("state unknown"),
            self.transaction_s.unwrap_or(0.0),
            query.join(" ")
        )
    }
}
