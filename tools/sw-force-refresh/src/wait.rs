//! Waiting for adoption: asks the hub again and again until the verdict, the time or a signal ends it.

use std::time::Duration;

use release_common::{Outcome, Signal, Stop};
use tokio::time::{Instant, sleep, sleep_until};
use ulid::Ulid;

use crate::adoption::{Reason, Target, Verdict, judge};
use crate::api::EventStatus;
use crate::error::Error;
use crate::hub_client::HubClient;
use crate::report::Reporter;

/// Time between two questions: the answer is within a second of the truth, and one `send` costs the hub nothing.
const PAUSE: Duration = Duration::from_millis(250);

/// How the waiting ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Good(Reason),
    Bad(Reason),
    Stopped(Signal),
}

impl Ending {
    pub(crate) fn reason(self) -> Reason {
        match self {
            Ending::Good(reason) | Ending::Bad(reason) => reason,
            Ending::Stopped(_) => Reason::Interrupted,
        }
    }

    pub(crate) fn outcome(self) -> Outcome {
        match self {
            Ending::Good(_) => Outcome::Good,
            Ending::Bad(_) => Outcome::Bad,
            Ending::Stopped(signal) => Outcome::Stopped(signal),
        }
    }
}

/// What is awaited.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    pub(crate) id: Ulid,
    pub(crate) target: Target,
    pub(crate) timeout: Duration,
}

/// Waits for `wait`; the last answer comes back with the ending. A hub that is silent for a while, as during its
/// restart, is asked again until the time is over.
pub(crate) async fn until(
    wait: Wait,
    hub: &HubClient,
    stop: &mut Stop,
    reporter: &mut Reporter<'_>,
) -> Result<(Ending, EventStatus), Error> {
    let deadline = Instant::now() + wait.timeout;
    let mut last: Option<EventStatus> = None;
    loop {
        let answer = tokio::select! {
            answer = hub.published(wait.id) => answer,
            signal = stop.wait() => match last {
                Some(event) => return Ok((Ending::Stopped(signal), event)),
                None => hub.published(wait.id).await,
            },
        };
        let latest = match answer {
            Ok((status, event)) => {
                reporter.progress(&status, &event)?;
                if let Some(ending) = decide(&event, wait.target) {
                    return Ok((ending, event));
                }
                Ok(event)
            }
            Err(error @ Error::Forgotten { .. }) => return Err(error),
            Err(silence) => Err(silence),
        };
        let ending = tokio::select! {
            signal = stop.wait() => Ending::Stopped(signal),
            () = sleep_until(deadline) => Ending::Bad(Reason::BelowTarget),
            () = sleep(PAUSE) => {
                last = latest.ok().or(last);
                continue;
            }
        };
        return match (latest, ending, last) {
            (Ok(event), ..) | (Err(_), Ending::Stopped(_), Some(event)) => Ok((ending, event)),
            (Err(silence), ..) => Err(silence),
        };
    }
}

fn decide(event: &EventStatus, target: Target) -> Option<Ending> {
    match judge(&event.counts, event.fate(), target) {
        Verdict::Met(reason) => Some(Ending::Good(reason)),
        Verdict::Missed(reason) => Some(Ending::Bad(reason)),
        Verdict::Wait => None,
    }
}
