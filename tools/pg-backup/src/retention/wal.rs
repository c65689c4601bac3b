//! Which WAL may go once base backups have gone: what is older than the start of the oldest base backup that stays.
//!
//! Replay from a base backup begins at its start and goes on to higher LSNs, through every switch of timelines, since a
//! timeline begins where its parent was left. So a segment that ends at or before the lowest start of all base backups
//! that stay can be reached from none of them, whatever its timeline; and every other segment stays, on all timelines.
//! A system identifier of which no base backup stays keeps all its WAL: nobody has said that it is to go.

use std::collections::BTreeMap;

use crate::wal_name::Lsn;

/// A stored segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Of which system.
    pub(crate) system_id: String,
    /// On which timeline it was written.
    pub(crate) timeline: u32,
    /// The position after its last byte.
    pub(crate) end: Lsn,
}

/// Where replay from a base backup that stays begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    /// Of which system.
    pub(crate) system_id: String,
    /// The position; none when it is unknown, which keeps all WAL of the system.
    pub(crate) at: Option<Lsn>,
}

/// The segments that may go.
pub(crate) fn expendable<'a>(segments: &'a [Segment], kept: &[Start]) -> Vec<&'a Segment> {
    let mut lowest: BTreeMap<&str, Lsn> = BTreeMap::new();
    for start in kept {
        let at = start.at.unwrap_or(Lsn(0));
        let known = lowest.entry(&start.system_id).or_insert(at);
        *known = at.min(*known);
    }
    let is_before = |segment: &&Segment| {
        lowest.get(segment.system_id.as_str()).is_some_and(|lowest| segment.end <= *lowest)
    };
    segments.iter().filter(is_before).collect()
}

#[cfg(test)]
mod tests {
    use super::{Segment, Start, expendable};
    use crate::wal_name::Lsn;

    const SEGMENT: u64 = 16 << 20;

    fn start(system_id: &str, at: Option<u64>) -> Start {
        Start { system_id: system_id.to_owned(), at: at.map(Lsn) }
    }

    /// Which of the first four segments of the systems `a` and `b` go.
    fn check(kept: &[Start], expected: &[(&str, u64)]) {
        let segments: Vec<_> = ["a", "b"]
            .into_iter()
            .flat_map(|system| {
                (1..=4).map(|n| Segment { system_id: system.to_owned(), timeline: 1, end: Lsn(n * SEGMENT) })
            })
            .collect();
        let gone: Vec<_> = expendable(&segments, kept)
            .iter()
            .map(|one| (one.system_id.as_str(), one.end.0 / SEGMENT))
            .collect();
        assert_eq!(gone, expected, "{kept:?}");
    }

    #[test]
    fn only_what_ends_before_the_oldest_start_goes() {
        check(&[start("a", Some(2 * SEGMENT + 40)), start("a", Some(3 * SEGMENT))], &[("a", 1), ("a", 2)]);
        check(&[start("a", Some(2 * SEGMENT - 1))], &[("a", 1)]);
        check(&[start("a", Some(0))], &[]);
    }

    #[test]
    fn what_is_not_known_keeps_everything_of_its_system() {
        check(&[], &[]);
        check(&[start("a", None), start("a", Some(3 * SEGMENT))], &[]);
        check(&[start("b", Some(SEGMENT)), start("a", None)], &[("b", 1)]);
    }
}
