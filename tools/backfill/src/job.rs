//! A job as it is recorded, and what is asked of it.

use serde::{Deserialize, Serialize};

use crate::spec::{Duty, Spec};
use crate::target::Target;

/// A recorded job.
#[derive(Clone, Debug, Deserialize)]
pub struct Job {
    /// Its number.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// What it was recorded with.
    pub spec: Spec,
    /// Of the specification.
    pub fingerprint: String,
    /// The table as it was then.
    pub target: Target,
    /// The cluster it was recorded in.
    pub system_identifier: Option<String>,
    /// Where it stands.
    pub state: State,
    /// What is asked of its workers.
    pub desired: Desired,
    /// The duty asked for while it runs.
    pub duty: Option<f64>,
    /// The pass through the table; the first fills, later ones look for what was missed.
    pub pass: i32,
    /// Why it failed or was cancelled.
    pub reason: Option<String>,
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Recorded, and never worked on.
    Ready,
    /// Worked on, and not done.
    Running,
    /// Every row was seen.
    Done,
    /// It cannot go on.
    Failed,
    /// Ended by a user.
    Cancelled,
}

/// What is asked of the workers of a job, by a row that all of them read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Desired {
    /// Work.
    Run,
    /// Stop after the batch.
    Pause,
    /// Stop for good.
    Cancel,
}

impl State {
    /// As it stands in the database and in reports.
    pub fn name(self) -> &'static str {
        match self {
            State::Ready => "ready",
            State::Running => "running",
            State::Done => "done",
            State::Failed => "failed",
            State::Cancelled => "cancelled",
        }
    }
}

impl Desired {
    /// As it stands in the database.
    pub fn name(self) -> &'static str {
        match self {
            Desired::Run => "run",
            Desired::Pause => "pause",
            Desired::Cancel => "cancel",
        }
    }
}

impl Job {
    /// The duty that holds now: what was asked for while it runs, else the specification's.
    pub fn duty(&self) -> Duty {
        self.duty.and_then(|share| Duty::new(share).ok()).unwrap_or(self.spec.batch.duty)
    }
}
