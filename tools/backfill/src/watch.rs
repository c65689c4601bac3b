//! The watch over a running job: each second it looks at the database, sets the pace, and tells how far the work is.

use std::time::{Duration, Instant};

use release_postgres::{DatabaseError, Session, literal};
use serde_json::{Value, json};

use crate::chunks::{self, Standing};
use crate::control::{Controller, Pace};
use crate::hook;
use crate::job::Desired;
use crate::live::Stop;
use crate::report::{Progress, Reporter};
use crate::sampler::{Sample, Sampler};
use crate::signals::{Finding, Signals, judge};
use crate::worker::Crew;

/// How often the database is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// Every tenth look is kept, for a week.
const KEPT_EVERY: u32 = 10;
const KEPT_FOR: &str = "7 days";

/// The watch.
pub(crate) struct Watch<'a> {
    crew: &'a Crew<'a>,
    session: Session,
    sampler: Sampler,
    controller: Controller,
    is_blind: bool,
    began: Instant,
    looks: u32,
    last_seen: Instant,
    last_signals: Signals,
    total_rows: f64,
    rate: Rate,
}

/// Keys per second over the last seconds.
struct Rate {
    at: Instant,
    keys: u64,
    per_s: f64,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(
        crew: &'a Crew<'a>,
        session: Session,
        sampler: Sampler,
        is_blind: bool,
        total_rows: f64,
    ) -> Watch<'a> {
        let now = Instant::now();
        Watch {
            crew,
            session,
            sampler,
            controller: Controller::new(crew.job.spec.batch.duty.share(), is_blind),
            is_blind,
            began: now,
            looks: 0,
            last_seen: now,
            last_signals: Signals::default(),
            total_rows,
            rate: Rate { at: now, keys: 0, per_s: 0.0 },
        }
    }

    /// Looks until `is_over` says that the workers have ended.
    pub(crate) async fn keep(&mut self, reporter: &mut Reporter<'_>, is_over: &tokio::sync::Notify) {
        loop {
            if let Some(progress) = self.look().await {
                reporter.progress(&progress);
            }
            for note in self.crew.live.take_notes() {
                reporter.note(&note);
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = is_over.notified() => break,
            }
        }
        for note in self.crew.live.take_notes() {
            reporter.note(&note);
        }
    }

    /// One look; `None` when the database did not answer.
    async fn look(&mut self) -> Option<Progress> {
        let seen = self.see().await;
        let (sample, standing) = match seen {
            Ok(seen) => seen,
            Err(error) => {
                self.lost(&error).await;
                return None;
            }
        };
        self.last_seen = Instant::now();
        if !sample.is_same_table {
            let hint = "look what was done to the table; `drop-state` forgets the job";
            let table = &self.crew.job.target.name;
            self.fail(&format!("{table} or a column of it was replaced while the job ran"), hint);
        }
        if !sample.newly_lost_slots.is_empty() {
            let hint = "a standby or subscriber must be built anew; run again with a lower throttle.wal_rate";
            self.fail(&format!("replication slot {} lost its WAL", sample.newly_lost_slots.join(", ")), hint);
        }
        match standing.desired {
            Desired::Run => {}
            Desired::Pause => self.crew.live.stop(Stop::Paused),
            Desired::Cancel => self.crew.live.stop(Stop::Cancelled),
        }
        let limit = standing.duty.unwrap_or_else(|| self.crew.job.spec.batch.duty.share());
        self.controller.set_limit(limit, self.is_blind);
        let signals = self.completed(sample.signals).await;
        let findings = judge(&signals, &self.crew.job.spec.throttle);
        let pace = self.controller.step(self.began.elapsed().as_secs_f64(), &findings);
        self.crew.live.set_pace(pace.clone());
        self.looks += 1;
        self.keep_sample(&signals).await;
        let progress = self.progress(&standing, &signals, findings, pace);
        self.last_signals = signals;
        Some(progress)
    }

    async fn see(&mut self) -> Result<(Sample, Standing), DatabaseError> {
        let sample = self.sampler.look(&mut self.session).await?;
        let standing = chunks::standing(&mut self.session, self.crew.job).await?;
        Ok((sample, standing))
    }

    /// What only this process knows.
    async fn completed(&self, signals: Signals) -> Signals {
        let throttle = &self.crew.job.spec.throttle;
        #[expect(clippy::cast_precision_loss, reason = "milliseconds")]
        let target_ms = self.crew.job.spec.batch.target_ms as f64;
        let is_hook_content = match &throttle.hook {
            Some(command) => Some(hook::is_content(command).await),
            None => None,
        };
        let batch_slowness = Some(self.crew.live.mean_batch_ms() / target_ms);
        Signals { is_hook_content, batch_slowness, ..signals }
    }

    /// The pace goes stale by itself; a connection that is gone is opened again.
    async fn lost(&mut self, error: &DatabaseError) {
        if let Some(code) = error.sqlstate().filter(|code| !code.ends_session()) {
            self.crew
                .live
                .note(crate::live::Note::Retry { sqlstate: code.to_string(), message: error.to_string() });
        }
        if !self.session.is_open() {
            let again = tokio::time::timeout(EVERY, self.crew.database.connect()).await;
            if let Ok(Ok(session)) = again {
                self.session = session;
            }
        }
        let age_s = self.last_seen.elapsed().as_secs_f64();
        let stale = Signals { age_s, ..self.last_signals.clone() };
        let findings = judge(&stale, &self.crew.job.spec.throttle);
        let pace = self.controller.step(self.began.elapsed().as_secs_f64(), &findings);
        if let Pace::Hold(_) = pace {
            self.crew.live.set_pace(pace);
        }
    }

    fn fail(&self, reason: &str, hint: &str) {
        self.crew.live.stop(Stop::Failed(reason.to_owned(), hint.to_owned()));
    }

    /// A look that cannot be kept is no reason to stop: the next one comes in ten seconds.
    async fn keep_sample(&mut self, signals: &Signals) {
        if self.looks % KEPT_EVERY != 1 {
            return;
        }
        let id = self.crew.job.id;
        let statements = format!(
            "insert into backfill.sample (job_id, signals) values ({id}, {}); \
             delete from backfill.sample where job_id = {id} and at < clock_timestamp() - interval '{KEPT_FOR}'",
            literal(&json!(signals).to_string())
        );
        let _ = self.session.write::<Value>(&statements).await;
    }

    #[expect(clippy::cast_precision_loss, reason = "rows are fewer than 2^52")]
    fn progress(
        &mut self,
        standing: &Standing,
        signals: &Signals,
        findings: Vec<Finding>,
        pace: Pace,
    ) -> Progress {
        let counts = self.crew.live.counts();
        let seconds = self.rate.at.elapsed().as_secs_f64();
        if seconds >= EVERY.as_secs_f64() * 0.9 {
            let keys = counts.keys.saturating_sub(self.rate.keys);
            self.rate = Rate { at: Instant::now(), keys: counts.keys, per_s: keys as f64 / seconds };
        }
        let average = counts.keys as f64 / self.began.elapsed().as_secs_f64().max(0.1);
        let left = (self.total_rows - standing.keys_seen as f64).max(0.0);
        let work = crate::estimate::work(left, average);
        let outlook = (average > 0.0 && self.looks > 3)
            .then(|| crate::estimate::outlook(work, self.crew.window, self.crew.clock.now()));
        Progress {
            pass: standing.pass,
            keys_seen: standing.keys_seen,
            rows_written: standing.rows_written,
            rows_total: self.total_rows,
            keys_per_s: self.rate.per_s,
            average_keys_per_s: average,
            chunks_left: standing.left,
            dead_letters: standing.dead_letters,
            batch_ms: self.crew.live.mean_batch_ms(),
            pace,
            findings,
            signals: signals.clone(),
            outlook,
            counts,
        }
    }
}
