//! A session that survives the moments in which the database is away, and that a signal wakes.
//!
//! Only what may be sent twice goes through it: after a lost answer nobody knows whether the commit took place.

use std::time::{Duration, Instant};

use release_common::{Context, Signal, Stop};
use release_postgres::{Answer, DatabaseError, rows};
use serde::de::DeserializeOwned;

use crate::chance;
use crate::cli::ConnectArgs;
use crate::connect::{self, Connected};
use crate::error::Error;
use crate::job::Job;
use crate::reaction::Reaction;
use crate::state::Actor;

/// The longest pause between two tries: a server that is back is found within it.
const LONGEST_BACKOFF: Duration = Duration::from_secs(2);

/// An open session, the way to open it again, and the wish to stop.
pub(crate) struct Patient {
    connected: Connected,
    patience: Duration,
    stop: Stop,
}

impl Patient {
    /// Opens a session.
    pub(crate) async fn open(args: &ConnectArgs, context: &Context) -> Result<Patient, Error> {
        let connected = connect::open(args, context).await?;
        Ok(Patient { connected, patience: args.timeout.0, stop: Stop::new(&context.shutdown) })
    }

    /// The job of this name.
    pub(crate) async fn job(&mut self, name: &str) -> Result<Job, Error> {
        self.connected.job(name).await
    }

    /// Who we are, for the record.
    pub(crate) fn actor(&self) -> &Actor {
        &self.connected.actor
    }

    /// The database, for messages.
    pub(crate) fn shown(&self) -> String {
        self.connected.database.shown()
    }

    /// What a failed statement means.
    pub(crate) fn error(&self, doing: &str, source: DatabaseError) -> Error {
        self.connected.error(doing, source)
    }

    /// How long to go on trying.
    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    /// The signal that asked to stop.
    pub(crate) fn requested(&self) -> Option<Signal> {
        self.stop.requested()
    }

    /// Waits for `time`, or for a signal.
    pub(crate) async fn sleep(&mut self, time: Duration) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            _ = self.stop.wait() => {}
        }
    }

    /// Sends one message, again when the connection broke or the server asks for another try.
    pub(crate) async fn send(&mut self, message: &str) -> Result<Answer, DatabaseError> {
        let began = Instant::now();
        let mut tries = 0;
        loop {
            let error = match self.attempt(message).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let is_over = began.elapsed() > self.patience || self.requested().is_some();
            if is_over || !passes(&error) {
                return Err(error);
            }
            tries += 1;
            self.sleep(backoff(tries)).await;
        }
    }

    /// Sends one message once, after opening the session again where it broke.
    pub(crate) async fn attempt(&mut self, message: &str) -> Result<Answer, DatabaseError> {
        if !self.connected.session.is_open() {
            self.connected.session = self.connected.database.connect().await?;
        }
        self.connected.session.send(message).await
    }

    /// The rows of one query in a short transaction that reads only.
    pub(crate) async fn read<T: DeserializeOwned>(&mut self, query: &str) -> Result<Vec<T>, DatabaseError> {
        rows(&self.send(&reading("60s", "", query)).await?)
    }

    /// Runs statements in one transaction.
    pub(crate) async fn write(&mut self, statements: &str) -> Result<Answer, DatabaseError> {
        self.send(&format!("begin; set local lock_timeout = '5s'; {statements}; commit")).await
    }
}

/// A query as a transaction that reads only; `settings` are further statements before it.
pub(crate) fn reading(timeout: &str, settings: &str, query: &str) -> String {
    format!(
        "begin read only; set local statement_timeout = '{timeout}'; set local jit = off; {settings}\
         select row_to_json(answer)::text from ({query}) answer; commit"
    )
}

/// Doubling from 50 ms, with chance, so that two sessions do not meet again.
pub(crate) fn backoff(tries: u32) -> Duration {
    let longest = Duration::from_millis(50).saturating_mul(1 << tries.min(10)).min(LONGEST_BACKOFF);
    chance::between(longest / 2, longest)
}

/// Whether waiting may mend it.
fn passes(error: &DatabaseError) -> bool {
    match error {
        DatabaseError::Server { sqlstate, .. } => {
            matches!(Reaction::to(*sqlstate), Reaction::Retry | Reaction::Wait | Reaction::Reconnect)
        }
        DatabaseError::Connection(_) | DatabaseError::Late(_) => true,
        DatabaseError::Row(_)
        | DatabaseError::Address(_)
        | DatabaseError::AddressFile { .. }
        | DatabaseError::Service { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use release_postgres::{DatabaseError, Sqlstate};

    use super::{LONGEST_BACKOFF, backoff, passes};

    fn refusal(code: &str) -> DatabaseError {
        let sqlstate = Sqlstate::new(code);
        DatabaseError::Server { sqlstate, message: String::new(), detail: None, advice: None, position: None }
    }

    #[test]
    fn only_what_waiting_may_mend_is_tried_again() {
        for (code, expected) in [
            ("40001", true),
            ("55P03", true),
            ("57P01", true),
            ("22012", false),
            ("42501", false),
            ("57014", false),
        ] {
            assert_eq!(passes(&refusal(code)), expected, "{code}");
        }
    }

    #[test]
    fn pauses_grow_up_to_a_limit() {
        assert!(backoff(1) <= std::time::Duration::from_millis(100));
        assert!(backoff(40) <= LONGEST_BACKOFF && backoff(40) >= LONGEST_BACKOFF / 2);
    }
}
