//! What a hub must not forget: its state file.
//!
//! It is written before an event is announced, so a hub that is killed at any instant either never accepted the event
//! or still has it. Members of cohorts are recorded, what they acknowledged is not: their next hello tells it better.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The format of the file; a later one is refused, not guessed at.
const VERSION: u32 = 1;

/// The content of a state file.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Record {
    version: u32,
    /// Changes when a hub has lost its past.
    pub epoch: String,
    /// Of the last accepted event.
    pub seq: u64,
    /// The accepted events, oldest first.
    pub events: Vec<RecordedEvent>,
}

/// An accepted event.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct RecordedEvent {
    /// As it was signed; read back through the signature, so that a revoked key revokes its events.
    pub jws: String,
    /// Matched clients that ran the wanted version already.
    pub already: u64,
    /// The members of the cohort.
    pub cohort: Vec<String>,
}

/// Why a state file cannot be used.
#[derive(Debug, Error)]
pub enum RecordError {
    /// Not the JSON of a record.
    #[error("not a state file of this tool")]
    Json(#[from] serde_json::Error),
    /// Written by a later version.
    #[error("format {0} is newer than this tool")]
    Version(u32),
}

impl Record {
    /// The record of a hub with these events.
    pub fn new(epoch: String, seq: u64, events: Vec<RecordedEvent>) -> Record {
        Record { version: VERSION, epoch, seq, events }
    }

    /// The record of a hub without a past. Numbers begin with the Unix second, above all that a lost hub gave out:
    /// browsers ignore events that are not newer than what they have seen.
    pub fn fresh(epoch: String, now: Timestamp) -> Record {
        Record::new(epoch, u64::try_from(now.as_second()).unwrap_or_default(), Vec::new())
    }

    /// Reads a state file.
    ///
    /// # Errors
    /// When it is none, or one of a later version.
    pub fn from_json(text: &[u8]) -> Result<Record, RecordError> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let Version { version } = serde_json::from_slice(text)?;
        if version > VERSION {
            return Err(RecordError::Version(version));
        }
        Ok(serde_json::from_slice(text)?)
    }

    /// The bytes of the state file.
    ///
    /// # Errors
    /// None in practice: strings and numbers always serialize.
    pub fn to_json(&self) -> Result<Vec<u8>, RecordError> {
        Ok(serde_json::to_vec(self)?)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{Record, RecordError, RecordedEvent};

    #[test]
    fn a_record_reads_back_as_itself() {
        let event =
            RecordedEvent { jws: "a.b.c".into(), already: 3, cohort: vec!["one".into(), "two".into()] };
        let record = Record::new("epoch".into(), 7, vec![event]);
        assert_eq!(Record::from_json(&record.to_json().unwrap()).unwrap(), record);
    }

    #[test]
    fn a_later_format_and_a_torn_file_are_refused() {
        let later = br#"{"version":2,"shape":"unknown"}"#;
        assert!(matches!(Record::from_json(later), Err(RecordError::Version(2))));
        for text in ["", "{}", "[]", r#"{"version":1,"epoch":"e""#] {
            assert!(matches!(Record::from_json(text.as_bytes()), Err(RecordError::Json(_))), "{text}");
        }
    }

    #[test]
    fn a_hub_without_a_past_numbers_above_what_it_gave_out_before() {
        let born = Record::fresh("one".into(), Timestamp::from_second(1_000).unwrap());
        let reborn = Record::fresh("two".into(), Timestamp::from_second(1_060).unwrap());
        assert!(reborn.seq > born.seq + 59);
    }
}
