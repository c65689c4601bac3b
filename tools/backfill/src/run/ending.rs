//! How a run ends: recorded for the next one, and told.

use jiff::Timestamp;
use release_common::{Context, Outcome};
use serde_json::json;

use super::Run;
use crate::chunks::{self, Standing};
use crate::connect::Connected;
use crate::control::Pace;
use crate::error::Error;
use crate::job::State;
use crate::live::Stop;
use crate::report::{Reporter, Summary};
use crate::spec::When;
use crate::state;

impl Run<'_> {
    /// Records how it ended, and tells.
    pub(super) async fn end(
        self,
        connected: &mut Connected,
        stop: Stop,
        context: &mut Context,
    ) -> Result<Outcome, Error> {
        let is_held = matches!(self.live.pace(), Pace::Hold(_)) && self.live.counts().batches == 0;
        let reason = reason(&stop, is_held && stop == Stop::WindowClosed && self.job.state == State::Running);
        let standing = self.record_end(connected, &stop, reason).await;
        // Done with how many dead letters? The same command answers when the database is back.
        let is_unknown = stop == Stop::Done && standing.is_none();
        let (stop, reason) = match is_unknown {
            true => (Stop::Unreachable("its record cannot be read".to_owned()), "unreachable"),
            false => (stop, reason),
        };
        let dead_letters = standing.as_ref().map_or(0, |standing| standing.dead_letters);
        let reason = if stop == Stop::Done && dead_letters > 0 { "dead_letters" } else { reason };
        let summary = self.summary(&stop, reason, standing, connected);
        let format = self.args.report.format();
        Reporter::new(context, format, &self.job.name, summary.clock, None).summary(&summary)?;
        let name = self.job.name.clone();
        match stop {
            Stop::Done if dead_letters > 0 => Ok(Outcome::Bad),
            Stop::Done => Ok(Outcome::Good),
            Stop::Signal(signal) => Ok(Outcome::Stopped(signal)),
            Stop::WindowClosed if self.args.window_exit_0 => Ok(Outcome::Good),
            Stop::WindowClosed | Stop::Paused | Stop::OwnedElsewhere | Stop::Unreachable(_) => {
                Ok(Outcome::Unfinished)
            }
            Stop::Cancelled => Err(Error::JobFailed {
                reason: "it was cancelled".to_owned(),
                hint: format!("`backfill status {name} --events` tells by whom"),
                name,
            }),
            Stop::Failed(reason, hint) => Err(Error::JobFailed { name, reason, hint }),
        }
    }

    /// The database may be gone: then the next run finds out by itself. But the session has rested for as long as the
    /// workers worked: when it broke meanwhile, another one does.
    async fn record_end(&self, connected: &mut Connected, stop: &Stop, reason: &str) -> Option<Standing> {
        if let Some(standing) = self.try_record_end(connected, stop, reason).await {
            return Some(standing);
        }
        if connected.session.is_open() || matches!(stop, Stop::Unreachable(_)) {
            return None;
        }
        connected.session = connected.database.connect().await.ok()?;
        self.try_record_end(connected, stop, reason).await
    }

    async fn try_record_end(&self, connected: &mut Connected, stop: &Stop, reason: &str) -> Option<Standing> {
        let actor = connected.actor.clone();
        if let Stop::Failed(why, _) = stop {
            let set = state::set_state(&mut connected.session, &actor, &self.job, State::Failed, Some(why));
            set.await.ok()?;
        } else if *stop != Stop::Done || self.live.counts().batches > 0 {
            let counts = self.live.counts();
            let detail = json!({
                "reason": reason, "keys": counts.keys, "rows": counts.rows, "batches": counts.batches,
                "retries": counts.retries, "dead_letters": counts.dead_letters,
            });
            let event = actor.event(&self.job, "stopped", &detail);
            connected.session.write::<serde_json::Value>(&event).await.ok()?;
        }
        chunks::standing(&mut connected.session, &self.job).await.ok()
    }

    fn summary(
        &self,
        stop: &Stop,
        reason: &'static str,
        standing: Option<Standing>,
        connected: &Connected,
    ) -> Summary {
        let counts = self.live.counts();
        let detail = match stop {
            Stop::Failed(why, _) | Stop::Unreachable(why) => Some(why.clone()),
            _ => None,
        };
        let opens_at = self.opens_at(stop, connected);
        Summary {
            kind: "summary",
            reason,
            job: self.job.name.clone(),
            state: standing.as_ref().map_or(self.job.state, |standing| standing.state).name(),
            pass: standing.as_ref().map_or(self.job.pass, |standing| standing.pass),
            keys: counts.keys,
            rows: counts.rows,
            batches: counts.batches,
            retries: counts.retries,
            reconnects: counts.reconnects,
            worked_s: millis(counts.worked_s),
            elapsed_s: millis(self.began.elapsed().as_secs_f64()),
            rows_written: standing.as_ref().map_or(0, |standing| standing.rows_written),
            chunks_left: standing.as_ref().map_or(0, |standing| standing.left),
            dead_letters: standing.as_ref().map_or(0, |standing| standing.dead_letters),
            detail,
            opens_at,
            clock: connected.actor.clock(),
        }
    }

    /// When a window that is closed opens again.
    pub(super) fn opens_at(&self, stop: &Stop, connected: &Connected) -> Option<Timestamp> {
        match (&self.job.spec.window, stop) {
            (When::Within(window), Stop::WindowClosed) => window.opens_after(connected.clock.now()),
            _ => None,
        }
    }
}

pub(super) fn reason(stop: &Stop, is_held: bool) -> &'static str {
    match stop {
        Stop::Done => "done",
        Stop::Signal(_) => "signal",
        Stop::WindowClosed if is_held => "throttled",
        Stop::WindowClosed => "window_closed",
        Stop::Paused => "paused",
        Stop::Cancelled => "cancelled",
        Stop::OwnedElsewhere => "owned_elsewhere",
        Stop::Unreachable(_) => "unreachable",
        Stop::Failed(..) => "failed",
    }
}

fn millis(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}
