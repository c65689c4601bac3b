//! Waiting for adoption: asks the hub again and again until the verdict, the time or a signal ends it.

use std::time::Duration;

use release_common::{Shutdown, Signal};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use ulid::Ulid;

use crate::adoption::{Reason, Target, Verdict, judge};
use crate::api::Status;
use crate::error::Error;
use crate::http::HttpError;
use crate::hub_client::HubClient;
use crate::report::Reporter;

/// Time between two questions: the answer is within a second of the truth, and one `send` costs the hub nothing.
const PAUSE: Duration = Duration::from_millis(250);

/// A signal as something to wait for.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Receiver<Option<Signal>>);

impl Stop {
    pub(crate) fn new(shutdown: &Shutdown) -> Stop {
        let (sender, receiver) = watch::channel(None);
        shutdown.on_request(move |signal| {
            let _ = sender.send(Some(signal));
        });
        Stop(receiver)
    }

    /// Ends with the first signal.
    pub(crate) async fn requested(&mut self) -> Signal {
        loop {
            if let Some(signal) = *self.0.borrow_and_update() {
                return signal;
            }
            if self.0.changed().await.is_err() && self.0.borrow().is_none() {
                // Without a sender no signal will ever come.
                std::future::pending::<()>().await;
            }
        }
    }
}

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
}

/// What is awaited.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    pub(crate) id: Ulid,
    pub(crate) target: Target,
    pub(crate) timeout: Duration,
}

/// Waits for `wait`, beginning with what `first` tells; the last status comes back with the ending.
pub(crate) async fn until(
    wait: Wait,
    hub: &HubClient,
    first: Status,
    stop: &mut Stop,
    reporter: &mut Reporter<'_>,
) -> Result<(Ending, Status), Error> {
    let deadline = Instant::now() + wait.timeout;
    let mut status = first;
    let mut silence: Option<HttpError> = None;
    loop {
        if let Some(event) = status.events.first() {
            reporter.progress(&status, event)?;
            match judge(&event.counts, event.fate(), wait.target) {
                Verdict::Met(reason) => return Ok((Ending::Good(reason), status)),
                Verdict::Missed(reason) => return Ok((Ending::Bad(reason), status)),
                Verdict::Wait => {}
            }
        }
        tokio::select! {
            () = sleep(PAUSE) => {}
            signal = stop.requested() => return Ok((Ending::Stopped(signal), status)),
            () = sleep_until(deadline) => return match silence {
                None => Ok((Ending::Bad(Reason::BelowTarget), status)),
                Some(source) => Err(Error::HubLost { hub: hub.address().clone(), id: wait.id, source }),
            },
        }
        match hub.try_status(Some(wait.id)).await? {
            Ok(Some(newer)) => {
                status = newer;
                silence = None;
            }
            Ok(None) => {
                return Err(Error::Forgotten { hub: hub.address().clone(), id: wait.id });
            }
            Err(error) => silence = Some(error),
        }
    }
}
