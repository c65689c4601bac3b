//! What a user writes: which column of which table is filled with what, and how gently.
//!
//! A [`Spec`] is complete and checked as far as that goes without a database. [`Spec::fingerprint`] covers what decides
//! which rows get which values; the rest may be changed between two nights without being another job.

mod document;
mod draft;
mod read;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use jiff::Timestamp;
use release_common::units::Span;
use release_common::window::Window;
use release_postgres::{Identifier, TableName};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

pub use self::draft::{Draft, Placed};
pub use self::read::merge_file;

/// A job, as it is stored with its first run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// The job's name, unique in its database.
    pub name: String,
    /// The table.
    pub table: TableName,
    /// The old columns, which the contract check watches.
    pub source: Vec<Identifier>,
    /// New columns and the SQL expressions that fill them.
    pub set: Vec<Assignment>,
    /// Which rows the job is about at all, when filling and when verifying.
    pub scope: Option<String>,
    /// Which of them still need it; by default those that differ.
    #[serde(rename = "where")]
    pub condition: Option<String>,
    /// Columns to walk along; by default chosen from the table's unique indexes.
    pub key: Option<Vec<Identifier>>,
    /// Along the key or along the table's blocks.
    pub order: Order,
    /// Who keeps rows right that are written meanwhile.
    pub dual_write: DualWrite,
    /// Sizes and pace.
    pub batch: Batch,
    /// When to work.
    pub window: When,
    /// When to slow down and stop.
    pub throttle: Throttle,
    /// How long statements may wait and run.
    pub timeouts: Timeouts,
    /// How many rows may be left out.
    pub dead_letter_max: u64,
}

/// One column and what fills it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// The new column.
    pub column: Identifier,
    /// An SQL expression over the row.
    pub expression: String,
}

/// Which way through the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// The better one, by what the catalog says.
    #[default]
    Auto,
    /// Along a unique key.
    Key,
    /// Along the blocks of the table, in passes until one finds nothing.
    Ctid,
}

/// Who writes the new column of rows that change while the job runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DualWrite {
    /// The application writes both columns.
    #[default]
    Application,
    /// Our trigger does.
    Trigger,
    /// Nobody: rows written behind the cursor stay wrong until a verification finds them.
    None,
}

/// Sizes and pace.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// Most keys per transaction.
    pub size: u32,
    /// Wanted length of a transaction in milliseconds.
    pub target_ms: u64,
    /// Share of the time that a worker works.
    pub duty: Duty,
    /// Workers of one process.
    pub workers: u32,
}

/// A share of time, above zero, at most one.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Duty(f64);

/// When to work.
#[derive(Clone, Debug, PartialEq)]
pub enum When {
    /// At any time.
    Always,
    /// Within these hours.
    Within(Window),
}

/// Limits beyond which a signal is red; `None` leaves the signal out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Throttle {
    /// WAL that a standby has not replayed yet.
    pub replica_lag_bytes: Option<u64>,
    /// How long a standby is behind.
    pub replica_lag: Option<Span>,
    /// WAL that the server writes per second.
    pub wal_rate_bytes: Option<u64>,
    /// Sessions that wait for a lock.
    pub lock_waiters: Option<u64>,
    /// Sessions at work that are not ours.
    pub active: Option<u64>,
    /// Dead rows of the table, as a share of all.
    pub dead_ratio: Option<f64>,
    /// A shell command that ends with 0 while all is well.
    pub hook: Option<String>,
}

/// How long statements may wait and run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeouts {
    /// For a lock.
    pub lock: Span,
    /// For a statement.
    pub statement: Span,
}

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a file.
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from one.
        line: usize,
        /// The key, with its table.
        key: String,
    },
    /// On the command line.
    Flag(String),
    /// In the job as it was stored.
    Stored(String),
}

/// What is wrong with a value, and where it stands.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{place}: {reason}")]
pub struct SpecError {
    /// Where.
    pub place: Place,
    /// What.
    pub reason: String,
    /// The next step, if one is known.
    pub hint: Option<String>,
}

impl Spec {
    /// SHA-256 of what decides which rows get which values, in hexadecimal.
    pub fn fingerprint(&self) -> String {
        let deciding = serde_json::json!({
            "table": self.table, "set": self.set, "scope": self.scope, "where": self.condition,
            "source": self.source,
        });
        Sha256::digest(deciding.to_string()).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Duty {
    /// The share `value`.
    ///
    /// # Errors
    /// When it is not above zero and at most one.
    pub fn new(value: f64) -> Result<Duty, String> {
        if value > 0.0 && value <= 1.0 { Ok(Duty(value)) } else { Err(not_a_duty(value)) }
    }

    /// The share, from zero to one.
    pub fn share(self) -> f64 {
        self.0
    }
}

fn not_a_duty(text: impl fmt::Display) -> String {
    format!("`{text}` is not a share of time such as 0.5 or 50%")
}

impl FromStr for Duty {
    type Err = String;

    fn from_str(text: &str) -> Result<Duty, String> {
        let value = match text.strip_suffix('%') {
            Some(percent) => percent.trim().parse::<f64>().map(|percent| percent / 100.0),
            None => text.parse(),
        };
        value.map_err(|_| not_a_duty(text)).and_then(|value| Duty::new(value).map_err(|_| not_a_duty(text)))
    }
}

impl fmt::Display for Duty {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl When {
    /// Whether work may be done at `now`.
    pub fn is_open(&self, now: Timestamp) -> bool {
        match self {
            When::Always => true,
            When::Within(window) => window.contains(now),
        }
    }
}

impl FromStr for When {
    type Err = release_common::window::WindowError;

    fn from_str(text: &str) -> Result<When, Self::Err> {
        if text == "always" { Ok(When::Always) } else { text.parse().map(When::Within) }
    }
}

impl fmt::Display for When {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            When::Always => formatter.write_str("always"),
            When::Within(window) => window.fmt(formatter),
        }
    }
}

impl Serialize for When {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for When {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<When, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Line { path, line, key } if key.is_empty() => {
                write!(formatter, "{}:{line}", path.display())
            }
            Place::Line { path, line, key } => write!(formatter, "{}:{line}: {key}", path.display()),
            Place::Flag(flag) => write!(formatter, "--{flag}"),
            Place::Stored(key) => write!(formatter, "stored job: {key}"),
        }
    }
}

impl SpecError {
    /// An error without a known next step.
    pub fn new(place: Place, reason: impl Into<String>) -> SpecError {
        SpecError { place, reason: reason.into(), hint: None }
    }
}

#[cfg(test)]
mod tests {
    use super::{Duty, When};

    #[test]
    fn a_share_of_time_is_written_either_way() {
        assert_eq!("50%".parse(), Duty::new(0.5));
        assert_eq!("0.25".parse(), Duty::new(0.25));
        for text in ["0", "1.1", "-1", "NaN", "half", "0%"] {
            assert_eq!(
                text.parse::<Duty>().unwrap_err(),
                format!("`{text}` is not a share of time such as 0.5 or 50%")
            );
        }
    }

    #[test]
    fn a_window_may_be_always() {
        for text in ["always", "mon-fri 02:00-05:00 Asia/Seoul"] {
            assert_eq!(text.parse::<When>().unwrap().to_string(), text);
        }
    }
}
