//! `base`: a copy of a whole cluster, from which WAL leads to any later moment.
//!
//! `pg_basebackup` writes one tar file to its stdout, which is streamed into the store without any local disk. It carries
//! the WAL that makes it consistent (`--wal-method=fetch`), so that it can be restored even where no other WAL is stored.
//! While it passes, the tar file is read to its end as one: what stands in its label and manifest goes into ours, and a
//! stream that was cut short is no backup whatever the exit status says.

mod contents;
mod report;

use std::io::Cursor;
use std::path::PathBuf;
use std::process::Stdio;

use jiff::Timestamp;
use release_common::{Context, Outcome, Stop, fault};
use serde::Deserialize;

use self::contents::Contents;
use crate::child::Child;
use crate::cli::BaseArgs;
use crate::commit::commit;
use crate::error::Error;
use crate::layout::{BackupId, Series};
use crate::manifest::{Cluster, Kind, Manifest, Release, Role, StoredObject, Tool, WalRange};
use crate::programs::Programs;
use crate::progress::Progress;
use crate::seal::{self, Meter, Sealing};
use crate::server::Server;
use crate::store::Store;
use crate::{document, draw, opened};

/// What the server tells before a base backup.
#[derive(Clone, Debug, Deserialize)]
struct Facts {
    system_id: String,
    server_version: u32,
    cluster_bytes: u64,
    segment_bytes: u64,
    tablespaces: Vec<String>,
    may_replicate: bool,
    user: String,
    /// The role that every cluster has; whoever restores it comes in as this one.
    superuser: String,
    /// Everything that was committed until then will be in the backup: a standby has what it has replayed.
    holds_until: Timestamp,
}

const FACTS: &str = "select
    (select system_identifier::text from pg_control_system()) as system_id,
    current_setting('server_version_num')::int as server_version,
    (select coalesce(sum(pg_database_size(oid)), 0)::bigint from pg_database
      where has_database_privilege(oid, 'connect')) as cluster_bytes,
    (select setting::bigint from pg_settings where name = 'wal_segment_size') as segment_bytes,
    (select coalesce(json_agg(spcname order by spcname), '[]') from pg_tablespace
      where spcname not in ('pg_default', 'pg_global')) as tablespaces,
    (select rolreplication or rolsuper from pg_roles where rolname = current_user) as may_replicate,
    current_user as user, (select rolname from pg_roles where oid = 10) as superuser,
    case when pg_is_in_recovery() then coalesce(pg_last_xact_replay_timestamp(), clock_timestamp() - interval '1 day')
      else clock_timestamp() end as holds_until";

#[derive(Deserialize)]
struct Now {
    now: Timestamp,
}

/// Everything that is decided before the work begins.
struct Plan {
    server: Server,
    facts: Facts,
    programs: Programs,
    program: PathBuf,
    sealing: Sealing,
    series: Series,
    id: BackupId,
}

/// Makes a base backup.
///
/// # Errors
/// When anything of it fails; nothing is recorded then.
pub(crate) fn run(args: &BaseArgs, context: &mut Context) -> Result<Outcome, Error> {
    crate::runtime()?.block_on(async {
        let mut stop = Stop::new(&context.shutdown);
        let mut plan = stop.clone().unless(plan(args, &stop, context)).await?;
        if args.make.dry_run {
            return report::planned(args, &plan, context);
        }
        let store = stop.unless(opened::store_for_writing(&args.make.store, context)).await?;
        match make(args, &mut plan, &store, context).await {
            Ok(manifest) => report::made(args, &manifest, &store, context),
            Err(error) => {
                if matches!(error, Error::Stopped(_)) {
                    context.console.note("no backup was made; `pg-backup gc` removes what was stored of it");
                }
                Err(error)
            }
        }
    })
}

async fn plan(args: &BaseArgs, stop: &Stop, context: &Context) -> Result<Plan, Error> {
    let sealing = Sealing::read(&args.make.seal, stop)?;
    let mut server = Server::open(&args.make.connect).await?;
    let found: Vec<Facts> = server.read("asking what the cluster is", FACTS).await?;
    let facts = found
        .into_iter()
        .next()
        .ok_or_else(|| Error::Source { reason: "the server said nothing".to_owned() })?;
    refuse(&facts)?;
    let programs = Programs::for_server(args.make.connect.pg_bin.as_deref(), facts.server_version)?;
    let program = programs.require("pg_basebackup")?;
    let cluster = opened::named(args.make.store.cluster.as_ref(), &facts.system_id)?;
    let id = draw::id(context.clock.now())?;
    Ok(Plan { server, facts, programs, program, sealing, series: Series::Bases { cluster }, id })
}

fn refuse(facts: &Facts) -> Result<(), Error> {
    if !facts.may_replicate {
        let user = release_postgres::Identifier::new(&facts.user);
        return Err(Error::Refused {
            what: format!("{user} may not replicate, which a base backup needs"),
            reason: "no_replication",
            hint: format!(
                "as a superuser: alter role {user} replication; a server that grants it to nobody leaves dumps alone, and they can be lost for as long as their interval"
            ),
        });
    }
    if !facts.tablespaces.is_empty() {
        return Err(Error::Refused {
            what: format!("the cluster has tablespaces of its own: {}", facts.tablespaces.join(", ")),
            reason: "tablespaces",
            hint: "base backups are streamed as one file, which holds no other tablespaces: move them into pg_default, or use dumps".to_owned(),
        });
    }
    Ok(())
}

async fn make(args: &BaseArgs, plan: &mut Plan, store: &Store, context: &Context) -> Result<Manifest, Error> {
    let started_at = context.clock.now();
    let meter = Meter::default();
    let progress = Progress::follow(&context.console, "copying", &meter, plan.facts.cluster_bytes);
    let (tar, contents, stderr_tail) = copy(args, plan, store, &meter).await?;
    drop(progress);
    fault::point("base.copied");
    let name = plan.sealing.name("backup_manifest");
    let listing = Cursor::new(contents.manifest.clone());
    let listing =
        stored(store, plan, name, Role::BaseManifest, listing, &Meter::default(), async || Ok(())).await?;
    let mut stop = plan.sealing.stop.clone();
    let clock = plan.server.read::<Now>("asking for the time", "select clock_timestamp() as now");
    let stop_at = stop.unless(clock).await?.first().map(|row| row.now);
    let wal = WalRange {
        timeline: contents.timeline,
        start_lsn: contents.start.to_string(),
        stop_lsn: contents.stop.to_string(),
        stop_at: stop_at.unwrap_or(started_at),
        segment_bytes: plan.facts.segment_bytes,
    };
    let manifest = Manifest {
        started_at,
        finished_at: context.clock.now(),
        objects: vec![listing, tar],
        wal: Some(wal),
        stderr_tail,
        ..plan.manifest(args)
    };
    commit(store, &plan.series, &manifest, args.make.hold.as_ref(), context.clock.now()).await?;
    Ok(manifest)
}

/// Streams the cluster into the store.
async fn copy(
    args: &BaseArgs,
    plan: &Plan,
    store: &Store,
    meter: &Meter,
) -> Result<(StoredObject, Contents, String), Error> {
    let mut child = start(args, plan)?;
    let (source, reading) = contents::watch(child.stdout()?);
    let (mut said, mut found) = (String::new(), None);
    let name = plan.sealing.name("base.tar");
    let tar = stored(store, plan, name, Role::Tar, source, meter, async || {
        let ended = child.wait().await?;
        said.clone_from(&ended.stderr);
        ended.success().map_err(explained)?;
        fault::point("base.ended");
        let read = tokio::task::spawn_blocking(move || reading.join()).await;
        let read = read.ok().and_then(Result::ok).unwrap_or_else(|| Err("its reader has failed".to_owned()));
        found = Some(
            read.map_err(|reason| Error::Source { reason: format!("what pg_basebackup wrote: {reason}") })?,
        );
        Ok(())
    });
    let tar = tar.await?;
    let contents = found.ok_or_else(|| Error::Source { reason: "pg_basebackup wrote nothing".to_owned() })?;
    Ok((tar, contents, said))
}

fn start(args: &BaseArgs, plan: &Plan) -> Result<Child, Error> {
    let mut client = plan.server.client(&plan.program)?;
    client.command.args(["--pgdata=-", "--format=tar", "--wal-method=fetch"]);
    client.command.arg(format!("--label=pg-backup {}", plan.id));
    client.command.arg(if args.fast { "--checkpoint=fast" } else { "--checkpoint=spread" });
    if let Some(rate) = args.max_rate {
        // What PostgreSQL allows: 32 kB to 1 GB a second.
        client.command.arg(format!("--max-rate={}k", (rate.0 / 1024).clamp(32, 1 << 20)));
    }
    client.command.stdout(Stdio::piped());
    client.start()
}

/// What the commonest failures need.
fn explained(error: Error) -> Error {
    let text = error.to_string();
    let says = |words: &str| matches!(&error, Error::Program(ended) if ended.stderr.contains(words));
    let hint = if says("no pg_hba.conf entry") {
        "pg_hba.conf needs a line for replication: host replication USER ADDRESS scram-sha-256"
    } else if says("has already been removed") {
        "the server gave its WAL away meanwhile: raise wal_keep_size"
    } else if says("max_wal_senders") {
        "raise max_wal_senders, which takes a restart"
    } else {
        return error;
    };
    Error::Failed { what: text, reason: "program_failed", hint: hint.to_owned() }
}

async fn stored(
    store: &Store,
    plan: &Plan,
    name: String,
    role: Role,
    source: impl std::io::Read + Send + 'static,
    meter: &Meter,
    is_whole: impl AsyncFnOnce() -> Result<(), Error>,
) -> Result<StoredObject, Error> {
    let key = plan.series.object(&plan.id, &name);
    let sealed = seal::seal(store, &key, source, &plan.sealing, meter, is_whole).await?;
    Ok(sealed.object(name, role))
}

impl Plan {
    /// What the manifest says whatever the copy brings.
    fn manifest(&self, args: &BaseArgs) -> Manifest {
        let release = |name: &crate::layout::Name| Release {
            name: name.clone(),
            git: None,
            image: None,
            migration: None,
        };
        let facts = &self.facts;
        Manifest {
            format: document::FORMAT,
            id: self.id.clone(),
            kind: Kind::Base,
            cluster: Cluster {
                name: self.series.cluster().clone(),
                system_id: facts.system_id.clone(),
                server_version: facts.server_version,
            },
            database: None,
            release: args.make.release.as_ref().map(release),
            snapshot_at: facts.holds_until,
            started_at: facts.holds_until,
            finished_at: facts.holds_until,
            tool: Tool {
                client: self.programs.version().text.clone(),
                pg_backup: env!("CARGO_PKG_VERSION").to_owned(),
            },
            objects: Vec::new(),
            extensions: Vec::new(),
            roles: vec![facts.superuser.clone()],
            locale: None,
            recipients: self.sealing.recipients.shown(),
            rows: None,
            wal: None,
            database_bytes: facts.cluster_bytes,
            stderr_tail: String::new(),
        }
    }
}
