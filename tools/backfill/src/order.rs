//! `pause`, `resume`, `cancel`, `rate` and `drop-state`: a row in the database that every worker reads.

use release_common::{Context, Outcome};
use release_postgres::literal;
use serde_json::json;

use crate::cli::{DropStateArgs, OrderArgs, RateArgs};
use crate::connect;
use crate::error::Error;
use crate::job::{Desired, State};
use crate::state;

/// Asks the workers of a job for something.
pub(crate) fn run(args: &OrderArgs, desired: Desired, context: &mut Context) -> Result<Outcome, Error> {
    crate::runtime()?.block_on(async {
        let mut connected = connect::open(&args.connect, context).await?;
        let job = connected.job(&args.name).await?;
        let is_over = matches!(job.state, State::Done | State::Cancelled);
        if is_over && !(desired == Desired::Cancel && job.state == State::Cancelled) {
            let hint = "nothing works on it any more".to_owned();
            let state = job.state.name().to_owned();
            return Err(Error::WrongState { name: job.name, state, hint });
        }
        let is_news = job.desired != desired;
        if is_news {
            let actor = connected.actor.clone();
            let ordered = state::order(&mut connected.session, &actor, &job, desired, args.reason.as_deref());
            ordered.await.map_err(|source| connected.error("ordering", source))?;
        }
        let word = match (desired, is_news) {
            (Desired::Run, _) => "may run: the next `backfill run` works on it",
            (Desired::Pause, _) => "is paused: its workers stop after their batch",
            (Desired::Cancel, _) => {
                "is cancelled: its workers stop after their batch; what is filled stays filled"
            }
        };
        let summary = json!({
            "type": "summary", "reason": if is_news { "ordered" } else { "unchanged" }, "job": job.name,
            "desired": desired, "clock": connected.actor.clock(),
        });
        crate::answer(context, args.report.format(), &summary, &format!("job {} {word}", job.name))?;
        Ok(Outcome::Good)
    })
}

/// Changes the pace of the workers of a job.
pub(crate) fn rate(args: &RateArgs, context: &mut Context) -> Result<Outcome, Error> {
    crate::runtime()?.block_on(async {
        let mut connected = connect::open(&args.connect, context).await?;
        let job = connected.job(&args.name).await?;
        let actor = connected.actor.clone();
        let set = state::set_duty(&mut connected.session, &actor, &job, args.duty.share()).await;
        set.map_err(|source| connected.error("changing the rate", source))?;
        let summary = json!({
            "type": "summary", "reason": "ordered", "job": job.name, "duty": args.duty, "was": job.duty(),
            "clock": connected.actor.clock(),
        });
        let text = format!("job {}: duty {} instead of {}", job.name, args.duty, job.duty());
        crate::answer(context, args.report.format(), &summary, &text)?;
        Ok(Outcome::Good)
    })
}

/// Forgets a job, or all of them with the schema.
pub(crate) fn drop_state(args: &DropStateArgs, context: &mut Context) -> Result<Outcome, Error> {
    crate::runtime()?.block_on(async {
        let mut connected = connect::open(&args.connect, context).await?;
        let what = match &args.name {
            Some(name) => format!("job `{name}`: its progress and dead letters"),
            None => "the schema backfill: all jobs, their progress and the record of who did what".to_owned(),
        };
        let statements = match &args.name {
            Some(name) => {
                let job = connected.job(name).await?;
                let event = connected.actor.event(&job, "forgotten", &json!({}));
                format!("{event}; delete from backfill.job where name = {}", literal(name))
            }
            None => "drop schema if exists backfill cascade".to_owned(),
        };
        if !args.yes {
            return Err(Error::Unconfirmed { what: format!("would forget {what}") });
        }
        let dropped = connected.session.write::<serde_json::Value>(&statements).await;
        dropped.map_err(|source| connected.error("forgetting", source))?;
        let summary = json!({"type": "summary", "reason": "forgotten", "job": args.name});
        crate::answer(context, args.report.format(), &summary, &format!("forgotten: {what}"))?;
        Ok(Outcome::Good)
    })
}
