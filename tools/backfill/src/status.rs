//! `status`: where jobs stand, read from any machine.

use std::io::Write;
use std::time::Duration;

use release_common::output::{Format, JsonLines};
use release_common::{Context, Outcome};
use release_postgres::literal;
use serde_json::{Value, json};

use crate::chunks::{self, Standing};
use crate::cli::StatusArgs;
use crate::connect::{self, Connected};
use crate::error::Error;
use crate::job::{Desired, Job, State};
use crate::state;

const EVERY: Duration = Duration::from_secs(1);
/// More events than this belong into a query of one's own.
const SHOWN_EVENTS: u32 = 50;

/// Runs `status`.
pub(crate) fn run(args: &StatusArgs, context: &mut Context) -> Result<Outcome, Error> {
    crate::runtime()?.block_on(async {
        let mut connected = connect::open(&args.connect, context).await?;
        loop {
            let jobs = match &args.name {
                Some(name) => vec![connected.job(name).await?],
                None => {
                    let all = state::all(&mut connected.session).await;
                    all.map_err(|source| connected.error("reading the jobs", source))?
                }
            };
            let mut is_over = true;
            for job in &jobs {
                is_over &= matches!(job.state, State::Done | State::Failed | State::Cancelled);
                show(&mut connected, job, args, context).await?;
            }
            if !args.watch || is_over {
                return close(&jobs, args.report.format(), &connected, context);
            }
            context.stdout().flush()?;
            if let Some(signal) = wait(context).await {
                return Ok(Outcome::Stopped(signal));
            }
        }
    })
}

/// Waits for the next look, or for a signal.
async fn wait(context: &Context) -> Option<release_common::Signal> {
    let step = Duration::from_millis(50);
    for _ in 0..EVERY.as_millis() / step.as_millis() {
        if let Some(signal) = context.shutdown.requested() {
            return Some(signal);
        }
        tokio::time::sleep(step).await;
    }
    None
}

async fn show(
    connected: &mut Connected,
    job: &Job,
    args: &StatusArgs,
    context: &mut Context,
) -> Result<(), Error> {
    let standing = chunks::standing(&mut connected.session, job).await;
    let standing = standing.map_err(|source| connected.error("reading the job", source))?;
    let events = if args.events { events(connected, job).await? } else { Vec::new() };
    if args.report.format() == Format::Json {
        let mut lines = JsonLines::new(context.stdout());
        lines.write(&to_json(job, &standing))?;
        for event in &events {
            lines.write(event)?;
        }
        return Ok(());
    }
    let out = context.stdout();
    write_job(out, job, &standing)?;
    for event in &events {
        let text = |key: &str| event.get(key).and_then(Value::as_str).unwrap_or_default();
        writeln!(
            out,
            "  {}  {:<16} {}  {}",
            text("at"),
            text("kind"),
            text("actor"),
            event.get("detail").unwrap_or(&Value::Null)
        )?;
    }
    Ok(())
}

async fn events(connected: &mut Connected, job: &Job) -> Result<Vec<Value>, Error> {
    let query = format!(
        "select * from (select 'event' as type, to_char(at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') as at, \
         job, actor, kind, clock, detail, id from backfill.event where job = {} order by id desc limit {SHOWN_EVENTS}) \
         as newest order by id",
        literal(&job.name)
    );
    let events = connected.session.read::<Value>(&query).await;
    events.map_err(|source| connected.error("reading the events", source))
}

/// The job with what is asked of it: a paused job is not one that runs.
fn standing_name(standing: &Standing) -> &'static str {
    let is_open = matches!(standing.state, State::Ready | State::Running);
    if is_open && standing.desired == Desired::Pause {
        return "paused";
    }
    if standing.state == State::Running && standing.owners.is_empty() {
        return "waiting";
    }
    standing.state.name()
}

fn to_json(job: &Job, standing: &Standing) -> Value {
    json!({
        "type": "job", "job": job.name, "state": standing_name(standing), "desired": standing.desired,
        "table": job.target.name, "pass": standing.pass, "chunks": standing.chunks, "chunks_left": standing.left,
        "keys_seen": standing.keys_seen, "rows_written": standing.rows_written,
        "dead_letters": standing.dead_letters, "workers": standing.owners.len(), "duty": job.duty(),
        "window": job.spec.window, "reason": job.reason,
    })
}

fn write_job(out: &mut (dyn Write + Send), job: &Job, standing: &Standing) -> Result<(), Error> {
    let done = standing.chunks - standing.left;
    write!(out, "{}  {}", job.name, standing_name(standing))?;
    if let Some(reason) = &job.reason {
        write!(out, " ({reason})")?;
    }
    writeln!(out)?;
    writeln!(out, "  table         {}", job.target.name)?;
    writeln!(out, "  chunks        {done} of {} done in pass {}", standing.chunks, standing.pass)?;
    writeln!(out, "  rows          {} filled, {} keys seen", standing.rows_written, standing.keys_seen)?;
    writeln!(out, "  workers       {} at {} of the time", standing.owners.len(), job.duty())?;
    writeln!(out, "  window        {}", job.spec.window)?;
    if standing.dead_letters > 0 {
        writeln!(out, "  dead letters  {}", standing.dead_letters)?;
    }
    Ok(())
}

fn close(
    jobs: &[Job],
    format: Format,
    connected: &Connected,
    context: &mut Context,
) -> Result<Outcome, Error> {
    if format == Format::Json {
        let summary = json!({"type": "summary", "reason": "shown", "jobs": jobs.len(), "clock": connected.actor.clock()});
        JsonLines::new(context.stdout()).write(&summary)?;
    } else if jobs.is_empty() {
        writeln!(context.stdout(), "no jobs in {}", connected.database.shown())?;
    }
    Ok(Outcome::Good)
}
