//! Which WAL belongs together: from the names that are stored to what can be replayed without a gap.
//!
//! A timeline's WAL is its own segments from where it left its parent, and before that its parent's. PostgreSQL looks for
//! each segment on the newest timeline first (`XLogFileReadAnyTLI`), and so does this.

use std::collections::{BTreeMap, BTreeSet};

use crate::wal_history::Switch;
use crate::wal_name::{Lsn, Segment, SegmentSize};

/// What is stored of a cluster's WAL.
#[derive(Clone, Debug)]
pub struct Archive {
    /// How large its segments are.
    pub size: SegmentSize,
    /// The whole segments.
    pub segments: BTreeSet<Segment>,
    /// The ancestors of each timeline but the first.
    pub histories: BTreeMap<u32, Vec<Switch>>,
}

/// Segments of one timeline without a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The first.
    pub first: Segment,
    /// The last.
    pub last: Segment,
}

/// How far replay gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The last segment that it reads; none when not even the first is there.
    pub end: Option<Segment>,
    /// The segment that ends it.
    pub missing: Segment,
    /// Whether there are later ones: then something is lost, and `missing` is not just not written yet.
    pub is_hole: bool,
}

/// A timeline's part of a path.
#[derive(Clone, Copy, Debug)]
struct Leg {
    timeline: u32,
    first: u64,
    /// The segment in which the next timeline begins, which copies it.
    last: u64,
}

impl Archive {
    /// The segments without a gap, timeline by timeline.
    pub fn runs(&self) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for segment in &self.segments {
            match runs.last_mut() {
                Some(run) if run.last.next(self.size) == Some(*segment) => run.last = *segment,
                _ => runs.push(Run { first: *segment, last: *segment }),
            }
        }
        runs
    }

    /// The newest timeline that goes on from this position of this one.
    pub fn newest_timeline(&self, timeline: u32, from: Lsn) -> u32 {
        let goes_on = |switches: &Vec<Switch>| {
            switches.iter().any(|switch| switch.timeline == timeline && switch.lsn >= from)
        };
        let newer = self.histories.iter().rev().find(|(_, switches)| goes_on(switches));
        newer.map_or(timeline, |(newer, _)| *newer)
    }

    /// How far replay gets that begins at `start` and follows the path to `target`.
    pub fn reach(&self, start: Lsn, target: u32) -> Reach {
        let legs = self.legs(target);
        let mut number = self.size.number_of(start);
        let mut end = None;
        loop {
            // Newest first; the last leg has no end, so that there always is one.
            let mut here = legs.iter().rev().filter(|leg| (leg.first..=leg.last).contains(&number));
            let newest = here.next().map_or(target, |leg| leg.timeline);
            let wanted = self.size.segment(newest, number);
            if self.segments.contains(&wanted) {
                end = Some(wanted);
                number += 1;
                continue;
            }
            // The segment of a switch exists on both sides; the old one ends where the new one would go on.
            let old = here.map(|leg| self.size.segment(leg.timeline, number));
            end = old.into_iter().find(|old| self.segments.contains(old)).or(end);
            return Reach { end, missing: wanted, is_hole: self.goes_on_after(&legs, number) };
        }
    }

    /// Whether a segment that is not stored is the end of its timeline: nothing that comes after it is stored.
    pub fn is_end(&self, wanted: Segment) -> bool {
        let Some(number) = self.size.number(wanted) else { return false };
        let own = Leg { timeline: wanted.timeline, first: 0, last: u64::MAX };
        let goes_on_elsewhere = self.histories.keys().any(|target| {
            let legs = self.legs(*target);
            let is_passed =
                |leg: &Leg| leg.timeline == wanted.timeline && number < leg.last && leg.last < u64::MAX;
            legs.iter().any(is_passed) && self.goes_on_after(&legs, number)
        });
        !self.goes_on_after(&[own], number) && !goes_on_elsewhere
    }

    fn goes_on_after(&self, legs: &[Leg], number: u64) -> bool {
        legs.iter().any(|leg| {
            let first = leg.first.max(number.saturating_add(1));
            let begin = self.size.segment(leg.timeline, first);
            let later = self.segments.range(begin..).next().filter(|later| later.timeline == leg.timeline);
            later.and_then(|later| self.size.number(*later)).is_some_and(|later| later <= leg.last)
        })
    }

    /// The path to a timeline, oldest leg first.
    fn legs(&self, target: u32) -> Vec<Leg> {
        let (mut legs, mut first) = (Vec::new(), 0);
        for switch in self.histories.get(&target).into_iter().flatten() {
            let last = self.size.number_of(switch.lsn);
            legs.push(Leg { timeline: switch.timeline, first, last });
            first = last;
        }
        legs.push(Leg { timeline: target, first, last: u64::MAX });
        legs
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::Archive;
    use crate::wal_history::Switch;
    use crate::wal_name::{Lsn, Segment, SegmentSize};

    const SIZE: SegmentSize = SegmentSize::USUAL;

    /// `1:3` is segment 3 of timeline 1.
    fn segment(text: &str) -> Segment {
        let (timeline, number) = text.split_once(':').unwrap();
        SIZE.segment(timeline.parse().unwrap(), number.parse().unwrap())
    }

    fn archive(segments: &str, switches: &[(u32, u32, u64)]) -> Archive {
        let mut histories: BTreeMap<u32, Vec<Switch>> = BTreeMap::new();
        for (child, parent, number) in switches {
            let switch = Switch { timeline: *parent, lsn: Lsn(number * SIZE.bytes() + 0x148) };
            histories.entry(*child).or_default().push(switch);
        }
        Archive { size: SIZE, segments: segments.split_whitespace().map(segment).collect(), histories }
    }

    fn at(number: u64) -> Lsn {
        Lsn(number * SIZE.bytes() + 0x28)
    }

    fn check(archive: &Archive, start: u64, target: u32, end: Option<&str>, missing: &str, is_hole: bool) {
        let reach = archive.reach(at(start), target);
        assert_eq!((reach.end, reach.missing, reach.is_hole), (end.map(segment), segment(missing), is_hole));
    }

    #[test]
    fn replay_ends_at_the_first_segment_that_is_missing() {
        let stored = archive("1:2 1:3 1:4 1:6", &[]);
        check(&stored, 2, 1, Some("1:4"), "1:5", true);
        check(&stored, 6, 1, Some("1:6"), "1:7", false);
        check(&stored, 1, 1, None, "1:1", true);
        check(&stored, 8, 1, None, "1:8", false);
        let runs: Vec<_> = stored.runs().iter().map(|run| (run.first, run.last)).collect();
        assert_eq!(runs, [(segment("1:2"), segment("1:4")), (segment("1:6"), segment("1:6"))]);
    }

    #[test]
    fn replay_follows_the_switch_of_timelines() {
        let stored = archive("1:2 1:3 1:4 1:5 2:4 2:5 2:6", &[(2, 1, 4)]);
        check(&stored, 2, 2, Some("2:6"), "2:7", false);
        check(&stored, 2, 1, Some("1:5"), "1:6", false);
        let stored = archive("1:2 1:3 1:4 2:5", &[(2, 1, 4)]);
        check(&stored, 2, 2, Some("1:4"), "2:4", true);
        let stored = archive("1:2 1:3 1:4", &[(2, 1, 4)]);
        check(&stored, 2, 2, Some("1:4"), "2:4", false);
        let stored = archive("1:2 2:4", &[(2, 1, 4)]);
        check(&stored, 2, 2, Some("1:2"), "1:3", true);
        let stored = archive("1:2 1:3 2:4 3:4 3:5", &[(2, 1, 4), (3, 1, 4), (3, 2, 4)]);
        check(&stored, 2, 3, Some("3:5"), "3:6", false);
    }

    #[test]
    fn the_newest_timeline_is_one_that_came_from_here() {
        let stored = archive("", &[(2, 1, 4), (3, 1, 8), (4, 1, 4), (4, 2, 6)]);
        assert_eq!(stored.newest_timeline(1, at(2)), 4);
        assert_eq!(stored.newest_timeline(1, at(5)), 3);
        assert_eq!(stored.newest_timeline(1, at(9)), 1);
        assert_eq!(stored.newest_timeline(2, at(4)), 4);
        assert_eq!(stored.newest_timeline(7, at(4)), 7);
    }

    #[test]
    fn an_absent_segment_is_the_end_only_if_nothing_comes_after_it() {
        let stored = archive("1:2 1:3 1:5 2:7 2:8", &[(2, 1, 7)]);
        for (wanted, is_end) in
            [("1:4", false), ("1:6", false), ("2:9", true), ("2:6", false), ("1:7", true), ("3:1", true)]
        {
            assert_eq!(stored.is_end(segment(wanted)), is_end, "{wanted}");
        }
    }

    proptest! {
        #[test]
        fn a_lost_segment_is_always_seen(lost in 2_u64..19, switch in 5_u64..10) {
            let numbers = |timeline: u32, range: std::ops::Range<u64>| range.map(move |number| SIZE.segment(timeline, number));
            let mut segments: BTreeSet<_> = numbers(1, 2..switch).chain(numbers(2, switch..20)).collect();
            let history = vec![Switch { timeline: 1, lsn: at(switch) }];
            let gone = SIZE.segment(if lost < switch { 1 } else { 2 }, lost);
            segments.remove(&gone);
            let stored = Archive { size: SIZE, segments, histories: BTreeMap::from([(2, history)]) };
            let reach = stored.reach(at(2), 2);
            prop_assert_eq!(reach.missing, gone);
            prop_assert!(reach.is_hole);
            prop_assert!(!stored.is_end(gone));
        }
    }
}
