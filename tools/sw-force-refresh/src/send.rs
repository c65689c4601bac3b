//! `send`: plan, preflight, publish, wait. Nothing is published before the last step that can say no.

use jiff::Timestamp;
use release_common::{Context, Outcome, Stop};
use tokio::time::Instant;
use ulid::Ulid;

use crate::adoption::{Reason, Target, Verdict, judge_match};
use crate::api::{Accepted, EventStatus};
use crate::audience::Audience;
use crate::chance;
use crate::cli::{SendArgs, WaitArgs};
use crate::cohort::Counts;
use crate::error::Error;
use crate::event::{Event, MAX_LIFE_SECONDS, Severity};
use crate::hub_client::{HubClient, PublishAnswer};
use crate::keys::SigningKey;
use crate::plan::{self, Wish};
use crate::report::{Reporter, Summary};
use crate::wait::{self, Ending, Wait};
use crate::{jws, preflight, runtime, secrets, stdin};

/// How often a number may be taken by somebody else before this one gives up.
const NUMBER_TRIES: u32 = 16;

/// Publishes an update.
pub(crate) fn run(args: &SendArgs, context: &mut Context) -> Result<Outcome, Error> {
    let event = plan_of(args, context.clock.now())?;
    let key = secrets::signing_key(&args.key)?;
    if args.dry_run {
        jws::sign(&key, &event).map_err(Error::Unsignable)?;
        return show_plan(args, &event, context);
    }
    let hub = HubClient::new(args.hub.hub.clone(), secrets::token(args.hub.token_file.as_deref())?);
    let stop = Stop::new(&context.shutdown);
    runtime()?.block_on(publish_and_wait(args, event, &key, &hub, stop, context))
}

fn plan_of(args: &SendArgs, now: Timestamp) -> Result<Event, Error> {
    if i64::try_from(args.ttl.0.as_secs()).unwrap_or(i64::MAX) > MAX_LIFE_SECONDS {
        return Err(Error::Life(args.ttl));
    }
    let manifest_hash = stdin::subject(args.hash)?;
    let id = match args.id {
        Some(id) => id,
        None => chance::ulid(now).map_err(|cause| Error::Runtime(cause.into()))?,
    };
    let wish = Wish {
        manifest_hash,
        severity: if args.critical { Severity::Critical } else { args.severity },
        audience: Audience::of(args.audience.clone()),
        rollout: args.rollout,
        jitter: args.jitter.0,
        deadline: args.deadline.0,
        ttl: args.ttl.0,
        reason: args.reason.clone(),
        iss: args.iss.clone(),
    };
    Ok(plan::refresh(wish, id, now))
}

fn show_plan(args: &SendArgs, event: &Event, context: &mut Context) -> Result<Outcome, Error> {
    let mut reporter = Reporter::new(context, args.report.format());
    reporter.plan(event)?;
    if args.report.format() == release_common::output::Format::Json {
        let summary = Summary {
            reason: Reason::DryRun,
            id: event.id,
            seq: None,
            manifest_hash: event.manifest_hash,
            target_percent: args.wait.until.map(|until| until.value()),
            updated_percent: None,
            elapsed_s: 0.0,
            counts: &Counts::default(),
        };
        reporter.summary(&summary, Ending::Good(Reason::DryRun))?;
    }
    Ok(Outcome::Good)
}

async fn publish_and_wait(
    args: &SendArgs,
    event: Event,
    key: &SigningKey,
    hub: &HubClient,
    mut stop: Stop,
    context: &mut Context,
) -> Result<Outcome, Error> {
    let console = context.console;
    let begin = Instant::now();
    let prepared = tokio::select! {
        prepared = prepare(args, &event, hub) => prepared?,
        signal = stop.wait() => {
            console.note("nothing is published");
            return Ok(Outcome::Stopped(signal));
        }
    };
    let (id, manifest_hash) = (event.id, event.manifest_hash);
    let accepted = match prepared {
        Prepared::Known(seq) => Accepted { id, seq, is_new: false },
        Prepared::Next(seq) => number_and_publish(event, seq, key, hub).await?,
    };
    let mut reporter = Reporter::new(context, args.report.format());
    reporter.published(accepted, manifest_hash)?;
    follow(id, &args.wait, hub, begin, &mut stop, &mut reporter).await
}

/// What is known before publishing.
enum Prepared {
    /// This very update is published under this number; only the wait is left.
    Known(u64),
    /// It will take the number after this one.
    Next(u64),
}

async fn prepare(args: &SendArgs, event: &Event, hub: &HubClient) -> Result<Prepared, Error> {
    let known = match args.id {
        Some(id) => hub.status(Some(id)).await?,
        None => None,
    };
    if let Some(known) = known.and_then(|status| status.events.into_iter().next()) {
        let (id, published, wanted) = (event.id, known.manifest_hash, event.manifest_hash);
        return if published == wanted {
            Ok(Prepared::Known(known.seq))
        } else {
            Err(Error::OtherEvent { id, published, wanted })
        };
    }
    let status = hub.status(None).await?;
    let seq = status.ok_or_else(|| Error::NotAHub { hub: hub.address().clone() })?.seq;
    if let Some(url) = &args.preflight_url {
        preflight::check(url, event.manifest_hash).await?;
    }
    Ok(Prepared::Next(seq))
}

/// Signs `event` with the number after `seq`, or after whatever others have taken meanwhile, and publishes it.
pub(crate) async fn number_and_publish(
    mut event: Event,
    seq: u64,
    key: &SigningKey,
    hub: &HubClient,
) -> Result<Accepted, Error> {
    let mut taken = seq;
    for _ in 0..NUMBER_TRIES {
        event.seq = taken.saturating_add(1);
        let jws = jws::sign(key, &event).map_err(Error::Unsignable)?;
        match hub.publish(event.id, &jws).await? {
            PublishAnswer::Accepted(accepted) => return Ok(accepted),
            PublishAnswer::TakeNumberAbove(current) => taken = current,
        }
    }
    Err(Error::HubBusy {
        hub: hub.address().clone(),
        message: "others keep taking the next number".to_owned(),
    })
}

/// Waits if that is wanted, and tells how it ended.
pub(crate) async fn follow(
    id: Ulid,
    args: &WaitArgs,
    hub: &HubClient,
    begin: Instant,
    stop: &mut Stop,
    reporter: &mut Reporter<'_>,
) -> Result<Outcome, Error> {
    let (ending, event) = match args.until {
        Some(until) => {
            let target = Target { until, min_clients: args.min_clients, allow_empty: args.allow_empty };
            wait::until(Wait { id, target, timeout: args.timeout.0 }, hub, stop, reporter).await?
        }
        None => {
            let (_, event) = hub.published(id).await?;
            (ending_without_wait(args, &event), event)
        }
    };
    let summary = Summary {
        reason: ending.reason(),
        id,
        seq: Some(event.seq),
        manifest_hash: event.manifest_hash,
        target_percent: args.until.map(|until| until.value()),
        updated_percent: event.updated_percent,
        elapsed_s: (begin.elapsed().as_secs_f64() * 1000.0).round() / 1000.0,
        counts: &event.counts,
    };
    reporter.summary(&summary, ending)?;
    Ok(ending.outcome())
}

fn ending_without_wait(args: &WaitArgs, event: &EventStatus) -> Ending {
    match judge_match(&event.counts, args.min_clients, args.allow_empty) {
        Some(Verdict::Missed(reason)) => Ending::Bad(reason),
        Some(Verdict::Met(_) | Verdict::Wait) | None => Ending::Good(Reason::Published),
    }
}
