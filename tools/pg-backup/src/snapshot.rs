//! One moment of a database that several programs read: an exported snapshot, held open until they are done.
//!
//! `pg_dump --snapshot` and the counts see exactly the same rows. The tables are locked first, because `TRUNCATE` and some
//! forms of `ALTER TABLE` empty a table even for older snapshots (PostgreSQL 13.6, "Caveats").

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use crate::counts::{Counts, TableName};
use crate::error::Error;
use crate::server::{Facts, Server};
use crate::tables;

/// Any number that no other tool takes for its advisory locks: "pgbackup" in ASCII.
const LOCK_CLASS: i64 = 0x7067_6261_636b_7570;

/// A standby shows what it has replayed: that is as old as the last commit in it, unless it has replayed all that a
/// connected primary has sent.
const STANDBY_TIME: &str = "case when pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()
    and exists (select from pg_stat_wal_receiver where status = 'streaming')
    then transaction_timestamp() else coalesce(pg_last_xact_replay_timestamp(), '1970-01-01Z') end";

/// An open snapshot. It ends with the session.
#[derive(Debug)]
pub(crate) struct Snapshot {
    server: Server,
    tables: Vec<TableName>,
    /// For `pg_dump --snapshot`.
    pub(crate) id: String,
    /// The server's time just before the snapshot: everything committed until then is in it.
    pub(crate) taken_at: Timestamp,
}

impl Snapshot {
    /// Takes a snapshot of the server's database; none but one such snapshot is held at a time.
    ///
    /// # Errors
    /// When another backup of this database runs, a lock is not had in time, or the role may not read something.
    pub(crate) async fn take(
        mut server: Server,
        facts: &Facts,
        lock_limit: Duration,
    ) -> Result<Snapshot, Error> {
        #[derive(Deserialize)]
        struct Taken {
            id: String,
        }
        #[derive(Deserialize)]
        struct Alone {
            is_alone: bool,
            now: Timestamp,
        }
        let tables = tables::list(&mut server).await?;
        // Whatever limits the role has are for others: this transaction lives as long as the dump.
        let mut begin = format!(
            "begin isolation level repeatable read read only; set local statement_timeout = 0; \
             set local idle_in_transaction_session_timeout = 0; set local row_security = off; \
             set local lock_timeout = {}",
            lock_limit.as_millis()
        );
        if facts.server_version >= 170_000 {
            begin.push_str("; set local transaction_timeout = 0");
        }
        server.send::<()>("beginning a transaction", &begin).await?;
        // Locking takes no snapshot: that of this transaction is taken by the first query after it.
        tables::lock(&mut server, &tables).await?;
        let alone = format!(
            "select json_build_object('is_alone', pg_try_advisory_xact_lock({LOCK_CLASS} # hashtext({})), \
             'now', {})::text",
            release_postgres::literal(&facts.database),
            if facts.is_standby { STANDBY_TIME } else { "transaction_timestamp()" },
        );
        let alone: Vec<Alone> = server.send("looking for other backups", &alone).await?;
        let Some(Alone { is_alone: true, now: taken_at }) = alone.into_iter().next() else {
            let what = format!("{}: another backup of this database is under way", server.database.shown());
            return Err(Error::Busy { what });
        };
        let export = "select json_build_object('id', pg_export_snapshot())::text";
        let taken: Vec<Taken> = server.send("exporting a snapshot", export).await?;
        let id = taken.into_iter().next().map(|taken| taken.id).unwrap_or_default();
        Ok(Snapshot { server, tables, id, taken_at })
    }

    /// The rows of each table in it.
    ///
    /// # Errors
    /// When the server refuses, or the session is lost.
    pub(crate) async fn count(&mut self) -> Result<Counts, Error> {
        tables::count(&mut self.server, &self.tables).await
    }

    /// Gives it up. One whose session was lost meanwhile was not the same snapshot for all who read it.
    ///
    /// # Errors
    /// When the session was lost.
    pub(crate) async fn end(mut self) -> Result<(), Error> {
        self.server.send::<()>("ending the snapshot", "commit").await.map(drop)
    }
}
