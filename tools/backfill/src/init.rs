//! Records a job, after everything that could go wrong later has been tried.

use release_common::{Context, Outcome};
use serde_json::json;

use crate::catalog;
use crate::cli::InitArgs;
use crate::connect::{self, Connected};
use crate::error::Error;
use crate::examine::{self, Examined};
use crate::intake::{self, Wanted};
use crate::job::Job;
use crate::plan;
use crate::spec::{Placed, Spec};
use crate::split;
use crate::state;
use crate::statements::Statements;
use crate::trial;

/// Runs `init`.
pub(crate) fn run(args: &InitArgs, context: &mut Context) -> Result<Outcome, Error> {
    let Wanted::Spec(placed) = intake::read(&args.spec)? else { return Err(nothing_to_record()) };
    crate::runtime()?.block_on(async {
        let mut connected = connect::open(&args.connect, context).await?;
        if args.dry_run {
            return plan::show(&mut connected, *placed, args.report.format(), context).await;
        }
        let is_new = state::find(&mut connected.session, &placed.spec.name).await;
        let is_new = is_new.map_err(|source| connected.error("reading the job", source))?.is_none();
        let (job, remarks) = ensure(&mut connected, *placed).await?;
        report(args, context, &connected, &job, is_new, &remarks)?;
        Ok(Outcome::Good)
    })
}

fn report(
    args: &InitArgs,
    context: &mut Context,
    connected: &Connected,
    job: &Job,
    is_new: bool,
    remarks: &[String],
) -> Result<(), Error> {
    for remark in remarks {
        context.console.note(remark);
    }
    let word = if is_new { "recorded" } else { "was recorded before" };
    let summary = json!({
        "type": "summary", "reason": if is_new { "recorded" } else { "unchanged" }, "job": job.name,
        "state": job.state, "fingerprint": job.fingerprint, "remarks": remarks, "clock": connected.actor.clock(),
    });
    let text = format!("job {} {word}; `backfill run --name {}` works on it", job.name, job.name);
    crate::answer(context, args.report.format(), &summary, &text)
}

/// Flags that name a recorded job and nothing to record.
fn nothing_to_record() -> Error {
    let place = crate::spec::Place::Flag("table".to_owned());
    Error::Spec(crate::spec::SpecError::new(place, "is missing: the table to fill"))
}

/// The job of this specification: the one that is there, or a new one.
pub(crate) async fn ensure(connected: &mut Connected, placed: Placed) -> Result<(Job, Vec<String>), Error> {
    let name = placed.spec.name.clone();
    let found = state::find(&mut connected.session, &name).await;
    if let Some(job) = found.map_err(|source| connected.error("reading the job", source))? {
        return Ok((resumed(job, placed.spec)?, Vec::new()));
    }
    let examined = examine::examine(connected, placed).await?;
    trial::first_row(connected, &examined).await?;
    match record(connected, &examined).await {
        // Another process was faster.
        Err(Error::Database { source, .. })
            if source.sqlstate().is_some_and(|code| code.code() == "23505") => {}
        Err(error) => return Err(error),
        Ok(()) => {}
    }
    let job = connected.job(&name).await?;
    Ok((resumed(job, examined.placed.spec)?, examined.remarks))
}

/// A job that is there goes on with what the specification says about how to run it.
fn resumed(job: Job, spec: Spec) -> Result<Job, Error> {
    if job.fingerprint == spec.fingerprint() {
        return Ok(Job { spec, ..job });
    }
    let stored = &job.spec;
    let differences = [
        ("table", stored.table != spec.table),
        ("set", stored.set != spec.set),
        ("scope", stored.scope != spec.scope),
        ("where", stored.condition != spec.condition),
        ("source", stored.source != spec.source),
    ];
    let names: Vec<&str> =
        differences.iter().filter(|(_, differs)| *differs).map(|(name, _)| *name).collect();
    Err(Error::OtherSpec { name: job.name, difference: format!("another {}", names.join(" and ")) })
}

async fn record(connected: &mut Connected, examined: &Examined) -> Result<(), Error> {
    let (spec, target) = (&examined.placed.spec, &examined.target);
    if !examined.server.has_state {
        let prepared = state::prepare(&mut connected.session).await;
        prepared.map_err(|source| connected.error("creating the schema backfill", source))?;
    }
    let statements = Statements::new(0, spec, target);
    let chunks = split::split(&mut connected.session, &statements, &examined.table, &target.walk).await;
    let chunks = chunks.map_err(|source| connected.error("cutting the table into chunks", source))?;
    let identifier = examined.server.system_identifier.as_deref();
    let recorded =
        state::record(&mut connected.session, &connected.actor, spec, target, identifier, &chunks).await;
    recorded.map_err(|source| connected.error("recording the job", source))
}

/// Refuses another cluster than the one of the job: the address may lead elsewhere by now.
pub(crate) fn same_cluster(job: &Job, server: &catalog::Server, connected: &Connected) -> Result<(), Error> {
    match (&job.system_identifier, &server.system_identifier) {
        (Some(recorded), Some(found)) if recorded != found => Err(Error::Server {
            database: connected.database.shown(),
            reason: "is a copy of the cluster in which the job was recorded, not that cluster".to_owned(),
            hint: Some(format!("`backfill drop-state {} --yes` forgets it here", job.name)),
        }),
        _ => Ok(()),
    }
}
