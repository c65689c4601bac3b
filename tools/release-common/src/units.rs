//! Quantities with their units, one text form each in flags, files and reports.
//!
//! Sizes follow the `bytesize` crate (`2MiB` is 1024-based, `2MB` 1000-based), time spans the friendly format of
//! the `jiff` crate (`1h30m`).

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// A quantity that could not be read.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum UnitError {
    /// Not a size.
    #[error("`{0}` is not a size such as 500kB, 2MiB or 2097152")]
    Size(String),
    /// Not a span of time.
    #[error("`{0}` is not a time span such as 30s, 15m or 1h30m")]
    Span(String),
    /// Not a percentage.
    #[error("`{0}` is not a percentage from 0% to 100%")]
    Percent(String),
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<ByteSize, UnitError> {
        let size: bytesize::ByteSize = text.parse().map_err(|_| UnitError::Size(text.to_owned()))?;
        Ok(ByteSize(size.as_u64()))
    }
}

impl fmt::Display for ByteSize {
    /// As few characters as keep the exact value apart from rounding to one decimal: `512 B`, `2.0 MiB`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        bytesize::ByteSize::b(self.0).display().iec().fmt(formatter)
    }
}

/// A span of time, to the millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Span, UnitError> {
        let refused = || UnitError::Span(text.to_owned());
        if text == "0" {
            return Ok(Span(Duration::ZERO));
        }
        let span: jiff::Span = text.parse().map_err(|_| refused())?;
        // A day is 24 hours: what is meant is how long, never until which date.
        let span = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| refused())?;
        Duration::try_from(span).map(Span).map_err(|_| refused())
    }
}

impl fmt::Display for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::SignedDuration::try_from(self.0) {
            Ok(span) => write!(formatter, "{span:#}"),
            Err(_) => write!(formatter, "{}s", self.0.as_secs()),
        }
    }
}

/// A share from 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Percent(f64);

impl Percent {
    /// The share `value`, if it lies from 0 to 100.
    ///
    /// # Errors
    /// When it does not.
    pub fn new(value: f64) -> Result<Percent, UnitError> {
        if (0.0..=100.0).contains(&value) {
            Ok(Percent(value))
        } else {
            Err(UnitError::Percent(value.to_string()))
        }
    }

    /// The number from 0 to 100.
    pub fn value(self) -> f64 {
        self.0
    }
}

impl FromStr for Percent {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Percent, UnitError> {
        let number = text.strip_suffix('%').unwrap_or(text);
        let value = number.trim().parse().map_err(|_| UnitError::Percent(text.to_owned()))?;
        Percent::new(value).map_err(|_| UnitError::Percent(text.to_owned()))
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}%", self.0)
    }
}

macro_rules! serde_as_text {
    ($($unit:ty),*) => {$(
        impl Serialize for $unit {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $unit {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$unit, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

serde_as_text!(Span, Percent);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{ByteSize, Duration, Percent, Span};

    #[test]
    fn sizes_know_both_bases() {
        for (text, bytes) in [("2MiB", 2_097_152), ("2MB", 2_000_000), ("17", 17), ("1.5 KiB", 1536)] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        assert_eq!(ByteSize(2_097_152).to_string(), "2.0 MiB");
        assert_eq!(ByteSize(512).to_string(), "512 B");
    }

    #[test]
    fn nonsense_is_named() {
        assert_eq!(
            "2 apples".parse::<ByteSize>().unwrap_err().to_string(),
            "`2 apples` is not a size such as 500kB, 2MiB or 2097152"
        );
        assert!("-5s".parse::<Span>().is_err());
        assert!("1 month".parse::<Span>().is_err());
        assert!("soon".parse::<Span>().is_err());
        assert!("101%".parse::<Percent>().is_err());
        assert!("NaN".parse::<Percent>().is_err());
    }

    #[test]
    fn a_day_is_24_hours() {
        assert_eq!("7d".parse::<Span>(), "168h".parse::<Span>());
        assert_eq!("1d 30m".parse(), Ok(Span(Duration::from_secs(24 * 3600 + 30 * 60))));
    }

    proptest! {
        #[test]
        fn a_span_reads_back_what_it_prints(millis in 0_u64..10_000_000_000) {
            let span = Span(Duration::from_millis(millis));
            prop_assert_eq!(span.to_string().parse(), Ok(span));
        }

        #[test]
        fn a_percentage_reads_back_what_it_prints(value in 0.0_f64..=100.0) {
            let percent = Percent::new(value).unwrap();
            prop_assert_eq!(percent.to_string().parse(), Ok(percent));
        }
    }
}
