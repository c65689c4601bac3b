//! The history of a timeline: where it left its parent, and that its own.
//!
//! Follows `timeline.c` of PostgreSQL: a line for each ancestor, oldest first, with the ancestor's number and the position
//! at which the next one begins; what follows is a reason for people.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::wal_name::Lsn;

/// Where a timeline was left for the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    /// The timeline that was left.
    pub timeline: u32,
    /// The first position that is no longer on it.
    pub lsn: Lsn,
}

/// A history that PostgreSQL would not write.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("line {0} of the timeline's history cannot be read")]
pub struct HistoryError(usize);

/// The ancestors of a timeline, oldest first.
///
/// # Errors
/// When a line is none, or the ancestors are not in their order.
pub fn parse(text: &str) -> Result<Vec<Switch>, HistoryError> {
    let mut switches: Vec<Switch> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut words = line.split_whitespace();
        let timeline = words.next().and_then(|word| word.parse().ok());
        let lsn = words.next().and_then(|word| word.parse().ok());
        let (Some(timeline), Some(lsn)) = (timeline, lsn) else { return Err(HistoryError(index + 1)) };
        let is_later = switches.last().is_none_or(|last| last.timeline < timeline && last.lsn <= lsn);
        if !is_later {
            return Err(HistoryError(index + 1));
        }
        switches.push(Switch { timeline, lsn });
    }
    Ok(switches)
}

#[cfg(test)]
mod tests {
    use super::{HistoryError, Switch, parse};
    use crate::wal_name::Lsn;

    #[test]
    fn ancestors_are_read_oldest_first() {
        let text = "1\t0/5000148\tbefore 2026-11-24 12:00:00+00\n\n# said by hand\n2\t0/70000A0\tno recovery target specified\n";
        let expected =
            [Switch { timeline: 1, lsn: Lsn(0x500_0148) }, Switch { timeline: 2, lsn: Lsn(0x700_00a0) }];
        assert_eq!(parse(text).as_deref(), Ok(expected.as_slice()));
        assert_eq!(parse("").as_deref(), Ok([].as_slice()));
    }

    #[test]
    fn what_is_no_history_is_named_by_its_line() {
        for (text, line) in
            [("1", 1), ("x 0/0 y", 1), ("1 0/5 a\n1 0/6 b", 2), ("1 0/5 a\n2 0/4 b", 2), ("1\t0-5\ta", 1)]
        {
            assert_eq!(parse(text), Err(HistoryError(line)), "{text}");
        }
    }
}
