//! What PostgreSQL or the way to it said.

use std::path::PathBuf;
use std::time::Duration;

use sqlx::postgres::{PgDatabaseError, PgErrorPosition};
use thiserror::Error;

use crate::sqlstate::Sqlstate;

/// What PostgreSQL or the way to it said.
#[derive(Debug, Error)]
pub enum DatabaseError {
    /// The server refused a statement.
    #[error("{message}{}", detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default())]
    Server {
        /// Which kind of refusal.
        sqlstate: Sqlstate,
        /// The server's words.
        message: String,
        /// More of them.
        detail: Option<String>,
        /// The server's advice.
        advice: Option<String>,
        /// Where in the statement, counted in characters from one.
        position: Option<usize>,
    },
    /// No connection, or it broke.
    #[error("the connection failed")]
    Connection(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No answer in time.
    #[error("no connection within {0:?}")]
    Late(Duration),
    /// A row that is not what the statement promised.
    #[error("an unexpected row: {0}")]
    Row(String),
    /// An address that is none.
    #[error("not an address such as postgres://user@host:5432/database")]
    Address(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A service that no file describes.
    #[error("service {name}: not found in {searched}")]
    Service {
        /// The service.
        name: String,
        /// Where it was looked for.
        searched: String,
    },
    /// A file with an address that cannot be read.
    #[error("{path}: cannot be read", path = path.display())]
    AddressFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl DatabaseError {
    /// The server's code, if a server answered.
    pub fn sqlstate(&self) -> Option<Sqlstate> {
        match self {
            DatabaseError::Server { sqlstate, .. } => Some(*sqlstate),
            _ => None,
        }
    }
}

/// The server's refusal, or what became of the way to it.
pub(crate) fn understood(error: sqlx::Error) -> DatabaseError {
    let Some(refusal) =
        error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>())
    else {
        // The driver repeats what the system says.
        return DatabaseError::Connection(match error {
            sqlx::Error::Io(source) => Box::new(source),
            other => Box::new(other),
        });
    };
    let position = match refusal.position() {
        Some(PgErrorPosition::Original(position)) => Some(position),
        _ => None,
    };
    DatabaseError::Server {
        sqlstate: Sqlstate::new(refusal.code()),
        message: refusal.message().to_owned(),
        detail: refusal.detail().map(ToOwned::to_owned),
        advice: refusal.hint().map(ToOwned::to_owned),
        position,
    }
}
