//! What can go wrong, each with its row of the exit table.

use std::io;
use std::path::PathBuf;

use release_common::{Exit, Failure};
use release_postgres::{DatabaseError, Sqlstate};
use thiserror::Error;

use crate::spec::SpecError;

/// A situation that a user can act on.
#[derive(Debug, Error)]
pub enum Error {
    /// The specification cannot be meant.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The specification cannot be read.
    #[error("{path}: cannot be read", path = path.display())]
    SpecUnreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A pipe that brought nothing.
    #[error("stdin: holds no specification")]
    EmptyStdin,
    /// The server cannot be used for this.
    #[error("{database}: {reason}")]
    Server {
        /// Which.
        database: String,
        /// Why not.
        reason: String,
        /// The next step, if one is known.
        hint: Option<String>,
    },
    /// The address of the database is none.
    #[error("the address of the database cannot be used")]
    Address(#[source] DatabaseError),
    /// No job has this name.
    #[error("no job `{name}` in {database}")]
    UnknownJob {
        /// The name.
        name: String,
        /// Where it was looked for.
        database: String,
    },
    /// Nothing says which column is the old one.
    #[error("job `{name}` names no source column")]
    NoOldColumn {
        /// The job.
        name: String,
    },
    /// The job does something else than the specification says.
    #[error("job `{name}` was recorded with another specification: {difference}")]
    OtherSpec {
        /// The job.
        name: String,
        /// What is different.
        difference: String,
    },
    /// The job's state does not allow it.
    #[error("job `{name}` is {state}")]
    WrongState {
        /// The job.
        name: String,
        /// What it is.
        state: String,
        /// The next step.
        hint: String,
    },
    /// The database is out of reach; the same command resumes.
    #[error("{database}: cannot be reached")]
    Unreachable {
        /// Which.
        database: String,
        /// Why.
        source: DatabaseError,
    },
    /// A statement of ours failed.
    #[error("{doing} failed")]
    Database {
        /// What was being done.
        doing: String,
        /// Why.
        source: DatabaseError,
    },
    /// The job cannot go on.
    #[error("job `{name}` failed: {reason}")]
    JobFailed {
        /// The job.
        name: String,
        /// Why.
        reason: String,
        /// The next step.
        hint: String,
    },
    /// An address that cannot be listened on.
    #[error("{address}: cannot listen")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The system gives no runtime.
    #[error("cannot start")]
    Runtime(#[source] io::Error),
    /// Something that must be confirmed was not.
    #[error("{what}")]
    Unconfirmed {
        /// What would be lost.
        what: String,
    },
    /// The result could not be written.
    #[error("stdout: cannot be written")]
    Stdout(#[from] io::Error),
}

impl Error {
    /// What a failed statement means: the way to the database, or the statement itself.
    pub(crate) fn database(doing: &str, database: &str, source: DatabaseError) -> Error {
        // A standby at the start is a wrong address, not one to wait for.
        let is_gone = |code: Sqlstate| code.ends_session() && code.code() != "25006";
        let is_absent = source.sqlstate().is_none_or(|code| is_gone(code) || code.code() == "53300");
        let is_row = matches!(source, DatabaseError::Row(_));
        if is_absent && !is_row {
            return Error::Unreachable { database: database.to_owned(), source };
        }
        let refusal = match source.sqlstate().map(|code| code.code().to_owned()).as_deref() {
            Some("42501") => "GRANT what is missing, or use the role that recorded the job",
            Some("25006") => "give the address of the primary",
            _ => return Error::Database { doing: doing.to_owned(), source },
        };
        let (database, hint) = (database.to_owned(), Some(refusal.to_owned()));
        Error::Server { database, reason: format!("{doing}: {source}"), hint }
    }
}

impl Failure for Error {
    fn exit(&self) -> Exit {
        match self {
            Error::Spec(_)
            | Error::SpecUnreadable { .. }
            | Error::EmptyStdin
            | Error::Server { .. }
            | Error::Address(_)
            | Error::UnknownJob { .. }
            | Error::NoOldColumn { .. }
            | Error::OtherSpec { .. }
            | Error::WrongState { .. }
            | Error::Listen { .. }
            | Error::Unconfirmed { .. }
            | Error::Runtime(_) => Exit::NotStarted,
            Error::Unreachable { .. } => Exit::Temporary,
            Error::Database { .. } | Error::JobFailed { .. } | Error::Stdout(_) => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::Spec(error) => error.hint.clone(),
            Error::EmptyStdin => {
                Some("the command before the pipe printed nothing: look at its message".to_owned())
            }
            Error::Server { hint, .. } => hint.clone(),
            Error::Address(_) => {
                Some("set DATABASE_URL, or PGHOST, PGPORT, PGUSER and PGDATABASE".to_owned())
            }
            Error::UnknownJob { .. } => Some("`backfill status` lists the jobs of this database".to_owned()),
            Error::NoOldColumn { .. } => Some("name the old column with --column".to_owned()),
            Error::OtherSpec { name, .. } => Some(format!(
                "take another name, or forget the old job with `backfill drop-state {name} --yes`"
            )),
            Error::WrongState { hint, .. } | Error::JobFailed { hint, .. } => Some(hint.clone()),
            Error::Unreachable { .. } => Some(
                "the same command resumes; the address comes from DATABASE_URL or the PG* variables"
                    .to_owned(),
            ),
            Error::Unconfirmed { .. } => Some("--yes does it".to_owned()),
            _ => None,
        }
    }
}
