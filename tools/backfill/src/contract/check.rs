//! One answer: look, compare with earlier looks, judge, keep.

use std::time::Duration;

use jiff::Timestamp;
use release_common::Context;
use release_postgres::{DatabaseError, Identifier};

use super::blockers::{Findings, blockers};
use super::history::{self, superfluous};
use super::observation::Observation;
use super::statistics::Seen;
use super::verdict::{Answer, Evidence, Reason, answer};
use super::{catalog, sessions, statistics, store};
use crate::cli::ContractArgs;
use crate::connect::{self, Connected};
use crate::error::Error;
use crate::job::Job;

/// What is asked, and of whom.
pub(crate) struct Checker {
    connected: Connected,
    pub(crate) job: Job,
    columns: Vec<Identifier>,
    quiet_for: Duration,
    deployed_at: Option<Timestamp>,
}

/// An answer with all that it rests on.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) at: Timestamp,
    pub(crate) answer: Answer,
    pub(crate) reason: Reason,
    pub(crate) evidence: Evidence,
    pub(crate) columns: Vec<String>,
    /// Old columns that still exist.
    pub(crate) present: Vec<String>,
    pub(crate) quiet_for: Duration,
    /// Looks so far, this one among them.
    pub(crate) looks: usize,
    pub(crate) standbys: i64,
    pub(crate) clock: &'static str,
}

impl Checker {
    /// Connects and finds the job.
    pub(crate) async fn open(args: &ContractArgs, context: &Context) -> Result<Checker, Error> {
        let mut connected = connect::open(&args.connect, context).await?;
        let job = connected.job(&args.name).await?;
        let columns = if args.column.is_empty() { job.spec.source.clone() } else { args.column.clone() };
        if columns.is_empty() {
            return Err(Error::NoOldColumn { name: job.name });
        }
        let mut columns = columns;
        columns.sort();
        columns.dedup();
        Ok(Checker { connected, job, columns, quiet_for: args.quiet_for.0, deployed_at: args.deployed_at })
    }

    /// Answers now.
    pub(crate) async fn check(&mut self) -> Result<Report, Error> {
        self.look().await.map_err(|source| self.connected.error("the contract check", source))
    }

    /// Connects again after the connection was lost.
    pub(crate) async fn reconnect(&mut self) -> Result<(), Error> {
        let again = self.connected.database.connect().await;
        self.connected.session = again.map_err(|source| self.connected.error("connecting", source))?;
        Ok(())
    }

    async fn look(&mut self) -> Result<Report, DatabaseError> {
        let session = &mut self.connected.session;
        let found = catalog::read(session, &self.job, &self.columns).await?;
        let seen = statistics::read(session, &found.subject).await?;
        let earlier = store::read(session, &self.job).await?;
        let at = self.connected.clock.now();
        let clock = self.connected.actor.clock();
        let columns = found.subject.columns.clone();
        let current = seen.statistics.clone().map(|statistics| Observation {
            at,
            clock: clock.to_owned(),
            columns: columns.clone(),
            statistics,
        });
        let evidence = self.evidence(&found, &seen, current.as_ref().map(|look| (look, earlier.as_slice())));
        let (answer, reason) = answer(&evidence, at, self.quiet_for);
        // Statements that could not be seen would look as if they had not run: such a look is no base for a later one.
        let kept = current.as_ref().filter(|_| seen.blind.is_empty());
        let is_ours = |look: &&Observation| look.clock == clock && look.columns == columns && look.at <= at;
        let mut times: Vec<Timestamp> =
            earlier.iter().filter(is_ours).chain(kept).map(|look| look.at).collect();
        times.sort();
        times.dedup();
        let superfluous = superfluous(&times, at, self.quiet_for);
        let record =
            store::Record { look: kept, superfluous: &superfluous, columns: &columns, answer, reason };
        let actor = self.connected.actor.clone();
        store::write(&mut self.connected.session, &actor, &self.job, &record).await?;
        let (looks, quiet_for, standbys) = (times.len(), self.quiet_for, seen.standbys);
        let present = found.present;
        Ok(Report { at, answer, reason, evidence, columns, present, quiet_for, looks, standbys, clock })
    }

    /// What was read, judged witness by witness.
    fn evidence(
        &self,
        found: &Findings,
        seen: &Seen,
        looks: Option<(&Observation, &[Observation])>,
    ) -> Evidence {
        let (live, is_hidden) = sessions::judge(&seen.clients, self.deployed_at, &found.subject);
        let mut blind = seen.blind.clone();
        if is_hidden && !blind.contains(&Reason::RightsMissing) {
            blind.push(Reason::ActivityHidden);
        }
        Evidence {
            is_present: !found.present.is_empty(),
            blockers: blockers(found, &self.job.name),
            sessions: live,
            blind,
            history: looks.map(|(current, earlier)| history::judge(earlier, current, self.quiet_for)),
        }
    }
}
