//! One worker: claims a chunk, walks through it batch by batch, and claims the next.
//!
//! Whatever happens to a batch, the checkpoint in the database is the truth: after a lost connection it is read again,
//! and the work goes on from there, whether or not the commit whose answer was lost took place.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use release_common::{Clock, fault};
use release_postgres::{Database, DatabaseError, Session};

use crate::batch_size::BatchSize;
use crate::bisect::{Bisect, Found};
use crate::chance;
use crate::chunks::{self, Chunk, Claimed};
use crate::control::Pace;
use crate::job::{Desired, Job, State};
use crate::live::{Live, Note, Stop};
use crate::owner::Owner;
use crate::passes;
use crate::reaction::Reaction;
use crate::spec::When;
use crate::state::Actor;
use crate::statements::Statements;
use crate::transaction::{self, Batch, Done};

/// Between two looks for a free chunk.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// The longest pause between two tries.
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);
/// A single row that runs into the statement timeout this often will do so for ever.
const MOST_TIMEOUTS_OF_ONE_ROW: u32 = 5;

/// What all workers of a process have in common.
pub(crate) struct Crew<'a> {
    pub(crate) database: &'a Database,
    pub(crate) job: &'a Job,
    pub(crate) statements: &'a Statements,
    pub(crate) live: &'a Live,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) actor: &'a Actor,
    pub(crate) window: &'a When,
    pub(crate) dead_letter_max: u64,
    /// How long the database may be out of reach, and chunks be owned elsewhere.
    pub(crate) patience: Duration,
}

/// A worker.
pub(crate) struct Worker<'a> {
    crew: &'a Crew<'a>,
    owner: Owner,
    session: Session,
    size: BatchSize,
    bisect: Bisect,
    /// Failures in a row.
    failures: u32,
    /// Since when connections are lost, if no work came between.
    lost_since: Option<Instant>,
}

/// What a step of the work leads to.
enum Turn {
    /// On with the next batch.
    On,
    /// This chunk is finished or lost.
    NextChunk,
}

impl<'a> Worker<'a> {
    /// Worker `number` of this process with its own connection.
    pub(crate) fn new(crew: &'a Crew<'a>, number: u32, session: Session) -> Worker<'a> {
        let batch = &crew.job.spec.batch;
        let size = BatchSize::new(batch.size, batch.target_ms);
        Worker {
            crew,
            owner: Owner::this(number),
            session,
            size,
            bisect: Bisect::default(),
            failures: 0,
            lost_since: None,
        }
    }

    /// Works until there is a reason to stop.
    pub(crate) async fn work(mut self) {
        let mut idle_since: Option<Instant> = None;
        while self.may_begin().await {
            match chunks::claim(&mut self.session, self.crew.job, &self.owner).await {
                Ok(Claimed::Chunk(chunk)) => {
                    idle_since = None;
                    (self.failures, self.lost_since) = (0, None);
                    fault::point("chunk.claimed");
                    self.walk(chunk).await;
                }
                Ok(Claimed::Elsewhere) => {
                    let since = *idle_since.get_or_insert_with(Instant::now);
                    if since.elapsed() > self.crew.patience {
                        return self.crew.live.stop(Stop::OwnedElsewhere);
                    }
                    self.crew.live.wait(LOOK_AGAIN).await;
                }
                Ok(Claimed::PassDone) => self.end_pass().await,
                Ok(Claimed::NotNow(state, desired)) => return self.crew.live.stop(not_now(state, desired)),
                Err(error) => self.recover("claiming a chunk", error).await,
            }
        }
    }

    /// Waits while the signals are red; false when there is a reason to stop.
    async fn may_begin(&self) -> bool {
        loop {
            if self.crew.live.stopped().is_some() {
                return false;
            }
            if !self.is_open() {
                self.crew.live.stop(Stop::WindowClosed);
                return false;
            }
            match self.crew.live.pace() {
                Pace::Work(_) => return true,
                Pace::Hold(_) => self.crew.live.wait(LOOK_AGAIN).await,
            }
        }
    }

    /// Whether a batch of usual length ends before the window does.
    fn is_open(&self) -> bool {
        let When::Within(window) = self.crew.window else { return true };
        let now: Timestamp = self.crew.clock.now();
        let expected = SignedDuration::try_from_secs_f64(self.size.mean_ms() / 1000.0).unwrap_or_default();
        window.closes_after(now).is_some_and(|closes| now + expected < closes)
    }

    async fn walk(&mut self, mut chunk: Chunk) {
        loop {
            if !self.may_go_on(&chunk).await {
                return;
            }
            let began = Instant::now();
            let keys = self.bisect.keys(self.size.keys());
            let batch = Batch { statements: self.crew.statements, chunk: &chunk, keys };
            match transaction::run(&mut self.session, &batch).await {
                Ok(done) => {
                    let worked = began.elapsed();
                    self.committed(&mut chunk, &done, keys, worked);
                    if done.step.is_last {
                        return;
                    }
                    if let Some(stop) = done.stop {
                        self.give_back(&chunk).await;
                        return self.crew.live.stop(stop);
                    }
                    self.crew.live.rest(worked).await;
                }
                Err(error) => match self.failed(&mut chunk, keys, error).await {
                    Turn::On => {}
                    Turn::NextChunk => return,
                },
            }
        }
    }

    /// Waits while the signals are red without holding anything; false when the chunk was given back.
    async fn may_go_on(&mut self, chunk: &Chunk) -> bool {
        let is_free = matches!(self.crew.live.pace(), Pace::Work(_));
        if is_free && self.crew.live.stopped().is_none() && self.is_open() {
            return true;
        }
        self.give_back(chunk).await;
        false
    }

    async fn give_back(&mut self, chunk: &Chunk) {
        if self.session.is_open() {
            // A lease that could not be given back ends by itself.
            let _ = chunks::release(&mut self.session, self.crew.job, chunk.claim()).await;
        }
    }

    fn committed(&mut self, chunk: &mut Chunk, done: &Done, keys: u32, worked: Duration) {
        fault::point("batch.committed");
        chunk.cursor = Some(done.cursor.clone());
        chunk.seq = done.seq;
        (self.failures, self.lost_since) = (0, None);
        self.bisect.succeeded(keys);
        // The last batch of a chunk and a search are no measure of the usual.
        if !done.step.is_last && !self.bisect.is_searching() {
            self.size.took(worked.as_secs_f64() * 1000.0);
            self.crew.live.set_mean_batch_ms(self.size.mean_ms());
        }
        self.crew.live.count(|counts| {
            counts.batches += 1;
            counts.keys += done.step.keys;
            counts.rows += done.step.rows;
            counts.worked_s += worked.as_secs_f64();
        });
    }

    async fn failed(&mut self, chunk: &mut Chunk, keys: u32, error: DatabaseError) -> Turn {
        let reaction = error.sqlstate().map_or(Reaction::Reconnect, Reaction::to);
        self.failures += 1;
        match reaction {
            Reaction::Abandon => {
                self.crew.live.note(Note::LostLease { pass: chunk.pass, n: chunk.n });
                return Turn::NextChunk;
            }
            Reaction::Bisect => return self.suspect(chunk, keys, &error).await,
            Reaction::Fail => {
                self.give_back(chunk).await;
                self.fail(&error);
                return Turn::NextChunk;
            }
            Reaction::Retry => {}
            Reaction::Wait if self.failures >= 2 => self.size.halve(),
            Reaction::Wait => {}
            Reaction::Shrink if self.size.is_one() && self.failures >= MOST_TIMEOUTS_OF_ONE_ROW => {
                self.give_back(chunk).await;
                self.fail(&error);
                return Turn::NextChunk;
            }
            Reaction::Shrink => self.size.halve(),
            Reaction::Reconnect => {
                self.recover("filling a batch", error).await;
                return self.resume(chunk).await;
            }
        }
        self.say_retry(&error);
        self.crew.live.wait(backoff(self.failures)).await;
        Turn::On
    }

    /// A row's data is at fault: narrows the search, or leaves the one row out.
    async fn suspect(&mut self, chunk: &mut Chunk, keys: u32, error: &DatabaseError) -> Turn {
        if self.bisect.failed(keys) == Found::Narrower {
            return Turn::On;
        }
        let batch = Batch { statements: self.crew.statements, chunk, keys: 1 };
        let most = self.crew.dead_letter_max;
        match transaction::leave_out(&mut self.session, self.crew.job, &batch, error, most).await {
            Ok(left) => {
                for letter in left.letters {
                    self.crew.live.count(|counts| counts.dead_letters += 1);
                    self.crew.live.note(letter);
                }
                self.committed(chunk, &left.done, 1, Duration::ZERO);
                fault::point("deadletter.written");
                if left.is_over_limit {
                    self.give_back(chunk).await;
                    let reason = format!("more than {most} rows could not be filled");
                    let hint = format!("`backfill deadletter list {}` shows them", self.crew.job.name);
                    self.crew.live.stop(Stop::Failed(reason, hint));
                    return Turn::NextChunk;
                }
                if left.done.step.is_last { Turn::NextChunk } else { Turn::On }
            }
            // Whatever it was, the same row will be met again.
            Err(error) => {
                self.recover("leaving a row out", error).await;
                self.resume(chunk).await
            }
        }
    }

    fn fail(&self, error: &DatabaseError) {
        let code = error.sqlstate().map(|code| format!(" ({code})")).unwrap_or_default();
        let hint = match error.sqlstate().map(|code| code.code().to_owned()).as_deref() {
            Some("57014") => "one row takes longer than timeouts.statement: raise it".to_owned(),
            Some("42501") => "grant what is missing, then run the same command again".to_owned(),
            _ => "mend the cause, then run the same command again: what is filled stays filled".to_owned(),
        };
        self.crew.live.stop(Stop::Failed(format!("{error}{code}"), hint));
    }

    fn say_retry(&self, error: &DatabaseError) {
        self.crew.live.count(|counts| counts.retries += 1);
        let sqlstate = error.sqlstate().map(|code| code.to_string()).unwrap_or_default();
        self.crew.live.note(Note::Retry { sqlstate, message: error.to_string() });
    }

    /// Comes back after an error outside of a batch, or stops when there is no way back.
    async fn recover(&mut self, doing: &str, error: DatabaseError) {
        let is_final = error.sqlstate().is_some_and(|code| Reaction::to(code) == Reaction::Fail);
        if is_final || matches!(error, DatabaseError::Row(_)) {
            return self
                .crew
                .live
                .stop(Stop::Failed(format!("{doing}: {error}"), "see the server's log".to_owned()));
        }
        self.say_retry(&error);
        let mut tries = 1;
        if !self.session.is_open() {
            // A server that takes connections and no work is out of reach as well.
            let since = *self.lost_since.get_or_insert_with(Instant::now);
            if since.elapsed() > self.crew.patience {
                return self.crew.live.stop(Stop::Unreachable(error.to_string()));
            }
        }
        let began = self.lost_since.unwrap_or_else(Instant::now);
        while !self.session.is_open() && self.crew.live.stopped().is_none() {
            self.crew.live.wait(backoff(tries)).await;
            match self.crew.database.connect().await {
                Ok(session) => {
                    self.session = session;
                    self.crew.live.count(|counts| counts.reconnects += 1);
                    self.crew.live.note(Note::Reconnected { cause: error.to_string() });
                }
                Err(error) if began.elapsed() > self.crew.patience => {
                    return self.crew.live.stop(Stop::Unreachable(error.to_string()));
                }
                Err(_) => tries += 1,
            }
        }
        if tries == 1 {
            self.crew.live.wait(backoff(self.failures.max(1))).await;
        }
    }

    /// Reads the checkpoint again: the commit whose answer was lost may have taken place.
    async fn resume(&mut self, chunk: &mut Chunk) -> Turn {
        loop {
            if self.crew.live.stopped().is_some() {
                return Turn::NextChunk;
            }
            match chunks::read_again(&mut self.session, self.crew.job, chunk).await {
                Ok(Some(current)) => {
                    *chunk = current;
                    return Turn::On;
                }
                Ok(None) => return Turn::NextChunk,
                Err(error) => self.recover("reading the checkpoint", error).await,
            }
        }
    }

    /// The pass has no chunk left: the job is done, or looks again.
    async fn end_pass(&mut self) {
        match passes::close(&mut self.session, self.crew.job, self.crew.statements, self.crew.actor).await {
            Ok(passes::Closed::Done) => self.crew.live.stop(Stop::Done),
            Ok(passes::Closed::Again { pass, rows_written }) => {
                self.crew.live.note(Note::Pass { pass, rows_written });
            }
            // The next look for a chunk says what became of it.
            Ok(passes::Closed::Over) => {}
            Ok(passes::Closed::Endless) => {
                let reason = "rows keep coming that need filling".to_owned();
                let hint = "deploy the dual write everywhere, or `backfill trigger create`, then run again"
                    .to_owned();
                self.crew.live.stop(Stop::Failed(reason, hint));
            }
            Err(error) => self.recover("ending a pass", error).await,
        }
    }
}

fn not_now(state: State, desired: Desired) -> Stop {
    match (state, desired) {
        (State::Done, _) => Stop::Done,
        (State::Cancelled, _) | (_, Desired::Cancel) => Stop::Cancelled,
        (_, Desired::Pause) => Stop::Paused,
        (State::Failed, _) => {
            Stop::Failed("another worker found a reason".to_owned(), "see backfill status".to_owned())
        }
        (State::Ready | State::Running, Desired::Run) => Stop::OwnedElsewhere,
    }
}

/// Doubling from 50 ms, with chance, so that two workers do not meet again.
fn backoff(tries: u32) -> Duration {
    let longest = Duration::from_millis(50).saturating_mul(1 << tries.min(10)).min(LONGEST_BACKOFF);
    chance::between(longest / 2, longest)
}
