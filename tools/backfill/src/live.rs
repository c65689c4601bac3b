//! What workers, sampler and display of one process share: the pace, the wish to stop, and the counts.
//!
//! All of them run on one thread, so a cell is enough.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use release_common::Signal;
use tokio::sync::Notify;

use crate::control::{Pace, pause_s};

/// The pace is void when nobody has looked at the database for this long.
const STALE_AFTER: Duration = Duration::from_secs(5);

/// Why the workers of this process stop.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Stop {
    /// The job is done.
    Done,
    /// A signal came.
    Signal(Signal),
    /// The window is closed, or closes before another batch would end.
    WindowClosed,
    /// Somebody paused the job.
    Paused,
    /// Somebody ended the job.
    Cancelled,
    /// All that is left belongs to workers elsewhere.
    OwnedElsewhere,
    /// The database cannot be reached.
    Unreachable(String),
    /// The job cannot go on: why, and the next step.
    Failed(String, String),
}

impl Stop {
    /// Of several reasons the highest is told, as the exit table has it. What is done stays done.
    fn rank(&self) -> u8 {
        match self {
            Stop::Done => 3,
            Stop::Signal(_) => 2,
            Stop::Failed(..) => 1,
            Stop::WindowClosed
            | Stop::Paused
            | Stop::Cancelled
            | Stop::OwnedElsewhere
            | Stop::Unreachable(_) => 0,
        }
    }
}

/// What has been counted since the start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) batches: u64,
    pub(crate) keys: u64,
    pub(crate) rows: u64,
    pub(crate) retries: u64,
    pub(crate) dead_letters: u64,
    pub(crate) reconnects: u64,
    /// Time within transactions of batches, of all workers.
    pub(crate) worked_s: f64,
}

struct Inner {
    pace: Pace,
    paced_at: Instant,
    stop: Option<Stop>,
    counts: Counts,
    mean_batch_ms: f64,
    notes: Vec<Note>,
}

/// Something that happened and that a reader wants to know when it happens.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Note {
    /// A batch will be tried again.
    Retry { sqlstate: String, message: String },
    /// A row was left out.
    DeadLetter { key: Vec<String>, sqlstate: String, message: String },
    /// The connection was lost and found.
    Reconnected { cause: String },
    /// A chunk was taken by another worker.
    LostLease { pass: i32, n: i32 },
    /// A pass has ended and another begins.
    Pass { pass: i32, rows_written: i64 },
}

/// The shared state.
pub(crate) struct Live {
    inner: RefCell<Inner>,
    changed: Notify,
}

impl Live {
    pub(crate) fn new(target_ms: f64) -> Live {
        let inner = Inner {
            pace: Pace::Hold("the database was not looked at yet".to_owned()),
            paced_at: Instant::now(),
            stop: None,
            counts: Counts::default(),
            mean_batch_ms: target_ms,
            notes: Vec::new(),
        };
        Live { inner: RefCell::new(inner), changed: Notify::new() }
    }

    /// The sampler has looked.
    pub(crate) fn set_pace(&self, pace: Pace) {
        let mut inner = self.inner.borrow_mut();
        let is_news = inner.pace != pace;
        inner.pace = pace;
        inner.paced_at = Instant::now();
        drop(inner);
        if is_news {
            self.changed.notify_waiters();
        }
    }

    /// What holds now; a pace that nobody renewed is a hold.
    pub(crate) fn pace(&self) -> Pace {
        let inner = self.inner.borrow();
        if inner.paced_at.elapsed() > STALE_AFTER {
            return Pace::Hold("the signals are stale: nobody could look at the database".to_owned());
        }
        inner.pace.clone()
    }

    /// The first reason to stop wins, unless one of a higher rank comes.
    pub(crate) fn stop(&self, why: Stop) {
        let mut inner = self.inner.borrow_mut();
        if inner.stop.as_ref().is_none_or(|first| first.rank() < why.rank()) {
            inner.stop = Some(why);
        }
        drop(inner);
        self.changed.notify_waiters();
    }

    pub(crate) fn stopped(&self) -> Option<Stop> {
        self.inner.borrow().stop.clone()
    }

    /// A new night: the reason of the last stop is over.
    pub(crate) fn reopen(&self) {
        self.inner.borrow_mut().stop = None;
    }

    /// Counts something.
    pub(crate) fn count(&self, add: impl FnOnce(&mut Counts)) {
        add(&mut self.inner.borrow_mut().counts);
    }

    pub(crate) fn counts(&self) -> Counts {
        self.inner.borrow().counts.clone()
    }

    /// The mean length of a batch, for the window's end and the signals.
    pub(crate) fn set_mean_batch_ms(&self, mean_ms: f64) {
        self.inner.borrow_mut().mean_batch_ms = mean_ms;
    }

    pub(crate) fn mean_batch_ms(&self) -> f64 {
        self.inner.borrow().mean_batch_ms
    }

    /// Says something; the reporter takes it with its next look.
    pub(crate) fn note(&self, note: Note) {
        self.inner.borrow_mut().notes.push(note);
    }

    pub(crate) fn take_notes(&self) -> Vec<Note> {
        std::mem::take(&mut self.inner.borrow_mut().notes)
    }

    /// Rests after a batch that took `worked`, as long as the duty wants, or until there is a reason to stop.
    pub(crate) async fn rest(&self, worked: Duration) {
        let duty = match self.pace() {
            Pace::Work(duty) => duty,
            Pace::Hold(_) => return,
        };
        let pause = Duration::try_from_secs_f64(pause_s(worked.as_secs_f64(), duty)).unwrap_or_default();
        // A timer costs more than a pause this short is worth.
        if pause > Duration::from_micros(100) {
            self.wait(pause).await;
        }
    }

    /// Waits for `time`, or until pace or stop change.
    pub(crate) async fn wait(&self, time: Duration) {
        let changed = self.changed.notified();
        if self.stopped().is_some() {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = changed => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use release_common::Signal;

    use super::{Live, Stop};

    #[test]
    fn a_failure_outranks_the_first_reason_and_a_signal_both() {
        let live = Live::new(150.0);
        live.stop(Stop::WindowClosed);
        live.stop(Stop::Paused);
        assert_eq!(live.stopped(), Some(Stop::WindowClosed));
        let failure = Stop::Failed("why".into(), "hint".into());
        live.stop(failure.clone());
        assert_eq!(live.stopped(), Some(failure.clone()));
        live.stop(Stop::Signal(Signal::Terminate));
        live.stop(failure);
        assert_eq!(live.stopped(), Some(Stop::Signal(Signal::Terminate)));
    }
}
