//! A connection to PostgreSQL that survives PgBouncer's transaction mode.
//!
//! Only the simple protocol is used: no prepared statement exists, named or not, and one message is one round trip
//! however many statements it holds. Callers write their transactions out (`begin; ...; commit`); after an error the
//! session rolls back by itself. Rows come as JSON, one object a row, so that a type reads a whole row by its names.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use futures_util::TryStreamExt;
use serde::de::DeserializeOwned;
use sqlx::postgres::{PgConnectOptions, PgDatabaseError, PgErrorPosition, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Either, PgConnection, Row};
use thiserror::Error;

use crate::sqlstate::Sqlstate;

/// A server that does not answer a connection attempt by then is unreachable.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// What a transaction may take, unless it says otherwise: what the role or database has set is meant for others.
pub const LIMITS: &str = "set local statement_timeout = '60s'; set local lock_timeout = '5s'";

/// Where the database is and how a tool introduces itself.
#[derive(Clone, Debug)]
pub struct Database(PgConnectOptions);

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

impl Database {
    /// The address in `file`, else in `DATABASE_URL`, else what the `PG*` variables and `~/.pgpass` say (libpq,
    /// 34.15 and 34.16). `application_name` is what `pg_stat_activity` shows.
    ///
    /// # Errors
    /// When the address cannot be read.
    pub fn from_environment(file: Option<&Path>, application_name: &str) -> Result<Database, DatabaseError> {
        let address = match file {
            Some(path) => {
                let read = std::fs::read_to_string(path);
                Some(read.map_err(|source| DatabaseError::AddressFile { path: path.to_owned(), source })?)
            }
            None => std::env::var("DATABASE_URL").ok().filter(|address| !address.is_empty()),
        };
        let options = match address {
            Some(address) => options(address.trim()).map_err(DatabaseError::Address)?,
            None => PgConnectOptions::new(),
        };
        // PgBouncer refuses start-up parameters that it does not know.
        let options = options.extra_float_digits(None).statement_cache_capacity(0);
        Ok(Database(options.application_name(application_name).disable_statement_logging()))
    }

    /// The same database under another name in `pg_stat_activity`.
    #[must_use]
    pub fn named(&self, application_name: &str) -> Database {
        // PostgreSQL keeps 63 bytes, and a letter may have several.
        let cut = application_name.floor_char_boundary(63);
        Database(self.0.clone().application_name(application_name.get(..cut).unwrap_or_default()))
    }

    /// For messages: host, port and database, never a password.
    pub fn shown(&self) -> String {
        let place = match self.0.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => self.0.get_host().to_owned(),
        };
        let database = self.0.get_database().unwrap_or_else(|| self.0.get_username());
        format!("{place}:{}/{database}", self.0.get_port())
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// When there is none within ten seconds, or the server refuses it.
    pub async fn connect(&self) -> Result<Session, DatabaseError> {
        let connecting = tokio::time::timeout(CONNECT_TIMEOUT, PgConnection::connect_with(&self.0));
        match connecting.await {
            Ok(connected) => Ok(Session { connection: connected.map_err(understood)?, is_open: true }),
            Err(_) => Err(DatabaseError::Late(CONNECT_TIMEOUT)),
        }
    }
}

/// The driver takes any scheme for its own.
fn options(address: &str) -> Result<PgConnectOptions, Box<dyn std::error::Error + Send + Sync>> {
    let is_postgres = ["postgres://", "postgresql://"].iter().any(|scheme| address.starts_with(scheme));
    if !is_postgres {
        return Err("the scheme is neither postgres nor postgresql".into());
    }
    let read = PgConnectOptions::from_str(&without_prisma_parameters(address));
    read.map_err(|error| match error {
        sqlx::Error::Configuration(source) => source,
        other => Box::new(other),
    })
}

/// Prisma's addresses carry parameters of its own, which PostgreSQL's client does not know.
fn without_prisma_parameters(address: &str) -> String {
    const PRISMA: [&str; 6] = [
        "schema=",
        "connection_limit=",
        "pool_timeout=",
        "pgbouncer=",
        "socket_timeout=",
        "connect_timeout=",
    ];
    let Some((base, query)) = address.split_once('?') else { return address.to_owned() };
    let kept: Vec<&str> =
        query.split('&').filter(|part| !PRISMA.iter().any(|name| part.starts_with(name))).collect();
    if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) }
}

/// An open connection.
#[derive(Debug)]
pub struct Session {
    connection: PgConnection,
    /// False after an error that leaves the connection in an unknown state.
    is_open: bool,
}

/// What one message brought back.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The rows of all its statements, each value as text.
    pub rows: Vec<Vec<Option<String>>>,
    /// Rows affected, statement by statement.
    pub affected: Vec<u64>,
}

impl Answer {
    /// A value, or `None` when it is null or not there.
    pub fn value(&self, row: usize, column: usize) -> Option<&str> {
        self.rows.get(row)?.get(column)?.as_deref()
    }
}

impl Session {
    /// Whether the connection can still be used.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// Sends one message and reads all that comes back. After a refusal the open transaction, if any, is rolled back.
    ///
    /// # Errors
    /// What the server or the connection says; after a broken connection the session is closed.
    pub async fn send(&mut self, statements: &str) -> Result<Answer, DatabaseError> {
        match self.exchange(statements).await {
            Ok(answer) => Ok(answer),
            Err(error) => {
                let error = understood(error);
                let is_lost = error.sqlstate().is_none_or(Sqlstate::ends_session) || !self.roll_back().await;
                self.is_open = self.is_open && !is_lost;
                Err(error)
            }
        }
    }

    /// Ends the open transaction, if any; false when the connection broke. Outside of one a plain `rollback` would be
    /// warned about on stderr; with a chain it is an error that can be read (SQLSTATE 25P01).
    async fn roll_back(&mut self) -> bool {
        match self.exchange("rollback and chain; rollback").await {
            Ok(_) => true,
            Err(error) => understood(error).sqlstate().is_some_and(|code| code.code() == "25P01"),
        }
    }

    async fn exchange(&mut self, statements: &str) -> Result<Answer, sqlx::Error> {
        let mut answer = Answer::default();
        let mut stream = sqlx::raw_sql(AssertSqlSafe(statements)).fetch_many(&mut self.connection);
        while let Some(item) = stream.try_next().await? {
            match item {
                Either::Left(done) => answer.affected.push(done.rows_affected()),
                Either::Right(row) => answer.rows.push(texts(&row)?),
            }
        }
        Ok(answer)
    }

    /// The rows of one query in a read-only transaction of its own, each read by its column names.
    ///
    /// # Errors
    /// As [`Session::send`], and when a row is not a `T`.
    pub async fn read<T: DeserializeOwned>(&mut self, query: &str) -> Result<Vec<T>, DatabaseError> {
        let message = format!(
            "begin read only; {LIMITS}; \
             select row_to_json(answer)::text from ({query}) answer; commit"
        );
        rows(&self.send(&message).await?)
    }

    /// Runs statements in one transaction; the rows of the last one that returns any.
    ///
    /// # Errors
    /// As [`Session::send`]; nothing has then happened, unless the answer to the commit was lost.
    pub async fn write<T: DeserializeOwned>(&mut self, statements: &str) -> Result<Vec<T>, DatabaseError> {
        rows(&self.send(&format!("begin; {LIMITS}; {statements}; commit")).await?)
    }
}

/// Rows of one JSON column.
///
/// # Errors
/// When a row is not a `T`.
pub fn rows<T: DeserializeOwned>(answer: &Answer) -> Result<Vec<T>, DatabaseError> {
    let texts = answer.rows.iter().filter_map(|row| row.first().and_then(Option::as_deref));
    texts
        .map(|text| {
            serde_json::from_str(text).map_err(|error| DatabaseError::Row(format!("{error} in {text}")))
        })
        .collect()
}

fn texts(row: &PgRow) -> Result<Vec<Option<String>>, sqlx::Error> {
    (0..row.len()).map(|column| row.try_get_unchecked::<Option<String>, _>(column)).collect()
}

fn understood(error: sqlx::Error) -> DatabaseError {
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

#[cfg(test)]
mod tests {
    use super::without_prisma_parameters;

    #[test]
    fn an_address_of_prisma_is_an_address() {
        let plain = "postgres://u@h/d";
        for (address, expected) in [
            ("postgres://u@h/d?schema=public", plain.to_owned()),
            ("postgres://u@h/d", plain.to_owned()),
            ("postgres://u@h/d?pgbouncer=true&sslmode=require", format!("{plain}?sslmode=require")),
        ] {
            assert_eq!(without_prisma_parameters(address), expected);
        }
    }
}
