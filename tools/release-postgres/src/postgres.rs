//! A connection to PostgreSQL that survives PgBouncer's transaction mode.
//!
//! Only the simple protocol is used: no prepared statement exists, named or not, and one message is one round trip
//! however many statements it holds. Callers write their transactions out (`begin; ...; commit`); after an error the
//! session rolls back by itself. Rows come as JSON, one object a row, so that a type reads a whole row by its names.

use futures_util::TryStreamExt;
use serde::de::DeserializeOwned;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Either, PgConnection, Row};

use crate::error::{DatabaseError, understood};
use crate::sqlstate::Sqlstate;

/// What a transaction may take, unless it says otherwise: what the role or database has set is meant for others.
pub const LIMITS: &str = "set local statement_timeout = '60s'; set local lock_timeout = '5s'";

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
    pub(crate) fn over(connection: PgConnection) -> Session {
        Session { connection, is_open: true }
    }

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
