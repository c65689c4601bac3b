//! `restore --to`: a dump becomes a database of a running server.
//!
//! Nothing that is there is touched before what replaces it is whole: an empty database is filled, or one is made beside
//! the old one and takes its name at the end. A run that is killed leaves a database that says so, and the same command
//! goes on.

use release_common::{Context, Outcome, Stop};
use release_postgres::Database;

use super::act::Act;
use super::decision::{Request, decide};
use super::{report, server_facts};
use crate::archive::{Archive, Way};
use crate::cli::RestoreArgs;
use crate::encryption::Identities;
use crate::error::Error;
use crate::layout::BackupId;
use crate::manifest::Kind;
use crate::opened;
use crate::progress::Progress;
use crate::seal::Meter;
use crate::server::Server;
use crate::spool::Spool;

/// Any number that no other tool takes for its advisory locks: "pgrestor" in ASCII.
const LOCK_CLASS: i64 = 0x7067_7265_7374_6f72;

/// Restores into `target`.
///
/// # Errors
/// When it is refused, with nothing changed, or fails, with what is left.
pub(super) fn run(args: &RestoreArgs, target: &str, context: &mut Context) -> Result<Outcome, Error> {
    let id = opened::id(args.id.as_ref())?;
    let identities = Identities::read(&args.identity.identity)?;
    crate::runtime()?.block_on(restore(args, target, id.as_ref(), &identities, context))
}

async fn restore(
    args: &RestoreArgs,
    target: &str,
    id: Option<&BackupId>,
    identities: &Identities,
    context: &mut Context,
) -> Result<Outcome, Error> {
    let mut stop = Stop::new(&context.shutdown);
    let store = opened::store(&args.series.store)?;
    let series = opened::series(&store, &args.series).await?;
    let backup = stop.unless(opened::chosen(&store, &series, id)).await?;
    let manifest = &backup.manifest;
    let meter = Meter::default();
    let archive = Archive { store: &store, series: &series, manifest, identities, meter: meter.clone() };
    require_dump(&archive)?;
    let file = args.connect.database_url_file.as_deref();
    let given =
        Database::from_environment(file, "pg-backup").map_err(|source| Error::Address(Box::new(source)))?;
    let mut server = stop.unless(server_facts::maintenance(&given, target)).await?;
    lock(&mut server, target).await?;
    let facts = stop.unless(server_facts::ask(&mut server, target, &manifest.id)).await?;
    let (replace, jobs, no_owner) = (args.replace.as_deref(), args.jobs, args.no_owner);
    let plan = decide(&Request { manifest, target, replace, jobs, no_owner }, &facts)?;
    let programs = archive.programs(args.connect.pg_bin.as_deref(), facts.server_version)?;
    programs.require("pg_restore")?;
    let way = Way::of(manifest.kind, jobs);
    let planned = report::Planned { args, plan: &plan, target, manifest, way, server: &given };
    if args.dry_run {
        return planned.tell(context);
    }
    let spool = match way {
        Way::Streamed => None,
        Way::Spooled | Way::Files => Some(Spool::make(args.spool.as_deref(), archive.plain_bytes())?),
    };
    let done = {
        let _progress = Progress::follow(&context.console, "restoring", &meter, archive.plain_bytes());
        let spool = spool.as_ref().map(Spool::path);
        let act = Act {
            archive: &archive,
            plan: &plan,
            facts: &facts,
            target,
            given: &given,
            programs,
            jobs,
            no_owner,
            spool,
        };
        act.run(&mut server, &mut stop, context).await?
    };
    planned.done(&done, meter.read(), context)
}

fn require_dump(archive: &Archive<'_>) -> Result<(), Error> {
    if archive.manifest.kind == Kind::Base {
        return Err(Error::Refused {
            what: format!("{}: is a base backup, which no database is restored from", archive.manifest.id),
            reason: "kind",
            hint: "restore a cluster from it with --at".to_owned(),
        });
    }
    archive.require_identity()
}

/// Two restores into one database would take each other's leavings away. The lock ends with the session.
async fn lock(server: &mut Server, target: &str) -> Result<(), Error> {
    let statement = format!(
        "select to_json(pg_try_advisory_lock({LOCK_CLASS} # hashtext({})))::text",
        release_postgres::literal(target)
    );
    let had: Vec<bool> = server.send("looking for other restores", &statement).await?;
    if had.first() == Some(&true) {
        return Ok(());
    }
    Err(Error::Busy { what: format!("{target}: another restore into it is under way") })
}
