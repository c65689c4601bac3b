//! The `timestamp` of `ngsw.json`, which is part of the version that Angular's worker computes.
//!
//! Angular writes `Date.now()` so that a rollback looks new (angular PR #26006), and so every rebuild prompts every
//! user. Here the time can be given, and a rebuild with equal content can keep the time of the manifest before it.

use super::json::Value;
use super::parse::{SyntaxError, parse};
use super::stringify::Writer;

/// The largest integer that a JavaScript number holds exactly.
const LARGEST: u64 = (1 << 53) - 1;

/// Where the timestamp of a new manifest comes from, in falling precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimestampSources<'t> {
    /// `--timestamp`: milliseconds since 1970.
    pub given_ms: Option<u64>,
    /// `SOURCE_DATE_EPOCH`: seconds since 1970 (reproducible-builds.org/specs/source-date-epoch).
    pub source_date_epoch: Option<&'t str>,
    /// The time of the run in milliseconds.
    pub now_ms: u64,
}

/// Why there is no timestamp.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimestampError {
    /// The variable holds something else than seconds.
    #[error("SOURCE_DATE_EPOCH: expected seconds since 1970, found {0:?}")]
    SourceDateEpoch(String),
    /// JavaScript would round it.
    #[error("timestamp {0} is above 9007199254740991, the largest integer that JavaScript keeps")]
    TooLarge(u64),
}

/// Why a previous manifest cannot be compared; the caller puts the file in front.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PreviousError {
    /// It is no JSON.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// It has no usable timestamp.
    #[error("1: timestamp: expected milliseconds since 1970; this is no ngsw.json")]
    NoTimestamp,
}

impl TimestampSources<'_> {
    /// The first source that is there.
    pub fn choose(&self) -> Result<u64, TimestampError> {
        let milliseconds = match (self.given_ms, self.source_date_epoch) {
            (Some(given), _) => given,
            (None, Some(text)) => text
                .parse::<u64>()
                .ok()
                .and_then(|seconds| seconds.checked_mul(1000))
                .ok_or_else(|| TimestampError::SourceDateEpoch(text.into()))?,
            (None, None) => self.now_ms,
        };
        if milliseconds > LARGEST { Err(TimestampError::TooLarge(milliseconds)) } else { Ok(milliseconds) }
    }
}

/// A manifest of an earlier build, however it was indented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Previous {
    timestamp_ms: u64,
    canonical: String,
}

impl Previous {
    /// Reads the text of an `ngsw.json`.
    pub fn parse(text: &str) -> Result<Self, PreviousError> {
        let node = parse(text)?;
        let Value::Object(members) = &node.value else {
            return Err(PreviousError::NoTimestamp);
        };
        let timestamp = members.iter().find(|member| member.key.as_str() == Some("timestamp"));
        let timestamp_ms = timestamp.and_then(|member| whole_milliseconds(&member.node.value));
        let mut writer = Writer::default();
        writer.node(&node);
        Ok(Previous {
            timestamp_ms: timestamp_ms.ok_or(PreviousError::NoTimestamp)?,
            canonical: writer.finish(),
        })
    }

    /// Its time.
    pub fn timestamp_ms(&self) -> u64 {
        self.timestamp_ms
    }

    /// Whether it equals a manifest rendered with [`Previous::timestamp_ms`], whitespace aside.
    pub fn has_content_of(&self, rendered: &str) -> bool {
        self.canonical == rendered
    }
}

fn whole_milliseconds(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) if number.fract() == 0.0 => {
            // Printing without an exponent and reading back is the exact conversion that a cast does not promise.
            format!("{number:.0}").parse().ok().filter(|milliseconds| *milliseconds <= LARGEST)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefers_the_flag_then_the_environment_then_the_clock() {
        let choose = |given_ms, source_date_epoch| {
            TimestampSources { given_ms, source_date_epoch, now_ms: 7 }.choose()
        };
        assert_eq!(choose(Some(5), Some("2")), Ok(5));
        assert_eq!(choose(None, Some("2")), Ok(2000));
        assert_eq!(choose(None, None), Ok(7));
        assert_eq!(choose(None, Some("2.5")), Err(TimestampError::SourceDateEpoch("2.5".into())));
        assert_eq!(choose(None, Some("")), Err(TimestampError::SourceDateEpoch(String::new())));
        assert_eq!(choose(Some(1 << 53), None), Err(TimestampError::TooLarge(1 << 53)));
    }

    #[test]
    fn recognizes_equal_content_however_indented() {
        let previous = Previous::parse("{\"configVersion\":1,\"timestamp\":42}\n").unwrap();
        assert_eq!(previous.timestamp_ms(), 42);
        assert!(previous.has_content_of("{\n  \"configVersion\": 1,\n  \"timestamp\": 42\n}"));
        assert!(!previous.has_content_of("{\n  \"configVersion\": 2,\n  \"timestamp\": 42\n}"));
    }

    #[test]
    fn refuses_a_previous_file_that_is_no_manifest() {
        for text in ["[]", "{}", "{\"timestamp\":\"1\"}", "{\"timestamp\":1.5}", "{\"timestamp\":-1}"] {
            assert_eq!(Previous::parse(text), Err(PreviousError::NoTimestamp), "{text}");
        }
        assert!(matches!(Previous::parse("{"), Err(PreviousError::Syntax(_))));
    }
}
