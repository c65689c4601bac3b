//! What objectives mean: how old the newest backup that counts may become, and how long a restore takes.
//!
//! With dumps alone, a change is safe once the next dump has begun after it, has ended, and was restored. So just before
//! that, the newest backup that counts is as old as the interval between backups, the time of a dump and the time of its
//! verification together.

use jiff::{SignedDuration, Timestamp};

use crate::evidence::Evidence;

/// How old the newest backup that counts becomes, by what was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    /// The longest time between two backups that count.
    pub(crate) interval: SignedDuration,
    /// The time of the last dump, from its snapshot on.
    pub(crate) dump: SignedDuration,
    /// The time of the last verification.
    pub(crate) verify: SignedDuration,
}

impl Pace {
    /// From the moments of the backups that count, in any order, and how long the last took; none of fewer than two.
    pub(crate) fn of(moments: &[Timestamp], dump: SignedDuration, verify: SignedDuration) -> Option<Pace> {
        let mut moments = moments.to_vec();
        moments.sort();
        let gaps = moments.windows(2).filter_map(|pair| match pair {
            [earlier, later] => Some(later.duration_since(*earlier)),
            _ => None,
        });
        gaps.max().map(|interval| Pace { interval, dump, verify })
    }

    /// The oldest that the newest backup that counts becomes.
    pub(crate) fn worst(&self) -> SignedDuration {
        self.interval.saturating_add(self.dump).saturating_add(self.verify)
    }

    /// The interval that an objective needs; none when no interval is short enough.
    pub(crate) fn needed(&self, max: SignedDuration) -> Option<SignedDuration> {
        let left = max.saturating_sub(self.dump).saturating_sub(self.verify);
        left.is_positive().then_some(left)
    }
}

/// How fast restores were.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Speed {
    /// Of how many restores.
    pub(crate) samples: usize,
    /// Bytes of database a second in the middle of them.
    pub(crate) median: f64,
    /// In the slowest.
    pub(crate) slowest: f64,
}

impl Speed {
    /// From evidence of restores; none without any that can be measured.
    pub(crate) fn of<'a>(restores: impl IntoIterator<Item = &'a Evidence>) -> Option<Speed> {
        let checks = restores.into_iter().filter_map(|evidence| evidence.restore.as_ref());
        let rates = checks.map(|check| check.database_bytes as f64 / check.restore_s);
        let mut rates: Vec<f64> = rates.filter(|rate| rate.is_finite() && *rate > 0.0).collect();
        rates.sort_by(f64::total_cmp);
        // Of an even number the slower one of the middle: an estimate should not flatter.
        let middle = rates.len().checked_sub(1)? / 2;
        Some(Speed { samples: rates.len(), median: *rates.get(middle)?, slowest: *rates.first()? })
    }

    /// Seconds for so many bytes, at the median and at the slowest.
    pub(crate) fn seconds(&self, bytes: u64) -> (f64, f64) {
        (bytes as f64 / self.median, bytes as f64 / self.slowest)
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::{Pace, Speed};
    use crate::evidence::tests::sample;

    fn minutes(count: i64) -> SignedDuration {
        SignedDuration::from_mins(count)
    }

    #[test]
    fn the_worst_age_is_the_longest_interval_and_a_dump_and_a_verification() {
        let at = |minute| Timestamp::UNIX_EPOCH + minutes(minute);
        let pace = Pace::of(&[at(90), at(0), at(30)], minutes(5), minutes(7)).unwrap();
        assert_eq!((pace.interval, pace.worst()), (minutes(60), minutes(72)));
        assert_eq!(pace.needed(minutes(60)), Some(minutes(48)));
        assert_eq!(pace.needed(minutes(12)), None, "no interval is short enough");
        assert_eq!(Pace::of(&[at(0)], minutes(5), minutes(7)), None);
    }

    #[test]
    fn the_median_and_the_slowest_of_what_was_measured() {
        let evidence = |restore_s: f64| {
            let mut evidence = sample();
            let restore = evidence.restore.as_mut().unwrap();
            (restore.restore_s, restore.database_bytes) = (restore_s, 1000);
            evidence
        };
        let all = [10.0, 1.0, 2.0, 0.0].map(evidence);
        let speed = Speed::of(&all).unwrap();
        assert_eq!(speed, Speed { samples: 3, median: 500.0, slowest: 100.0 });
        assert_eq!(speed.seconds(2000), (4.0, 20.0));
        assert_eq!(Speed::of(&all[..2]).unwrap().median, 100.0, "the slower one of two");
        assert_eq!(Speed::of(&all[3..]), None);
    }
}
