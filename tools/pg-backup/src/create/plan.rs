//! What `create` is about to do, found out before anything is written.

use release_common::Context;
use release_common::units::ByteSize;
use release_postgres::Database;

use crate::cli::{CreateArgs, DumpLayout};
use crate::error::Error;
use crate::layout::{BackupId, Name, Series};
use crate::manifest::Kind;
use crate::programs::Programs;
use crate::seal::Sealing;
use crate::server::{Facts, Server};
use crate::stop::Stop;

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
        let sealing = Sealing::read(&args.seal, stop)?;
        if args.jobs > 1 && args.layout == DumpLayout::Custom {
            return Err(Error::Refused {
                what: "one archive is written by one job".to_owned(),
                reason: "layout",
                hint: "several jobs need --layout directory".to_owned(),
            });
        }
        let mut server = Server::open(&args.connect).await?;
        let facts = server.facts().await?;
        let programs = Programs::for_server(args.connect.pg_bin.as_deref(), facts.server_version)?;
        for program in ["pg_dump", "pg_dumpall", "pg_restore"] {
            programs.require(program)?;
        }
        let series = Series::Dumps { cluster: cluster_name(args, &facts)?, database: facts.database.clone() };
        let kind = match args.layout {
            DumpLayout::Custom => Kind::Dump,
            DumpLayout::Directory => Kind::DumpDirectory,
        };
        let id = new_id(context)?;
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

/// The name that was given, else the number that no other cluster has.
fn cluster_name(args: &CreateArgs, facts: &Facts) -> Result<Name, Error> {
    let own = || {
        facts
            .system_id
            .parse()
            .map_err(|_| Error::Source { reason: "the server has no identifier".to_owned() })
    };
    args.store.cluster.clone().map_or_else(own, Ok)
}

/// An id of this moment.
///
/// # Errors
/// When the system gives no random numbers.
pub(crate) fn new_id(context: &Context) -> Result<BackupId, Error> {
    let mut random = [0; 8];
    let drawn = getrandom::fill(&mut random);
    drawn.map_err(|error| Error::Runtime(std::io::Error::other(error.to_string())))?;
    Ok(BackupId::new(context.clock.now(), random))
}
