//! From the environment to an open session and a found job, with errors that name the database.

use std::sync::Arc;

use release_common::{Clock, Context};
use release_postgres::{Database, DatabaseError, Session};

use crate::catalog::Server;
use crate::cli::ConnectArgs;
use crate::error::Error;
use crate::job::Job;
use crate::state::{self, Actor};

/// A session, and what is said about it in messages.
pub(crate) struct Connected {
    pub(crate) database: Database,
    pub(crate) session: Session,
    pub(crate) actor: Actor,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Opens a session; what is unreachable at the start is worth no waiting.
pub(crate) async fn open(args: &ConnectArgs, context: &Context) -> Result<Connected, Error> {
    let path = args.database_url_file.as_deref();
    let database = Database::from_environment(path, "backfill").map_err(Error::Address)?;
    let session = database
        .connect()
        .await
        .map_err(|source| Error::database("connecting", &database.shown(), source))?;
    let clock = Arc::clone(&context.clock);
    Ok(Connected { actor: Actor::this(&*clock), database, session, clock })
}

impl Connected {
    /// The job of this name.
    pub(crate) async fn job(&mut self, name: &str) -> Result<Job, Error> {
        let found = state::find(&mut self.session, name).await;
        let found = found.map_err(|source| self.error("reading the job", source))?;
        let unknown = || Error::UnknownJob { name: name.to_owned(), database: self.database.shown() };
        found.ok_or_else(unknown)
    }

    /// Opens the session anew if it was lost while nobody used it: networks and poolers close what is idle for hours.
    pub(crate) async fn revive(&mut self) -> Result<(), Error> {
        if self.session.is_open() && self.session.send("select 1").await.is_ok() {
            return Ok(());
        }
        let session = self.database.connect().await;
        self.session = session.map_err(|source| self.error("connecting", source))?;
        Ok(())
    }

    /// Refuses a standby.
    pub(crate) fn primary(&self, server: &Server) -> Result<(), Error> {
        if !server.is_standby {
            return Ok(());
        }
        Err(Error::Server {
            database: self.database.shown(),
            reason: "is a standby and cannot be written".to_owned(),
            hint: Some("give the address of the primary".to_owned()),
        })
    }

    /// What a failed statement means.
    pub(crate) fn error(&self, doing: &str, source: DatabaseError) -> Error {
        Error::database(doing, &self.database.shown(), source)
    }
}
