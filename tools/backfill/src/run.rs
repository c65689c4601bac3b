//! `run`: works on a job within its window, and says how far it came.

mod ending;

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use release_common::{Context, Outcome, Signal};
use release_postgres::Session;
use serde_json::json;
use tokio::sync::{Notify, oneshot};

use self::ending::reason;
use crate::catalog::{self, Server};
use crate::chunks::{self, Standing};
use crate::cli::RunArgs;
use crate::connect::{self, Connected};
use crate::error::Error;
use crate::init;
use crate::intake::{self, Wanted};
use crate::job::{Desired, Job, State};
use crate::live::{Live, Stop};
use crate::metrics;
use crate::plan;
use crate::report::Reporter;
use crate::sampler::{self, Sampler};
use crate::spec::DualWrite;
use crate::state;
use crate::statements::Statements;
use crate::target::Table;
use crate::watch::Watch;
use crate::worker::{Crew, Worker};

/// Between two looks at the clock or at a paused job.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Runs `run`.
pub(crate) fn run(args: &RunArgs, context: &mut Context) -> Result<Outcome, Error> {
    let wanted = intake::read(&args.spec)?;
    crate::runtime()?.block_on(async {
        let mut connected = connect::open(&args.connect, context).await?;
        if args.dry_run {
            let placed = plan::placed(&mut connected, wanted).await?;
            return plan::show(&mut connected, placed, args.report.format(), context).await;
        }
        let (job, remarks) = job(&mut connected, wanted).await?;
        let mut run = Run::prepare(args, &mut connected, job, context).await?;
        let stop = run.until_stopped(&mut connected, &remarks, context).await?;
        run.end(&mut connected, stop, context).await
    })
}

async fn job(connected: &mut Connected, wanted: Wanted) -> Result<(Job, Vec<String>), Error> {
    match wanted {
        Wanted::Spec(placed) => init::ensure(connected, *placed).await,
        Wanted::Recorded { name, draft } => {
            let job = connected.job(&name).await?;
            let spec = draft.over(job.spec.clone()).spec;
            Ok((Job { spec, ..job }, Vec::new()))
        }
    }
}

/// A run of one job.
struct Run<'a> {
    args: &'a RunArgs,
    job: Job,
    server: Server,
    table: Table,
    live: Live,
    began: Instant,
    page: Option<metrics::Page>,
    signal: oneshot::Receiver<Signal>,
}

impl<'a> Run<'a> {
    async fn prepare(
        args: &'a RunArgs,
        connected: &mut Connected,
        job: Job,
        context: &mut Context,
    ) -> Result<Run<'a>, Error> {
        if job.state == State::Cancelled {
            let hint =
                format!("`backfill drop-state {} --yes` forgets it, then it can be recorded anew", job.name);
            return Err(Error::WrongState { name: job.name, state: "cancelled".to_owned(), hint });
        }
        let server = catalog::server(&mut connected.session).await;
        let server = server.map_err(|source| connected.error("asking the server", source))?;
        connected.primary(&server)?;
        init::same_cluster(&job, &server, connected)?;
        let table = table(connected, &job).await?;
        let page = match args.metrics {
            Some(address) => {
                let page = metrics::Page::default();
                tokio::spawn(metrics::serve(metrics::listen(address).await?, page.clone()));
                Some(page)
            }
            None => None,
        };
        let (sender, signal) = oneshot::channel();
        context.shutdown.on_request(move |signal| {
            let _ = sender.send(signal);
        });
        #[expect(clippy::cast_precision_loss, reason = "milliseconds")]
        let live = Live::new(job.spec.batch.target_ms as f64);
        Ok(Run { args, job, server, table, live, began: Instant::now(), page, signal })
    }

    /// Works window after window, or one; why it ended.
    async fn until_stopped(
        &mut self,
        connected: &mut Connected,
        remarks: &[String],
        context: &mut Context,
    ) -> Result<Stop, Error> {
        let clock = connected.actor.clock();
        let format = self.args.report.format();
        let mut reporter = Reporter::new(context, format, &self.job.name, clock, self.page.clone());
        self.tell_start(&mut reporter, remarks, clock);
        if self.job.state == State::Done {
            return Ok(Stop::Done);
        }
        let mut told = "";
        loop {
            let stop = match self.obstacle(connected).await? {
                Some(obstacle) => obstacle,
                None => {
                    told = "";
                    self.shift(connected, &mut reporter).await?
                }
            };
            let is_passing = matches!(stop, Stop::WindowClosed | Stop::Paused | Stop::OwnedElsewhere);
            if !(self.args.until_done && is_passing) {
                return Ok(stop);
            }
            let why = reason(&stop, false);
            if told != why {
                told = why;
                let opens_at = self.opens_at(&stop, connected);
                let line = json!({"type": "waiting", "job": self.job.name, "reason": why, "opens_at": opens_at, "clock": clock});
                reporter.event(&line);
            }
            if let Some(signal) = self.rest().await {
                return Ok(Stop::Signal(signal));
            }
            self.live.reopen();
        }
    }

    fn tell_start(&self, reporter: &mut Reporter<'_>, remarks: &[String], clock: &str) {
        let blind = sampler::blind_signals(&self.server);
        let spec = &self.job.spec;
        reporter.event(&json!({
            "type": "started", "job": self.job.name, "table": self.job.target.name, "pass": self.job.pass,
            "walk": self.job.target.walk, "window": spec.window, "batch": spec.batch, "blind_signals": blind,
            "dual_write": spec.dual_write, "clock": clock,
        }));
        for remark in remarks {
            reporter.remark(remark);
        }
        if !blind.is_empty() {
            reporter.remark(&format!(
                "blind to {}: the duty is at most 25% until `GRANT pg_monitor TO {}`",
                blind.join(", "),
                self.server.role
            ));
        }
        if spec.dual_write == DualWrite::None {
            reporter.remark("nobody writes both columns: rows that change behind the cursor stay wrong");
        }
    }

    /// What keeps the work from beginning now.
    async fn obstacle(&self, connected: &mut Connected) -> Result<Option<Stop>, Error> {
        if !self.job.spec.window.is_open(connected.clock.now()) {
            return Ok(Some(Stop::WindowClosed));
        }
        let standing = self.standing(connected).await?;
        Ok(match standing.desired {
            Desired::Run => None,
            Desired::Pause => Some(Stop::Paused),
            Desired::Cancel => Some(Stop::Cancelled),
        })
    }

    async fn standing(&self, connected: &mut Connected) -> Result<Standing, Error> {
        connected.revive().await?;
        let standing = chunks::standing(&mut connected.session, &self.job).await;
        standing.map_err(|source| connected.error("reading the job", source))
    }

    /// Waits a moment between two windows; a signal that came meanwhile.
    async fn rest(&mut self) -> Option<Signal> {
        tokio::select! {
            signal = &mut self.signal => signal.ok(),
            () = tokio::time::sleep(LOOK_AGAIN) => None,
        }
    }

    /// One stretch of work with all workers; why they stopped.
    async fn shift(&mut self, connected: &mut Connected, reporter: &mut Reporter<'_>) -> Result<Stop, Error> {
        if self.job.state != State::Running {
            let set =
                state::set_state(&mut connected.session, &connected.actor, &self.job, State::Running, None);
            set.await.map_err(|source| connected.error("beginning the job", source))?;
            self.job.state = State::Running;
        }
        let database = connected.database.named(&format!("backfill/{}", self.job.name));
        let statements = Statements::new(self.job.id, &self.job.spec, &self.job.target);
        let crew = Crew {
            database: &database,
            job: &self.job,
            statements: &statements,
            live: &self.live,
            clock: &*connected.clock,
            actor: &connected.actor,
            window: &self.job.spec.window,
            dead_letter_max: self.job.spec.dead_letter_max,
            patience: self.args.connect.timeout.0,
        };
        let mut workers = Vec::new();
        for number in 0..self.job.spec.batch.workers {
            workers.push(Worker::new(&crew, number, open(&crew, connected).await?).work());
        }
        let sampler = Sampler::new(&self.job, &self.server);
        let total = crate::split::estimated_rows(&self.table);
        let session = open(&crew, connected).await?;
        let mut watch = Watch::new(&crew, session, sampler, !self.server.sees_all, total);
        let is_over = Notify::new();
        let work = async {
            join_all(workers).await;
            is_over.notify_one();
        };
        let signals = async {
            if let Ok(signal) = (&mut self.signal).await {
                self.live.stop(Stop::Signal(signal));
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            _ = async { tokio::join!(work, watch.keep(reporter, &is_over)) } => {}
            () = signals => {}
        }
        Ok(self.live.stopped().unwrap_or(Stop::Done))
    }
}

async fn open(crew: &Crew<'_>, connected: &Connected) -> Result<Session, Error> {
    crew.database.connect().await.map_err(|source| connected.error("connecting", source))
}

async fn table(connected: &mut Connected, job: &Job) -> Result<Table, Error> {
    let found = catalog::table(&mut connected.session, &job.target.name).await;
    let found = found.map_err(|source| connected.error("reading the catalog", source))?;
    let same = found.filter(|table| table.oid == job.target.oid);
    same.ok_or_else(|| Error::WrongState {
        name: job.name.clone(),
        state: format!("about a table {} that is no more", job.target.name),
        hint: format!("`backfill drop-state {} --yes` forgets it", job.name),
    })
}
