//! `create`: a dump becomes a backup.
//!
//! The order makes it true: nothing is read before everything that could refuse was asked; the manifest is written after
//! the dump program has ended well, its output was read to the end, and the store has confirmed each object's size. What
//! ends before that leaves objects that nobody sees and `gc` removes.

mod parts;
mod plan;
mod report;

use std::convert::Infallible;
use std::time::Duration;

use release_common::{Context, Outcome, Stop, fault};

use self::parts::Parts;
use self::plan::Plan;
use crate::cli::CreateArgs;
use crate::commit::commit;
use crate::error::Error;
use crate::lease::{self, Lease};
use crate::manifest::{Cluster, Manifest, Release, RowTotals, StoredObject, Tool};
use crate::server::Server;
use crate::snapshot::Snapshot;
use crate::store::Store;
use crate::{document, opened};

/// How long the lease of a killed run guards what nobody will finish.
const LEASE: Duration = Duration::from_secs(15 * 60);

/// How long a run that was asked to stop tries to give its lease back.
const FAREWELL: Duration = Duration::from_secs(3);

/// Makes a backup.
///
/// # Errors
/// When anything of it fails; nothing is recorded then.
pub(crate) fn run(args: &CreateArgs, context: &mut Context) -> Result<Outcome, Error> {
    crate::runtime()?.block_on(async {
        let mut stop = Stop::new(&context.shutdown);
        let plan = stop.clone().unless(Plan::make(args, &stop, context)).await?;
        fault::point("planned");
        if args.make.dry_run {
            return report::planned(args, &plan, context);
        }
        let store = stop.unless(opened::store_for_writing(&args.make.store, context)).await?;
        fault::point("claimed");
        match leased(args, &plan, &store, &mut stop, context).await {
            Ok(manifest) => report::made(args, &manifest, &store, context),
            Err(error) => {
                // A signal to the whole process group ends the programs too, and looks like their failure.
                let error = stop.requested().map_or(error, Error::Stopped);
                if matches!(error, Error::Stopped(_)) {
                    context.console.note("no backup was made; `pg-backup gc` removes what was stored of it");
                }
                Err(error)
            }
        }
    })
}

/// Makes it under a lease of its own, by which `gc` on any machine knows that its objects are no garbage. Two backups of
/// one database are kept apart by the database itself.
async fn leased(
    args: &CreateArgs,
    plan: &Plan,
    store: &Store,
    stop: &mut Stop,
    context: &Context,
) -> Result<Manifest, Error> {
    let (cluster, name) = (plan.series.cluster(), format!("create-{}", plan.id));
    let acquired = lease::acquire(store, cluster, &name, context.clock.now(), LEASE);
    let mut lease = stop.unless(acquired).await?;
    fault::point("leased");
    let made = tokio::select! {
        made = make(args, plan, store, stop, context) => made.map_err(Error::once_begun),
        never = renew(&mut lease, store, context) => match never {},
    };
    let made = match made {
        Ok(manifest) => {
            finish(args, plan, store, &mut lease, manifest, context).await.map_err(Error::once_begun)
        }
        Err(error) => Err(error),
    };
    let released = lease.release(store);
    // Who was asked to stop has no time for a store that does not answer.
    let released = match stop.requested() {
        Some(_) => tokio::time::timeout(FAREWELL, released).await.unwrap_or(Ok(())),
        None => released.await,
    };
    if let Err(error) = released {
        context
            .console
            .warn(format_args!("{name}: the lease could not be given back, and ends by itself: {error}"));
    }
    made
}

/// Holds the lease for as long as this is polled.
async fn renew(lease: &mut Lease, store: &Store, context: &Context) -> Infallible {
    loop {
        tokio::time::sleep(LEASE / 3).await;
        // The next try is early enough; without any, the grace period of `gc` still guards the objects.
        if let Err(error) = lease.renew(store, context.clock.now(), LEASE).await {
            context.console.warn(format_args!("the lease could not be renewed: {error}"));
        }
    }
}

async fn make(
    args: &CreateArgs,
    plan: &Plan,
    store: &Store,
    stop: &mut Stop,
    context: &Context,
) -> Result<Manifest, Error> {
    let started_at = context.clock.now();
    let server = stop.unless(Server::connect(plan.database.clone())).await?;
    let mut snapshot = stop.unless(Snapshot::take(server, &plan.facts, args.lock_timeout.0)).await?;
    fault::point("snapshot");
    let parts = Parts { args, plan, store, snapshot: &snapshot.id.clone(), context };
    // The rows are counted beside the dump. Neither is dropped when the other fails: the dump takes its upload back.
    let (dumped, counted) = tokio::join!(parts.dump(), stop.unless(snapshot.count()));
    // A count that fails ends the snapshot, and the dump with it: its reason comes first.
    let (counted, dumped) = (counted?, dumped?);
    fault::point("dumped");
    let mut objects = dumped.objects;
    objects.push(parts.schema().await?);
    objects.push(parts.globals().await?);
    objects.push(parts.counts(&counted).await?);
    objects.sort_by(|a, b| a.name.cmp(&b.name));
    let (taken_at, _) = (snapshot.taken_at, snapshot.end().await?);
    let manifest = Manifest {
        snapshot_at: taken_at,
        started_at,
        finished_at: context.clock.now(),
        stderr_tail: dumped.stderr,
        rows: Some(counted.totals()),
        objects,
        ..plan.manifest(args)
    };
    Ok(manifest)
}

/// Makes the backup exist, if all that was stored is still guarded: `gc` removes an ended lease before any object, so
/// that a run which wakes up too late fails here.
async fn finish(
    args: &CreateArgs,
    plan: &Plan,
    store: &Store,
    lease: &mut Lease,
    manifest: Manifest,
    context: &Context,
) -> Result<Manifest, Error> {
    lease.renew(store, context.clock.now(), LEASE).await?;
    commit(store, &plan.series, &manifest, args.make.hold.as_ref(), context.clock.now()).await?;
    Ok(manifest)
}

impl Plan {
    /// What the manifest says whatever the dump brings.
    fn manifest(&self, args: &CreateArgs) -> Manifest {
        let facts = &self.facts;
        let release = args.make.release.clone().map(|name| Release {
            name,
            git: args.git.clone(),
            image: args.image.clone(),
            migration: args.migration.clone(),
        });
        Manifest {
            format: document::FORMAT,
            id: self.id.clone(),
            kind: self.kind,
            cluster: Cluster {
                name: self.series.cluster().clone(),
                system_id: facts.system_id.clone(),
                server_version: facts.server_version,
            },
            database: Some(facts.database.clone()),
            release,
            snapshot_at: facts.now,
            started_at: facts.now,
            finished_at: facts.now,
            tool: Tool {
                client: self.programs.version().text.clone(),
                pg_backup: env!("CARGO_PKG_VERSION").to_owned(),
            },
            objects: Vec::<StoredObject>::new(),
            extensions: facts.extensions.clone(),
            roles: facts.roles.clone(),
            locale: Some(facts.locale.clone()),
            recipients: self.sealing.recipients.shown(),
            rows: None::<RowTotals>,
            wal: None,
            database_bytes: facts.database_bytes,
            stderr_tail: String::new(),
        }
    }
}
