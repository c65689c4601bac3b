//! Where a verification takes place: the server and the table as they are now.

use release_postgres::{DatabaseError, literal};
use serde::Deserialize;

use crate::error::Error;
use crate::job::Job;
use crate::patience::Patient;

/// The server and the table.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Place {
    database: Option<String>,
    pub(crate) is_standby: bool,
    oid: Option<i64>,
    /// As last estimated.
    pub(crate) rows: u64,
    /// Rows per block as last estimated.
    pub(crate) rows_per_block: Option<f64>,
    pub(crate) blocks: Option<u64>,
    /// Another one means that all rows have moved.
    pub(crate) file_node: Option<i64>,
}

/// Looks around.
pub(crate) async fn find(patient: &mut Patient, job: &Job) -> Result<Place, Error> {
    let table = literal(&job.target.name);
    let query = format!(
        "select {} as database, pg_is_in_recovery() as is_standby, to_regclass({table})::oid::int8 as oid, \
         (select coalesce(sum(greatest(c.reltuples, 0)), 0) from pg_class c where c.oid = to_regclass({table}) \
          and c.relkind <> 'p' or c.oid in (select relid from pg_partition_tree(to_regclass({table})) where isleaf) \
         )::int8 as rows, \
         (select c.reltuples / nullif(c.relpages, 0) from pg_class c where c.oid = to_regclass({table}) \
          and c.reltuples > 0) as rows_per_block, \
         pg_relation_size(to_regclass({table})) / current_setting('block_size')::int8 as blocks, \
         pg_relation_filenode(to_regclass({table}))::int8 as file_node",
        literal(&patient.shown())
    );
    let found = patient.read::<Place>(&query).await;
    let mut found = found.map_err(|source| patient.error("looking at the table", source))?;
    let nothing = || DatabaseError::Row("the server says nothing about itself".to_owned());
    found.pop().ok_or_else(|| patient.error("looking at the table", nothing()))
}

impl Place {
    /// Refuses a table that is not the job's, and to repair on a standby.
    pub(crate) fn refuse(&self, job: &Job, is_repair: bool) -> Result<(), Error> {
        if self.oid != Some(job.target.oid) {
            return Err(other_table(job));
        }
        if is_repair && self.is_standby {
            return Err(Error::Server {
                database: self.database.clone().unwrap_or_default(),
                reason: "is a standby and cannot be written".to_owned(),
                hint: Some("leave out --repair, or give the address of the primary".to_owned()),
            });
        }
        Ok(())
    }
}

/// The table is gone, or another one has its name.
pub(crate) fn other_table(job: &Job) -> Error {
    Error::WrongState {
        name: job.name.clone(),
        state: format!("about a table {} that is no more", job.target.name),
        hint: format!("forget it with `backfill drop-state {} --yes`", job.name),
    }
}
