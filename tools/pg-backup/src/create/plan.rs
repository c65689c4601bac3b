//! What `create` is about to do, found out before anything is written.

use release_common::units::ByteSize;
use release_common::{Context, Stop};
use release_postgres::Database;

use crate::cli::{CreateArgs, DumpLayout};
use crate::draw;
use crate::error::Error;
use crate::layout::{BackupId, Series};
use crate::manifest::Kind;
use crate::opened;
use crate::programs::Programs;
use crate::seal::Sealing;
use crate::server::{Facts, Server};

/// Everything that is decided before the work begins.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) database: Database,
    pub(super) facts: Facts,
    pub(super) programs: Programs,
    pub(super) sealing: Sealing,
    pub(super) series: Series,
    pub(super) id: BackupId,
    pub(super) kind: Kind,
}

impl Plan {
    /// Asks the server and this machine.
    ///
    /// # Errors
    /// When something would make the dump fail.
    pub(super) async fn make(args: &CreateArgs, stop: &Stop, context: &Context) -> Result<Plan, Error> {
        let sealing = Sealing::read(&args.make.seal, stop)?;
        if args.jobs > 1 && args.layout == DumpLayout::Custom {
            return Err(Error::Refused {
                what: "one archive is written by one job".to_owned(),
                reason: "layout",
                hint: "several jobs need --layout directory".to_owned(),
            });
        }
        let mut server = Server::open(&args.make.connect).await?;
        let facts = server.facts().await?;
        let programs = Programs::for_server(args.make.connect.pg_bin.as_deref(), facts.server_version)?;
        for program in ["pg_dump", "pg_dumpall", "pg_restore"] {
            programs.require(program)?;
        }
        let series = Series::Dumps {
            cluster: opened::named(args.make.store.cluster.as_ref(), &facts.system_id)?,
            database: facts.database.clone(),
        };
        let kind = match args.layout {
            DumpLayout::Custom => Kind::Dump,
            DumpLayout::Directory => Kind::DumpDirectory,
        };
        let id = draw::id(context.clock.now())?;
        Ok(Plan { database: server.database, facts, programs, sealing, series, id, kind })
    }

    /// The plan for people.
    pub(super) fn shown(&self) -> String {
        let encrypted = match self.sealing.recipients.shown().len() {
            0 => "not encrypted".to_owned(),
            count => format!("encrypted to {count} public keys"),
        };
        format!(
            "would dump {} ({}, tables {}) by pg_dump {}, zstd {}, {encrypted}",
            self.series,
            ByteSize(self.facts.database_bytes),
            ByteSize(self.facts.table_bytes),
            self.programs.version().text,
            self.sealing.compression,
        )
    }
}
