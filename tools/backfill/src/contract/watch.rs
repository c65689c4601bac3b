//! `contract watch`: asks again and again until the answer is clean.
//!
//! Blockers do not end it, because somebody may be removing them. A database that is away for a moment does not
//! either; what matters is whether the counters survive, which the next look finds out.

use std::time::{Duration, Instant};

use release_common::{Context, Outcome, Shutdown, Signal};

use super::check::{Checker, Report};
use super::report::Reporter;
use super::verdict::Answer;
use crate::cli::ContractWatchArgs;
use crate::error::Error;

/// How soon a signal is obeyed, and how soon a lost database is tried again.
const STEP: Duration = Duration::from_millis(100);
const RETRY: Duration = Duration::from_secs(1);

/// Watches.
pub(super) async fn run(args: &ContractWatchArgs, context: &mut Context) -> Result<Outcome, Error> {
    let mut checker = Checker::open(&args.check, context).await?;
    let job = checker.job.clone();
    let shutdown = context.shutdown.clone();
    let mut reporter = Reporter::new(context, args.check.report.format(), &job);
    let mut last: Option<Report> = None;
    loop {
        let looked = look(&mut checker, args.check.connect.timeout.0, &shutdown, &mut reporter).await?;
        if let Some(report) = looked {
            reporter.observation(&report)?;
            if report.answer == Answer::Clean {
                reporter.summary(&report)?;
                return Ok(Outcome::Good);
            }
            last = Some(report);
        }
        if let Some(signal) = pause(args.every.0, &shutdown).await {
            if let Some(report) = &last {
                reporter.summary(report)?;
            }
            return Ok(Outcome::Stopped(signal));
        }
    }
}

/// One look; `None` when a signal came while the database was away.
async fn look(
    checker: &mut Checker,
    patience: Duration,
    shutdown: &Shutdown,
    reporter: &mut Reporter<'_>,
) -> Result<Option<Report>, Error> {
    let begin = Instant::now();
    loop {
        let error = match checker.check().await {
            Ok(report) => return Ok(Some(report)),
            Err(error @ Error::Unreachable { .. }) if begin.elapsed() < patience => error,
            Err(error) => return Err(error),
        };
        reporter.note(&format!("{error}; trying again"));
        if pause(RETRY, shutdown).await.is_some() {
            return Ok(None);
        }
        // When it fails, so does the next look.
        let _ = checker.reconnect().await;
    }
}

async fn pause(span: Duration, shutdown: &Shutdown) -> Option<Signal> {
    let begin = Instant::now();
    loop {
        if let Some(signal) = shutdown.requested() {
            return Some(signal);
        }
        let left = span.saturating_sub(begin.elapsed());
        if left.is_zero() {
            return None;
        }
        tokio::time::sleep(left.min(STEP)).await;
    }
}
