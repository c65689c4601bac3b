//! `restore --at`: a cluster as it was at a moment, from a base backup and WAL.
//!
//! The plan is made before anything is touched, since PostgreSQL checks nothing of it. Then the base backup is unpacked
//! into a new folder and a server that nobody else can reach replays WAL up to the moment; it is stopped cleanly, and the
//! folder is a cluster that anybody may start. Until then a document in the folder says that it is none yet.

mod choice;
mod folder;
mod recovering;
mod report;
mod settings;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use jiff::Timestamp;
use release_common::{Context, Outcome, Stop, fault};

use self::choice::{Moments, Refusal};
use self::folder::{DataFolder, MARKER};
use self::recovering::{End, Facts, Recovering};
use self::settings::{Recovery, Target};
use crate::account::Account;
use crate::child::Child;
use crate::cli::RestoreArgs;
use crate::encryption::Identities;
use crate::error::Error;
use crate::layout::Series;
use crate::manifest::{Manifest, Role};
use crate::opened;
use crate::programs::{Programs, Version};
use crate::store::{Location, Store};
use crate::unseal;
use crate::wal_archive::{self, Window};
use crate::wal_record::WalPlace;

/// Everything that is decided before the work begins.
struct Plan {
    target: Timestamp,
    pgdata: PathBuf,
    window: Window,
    place: WalPlace,
    programs: Programs,
    account: Account,
    identities: Identities,
    recovery: Recovery,
}

/// Restores a cluster to a moment.
///
/// # Errors
/// When no base backup leads there, or something of it fails.
pub(super) fn run(args: &RestoreArgs, target: Timestamp, context: &mut Context) -> Result<Outcome, Error> {
    crate::runtime()?.block_on(async {
        let mut stop = Stop::new(&context.shutdown);
        let started_at = context.clock.now();
        let store = opened::store(&args.series.store)?;
        let plan = stop.unless(plan(args, target, &store, context)).await?;
        if args.dry_run {
            return report::planned(args, &plan, context);
        }
        let facts = restore(&plan, &store, &mut stop, context).await.inspect_err(|error| {
            if matches!(error, Error::Stopped(_)) {
                context.console.note("the folder is half-restored: the same command begins anew in it");
            }
        })?;
        let took = context.clock.now().duration_since(started_at);
        report::restored(args, &plan, &facts, took, context)
    })
}

async fn plan(
    args: &RestoreArgs,
    target: Timestamp,
    store: &Store,
    context: &Context,
) -> Result<Plan, Error> {
    let identities = Identities::read(&args.identity.identity)?;
    let pgdata = args.pgdata.clone().unwrap_or_default();
    folder::look(&pgdata)?;
    let account = Account::find(&args.server_user, "--server-user")?;
    let cluster = opened::cluster(store, args.series.store.cluster.as_ref()).await?;
    let place = place(args, store, &cluster).await?;
    let window = window(args, target, store, &place, context).await?;
    if !window.base.recipients.is_empty() && identities.is_empty() {
        return Err(Error::NoIdentity { id: window.base.id.to_string() });
    }
    let programs = programs(args, &window.base)?;
    let recovery = Recovery {
        program: std::env::current_exe().map_err(Error::Runtime)?,
        store: address(args.series.store.store.clone())?,
        timeout_s: args.series.store.timeout.0.as_secs().max(1),
        place: place.clone(),
        identities: absolute(&args.identity.identity)?,
        timeline: window.timeline,
        target: Target::Time(target),
    };
    Ok(Plan { target, pgdata, window, place, programs, account, identities, recovery })
}

async fn place(args: &RestoreArgs, store: &Store, cluster: &crate::layout::Name) -> Result<WalPlace, Error> {
    wal_archive::place(store, Some(cluster), args.system_id.as_deref()).await
}

/// The base backup to begin with, and how far its WAL leads.
async fn window(
    args: &RestoreArgs,
    target: Timestamp,
    store: &Store,
    place: &WalPlace,
    context: &Context,
) -> Result<Window, Error> {
    let stored = wal_archive::stored(store, place).await?;
    let bases = opened::backups(store, &Series::Bases { cluster: place.cluster.clone() }).await?;
    for (id, error) in &bases.unreadable {
        context.console.warn(format_args!("{id}: is passed over: {error}"));
    }
    let mut windows = Vec::new();
    for base in bases.good.into_iter().filter(|base| base.manifest.cluster.system_id == place.system_id) {
        windows.push(wal_archive::window(store, &stored, base.manifest, args.timeline).await?);
    }
    let moments: Vec<_> =
        windows.iter().map(|window| Moments { from: window.from, until: window.until }).collect();
    match choice::choose(target, context.clock.now(), &moments) {
        Ok(index) => Ok(windows.swap_remove(index)),
        Err(refusal) => Err(refused(refusal, target, &windows)),
    }
}

fn refused(refusal: Refusal, target: Timestamp, windows: &[Window]) -> Error {
    let (what, reason, hint) = match refusal {
        Refusal::NoBase => (
            "there is no base backup to begin with".to_owned(),
            "no_base",
            "`pg-backup base` makes one; dumps restore by `restore ID --to DATABASE`".to_owned(),
        ),
        Refusal::Future => {
            (format!("{target} is in the future"), "future", "name a moment that has passed".to_owned())
        }
        Refusal::TooEarly(first) => (
            format!("{target} is before the end of the first base backup"),
            "before_base",
            format!("the earliest moment that can be restored is {first}"),
        ),
        Refusal::TooLate(last) => {
            let gap = windows.iter().find(|window| window.reach.is_hole).map(|window| window.reach.missing);
            let why = gap.map_or_else(String::new, |missing| format!(": {missing} is missing"));
            (
                format!("{target} is after the end of the WAL that is stored without a gap{why}"),
                "after_wal",
                format!("the latest moment that can be restored is {last}"),
            )
        }
    };
    Error::Refused { what, reason, hint }
}

/// A cluster is run by the programs of its own major version and no other.
fn programs(args: &RestoreArgs, base: &Manifest) -> Result<Programs, Error> {
    let major = Version::major_of(base.cluster.server_version);
    let programs = Programs::for_server(args.connect.pg_bin.as_deref(), base.cluster.server_version)?;
    if programs.version().major != major {
        return Err(Error::NoProgram { name: "postgres", major });
    }
    programs.require("postgres").map(|_| programs)
}

/// The store as a server in another folder finds it.
fn address(location: Option<Location>) -> Result<String, Error> {
    let location = location.unwrap_or_else(Location::fallback);
    match location.folder() {
        Some(folder) => Ok(absolute(&[folder.to_owned()])?
            .first()
            .map_or_else(String::new, |path| path.display().to_string())),
        None => Ok(location.to_string()),
    }
}

fn absolute(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let found = paths.iter().map(|path| {
        path.canonicalize().map_err(|source| Error::File {
            path: path.clone(),
            doing: "looking for it",
            source,
        })
    });
    found.collect()
}

async fn restore(plan: &Plan, store: &Store, stop: &mut Stop, context: &Context) -> Result<Facts, Error> {
    let base = &plan.window.base;
    let folder = DataFolder::make(&plan.pgdata, plan.account, &base.id, &plan.target.to_string())?;
    fault::point("restore.made");
    let folder = stop.unless(unpack(plan, store, folder)).await?;
    fault::point("restore.unpacked");
    folder.give_away()?;
    stop.unless(verify(plan, folder.path(), context)).await?;
    if !folder.has("postgresql.conf") {
        context
            .console
            .note("the backup holds no postgresql.conf, which its server kept elsewhere: bring your own");
    }
    folder.remove("standby.signal")?;
    folder.write("recovery.signal", "")?;
    let facts = replay(plan, &folder, stop).await?;
    believe(plan, &facts)?;
    folder.write("postgresql.auto.conf", &settings::after(&folder.read("postgresql.auto.conf")?))?;
    fault::point("restore.recovered");
    folder.remove(MARKER)?;
    Ok(facts)
}

async fn unpack(plan: &Plan, store: &Store, folder: DataFolder) -> Result<DataFolder, Error> {
    let base = &plan.window.base;
    let series = Series::Bases { cluster: plan.place.cluster.clone() };
    let tar = base.object(Role::Tar).ok_or_else(|| Error::Failed {
        what: format!("{}: its manifest names no tar file", base.id),
        reason: "manifest",
        hint: String::new(),
    })?;
    let key = series.object(&base.id, &tar.name);
    let unsealing = unseal::unseal(store, &key, tar, !base.recipients.is_empty(), &plan.identities);
    let unpacking = tokio::task::spawn_blocking(move || {
        let unpacked = unsealing.open().and_then(|content| folder.unpack(content));
        unpacked.map(|()| folder)
    });
    let unpacked = unpacking.await.map_err(|error| Error::Source { reason: error.to_string() })?;
    unpacked.map_err(|error| match error.downcast::<Error>() {
        Ok(error) => error,
        Err(error) => Error::Failed {
            what: format!("{key}: {error}"),
            reason: "base_unpack",
            hint: "the folder is half-restored: the same command begins anew in it".to_owned(),
        },
    })
}

/// PostgreSQL's own check of the unpacked files, where it is installed.
async fn verify(plan: &Plan, data: &Path, context: &Context) -> Result<(), Error> {
    let Ok(program) = plan.programs.require("pg_verifybackup") else {
        context
            .console
            .note("pg_verifybackup is not installed: the files were compared with our checksums alone");
        return Ok(());
    };
    let mut command = Command::new(program);
    crate::child::keep_secrets_from(&mut command);
    command.arg(format!("--ignore={MARKER}")).arg("--quiet").arg(data).current_dir("/");
    command.env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::null());
    plan.account.apply(&mut command);
    Child::start(command)?.wait().await?.success().map(drop)
}

/// Replays up to the moment, and stops the server.
async fn replay(plan: &Plan, folder: &DataFolder, stop: &mut Stop) -> Result<Facts, Error> {
    let user = plan.window.base.roles.first().map_or("postgres", String::as_str);
    let mut recovery = plan.recovery.clone();
    loop {
        let text = recovery.add_to(&folder.read("postgresql.auto.conf")?);
        folder.write("postgresql.auto.conf", &text)?;
        let mut server = Recovering::start(&plan.programs, folder, plan.account, user)?;
        fault::point("restore.replaying");
        match server.finish(stop).await? {
            End::Reached(facts) => {
                server.stop().await?;
                return Ok(facts);
            }
            // The WAL reaches beyond the moment, as its times say, and nothing was committed in between: its end is
            // the moment. Once more to exactly there, since more WAL may have come by now.
            End::OutOfWal(lsn) if matches!(recovery.target, Target::Time(_)) => {
                recovery.target = Target::Lsn(lsn);
            }
            End::OutOfWal(lsn) => {
                return Err(Error::Failed {
                    what: format!("the recovery ended at {lsn} and not where it was told to"),
                    reason: "target_not_reached",
                    hint: "the folder is half-restored: the same command begins anew in it".to_owned(),
                });
            }
        }
    }
}

/// The server's own word against what was asked for.
fn believe(plan: &Plan, facts: &Facts) -> Result<(), Error> {
    let wrong = |what: String| Error::Failed {
        what,
        reason: "target_not_reached",
        hint: "the folder is not what was asked for: remove it".to_owned(),
    };
    if facts.system_id != plan.place.system_id {
        return Err(wrong(format!("the restored cluster is {}", facts.system_id)));
    }
    match facts.last_commit {
        Some(last) if last > plan.target => {
            Err(wrong(format!("the restored cluster has a commit of {last}")))
        }
        _ => Ok(()),
    }
}
