//! How long it takes, in hours of work and in nights.

use std::time::Duration;

use jiff::Timestamp;

use crate::spec::When;

/// Further ahead nobody plans.
const MOST_NIGHTS: u32 = 1000;

/// When work of a length would end, if it began now and kept to the window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Outlook {
    /// Windows that it needs, the one that is open now among them.
    pub(crate) nights: u32,
    /// When it would end; `None` when that is too far off.
    pub(crate) ends_at: Option<Timestamp>,
}

/// Lays `work` into the windows from `now` on.
pub(crate) fn outlook(work: Duration, window: &When, now: Timestamp) -> Outlook {
    let ends = |begin: Timestamp, left: Duration| begin.checked_add(left).ok();
    let When::Within(window) = window else {
        return Outlook { nights: 1, ends_at: ends(now, work) };
    };
    let (mut at, mut left, mut nights) = (now, work, 0);
    while nights < MOST_NIGHTS {
        let closes = match window.closes_after(at) {
            Some(closes) => closes,
            None => match window.opens_after(at) {
                Some(opens) => {
                    at = opens;
                    continue;
                }
                None => break,
            },
        };
        nights += 1;
        let open = Duration::try_from(closes.duration_since(at)).unwrap_or_default();
        if left <= open {
            return Outlook { nights, ends_at: ends(at, left) };
        }
        left -= open;
        at = closes;
    }
    Outlook { nights, ends_at: None }
}

/// Time for `rows` at `rows_per_s`; zero when nothing is left, a very long time when nothing moves.
pub(crate) fn work(rows: f64, rows_per_s: f64) -> Duration {
    if rows <= 0.0 {
        return Duration::ZERO;
    }
    Duration::try_from_secs_f64(rows / rows_per_s.max(1e-6)).unwrap_or(Duration::MAX / 4)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Outlook, outlook};

    fn check(now: &str, hours: u64, nights: u32, ends_at: &str) {
        let window = "02:00-05:00 Asia/Seoul".parse().unwrap();
        let found = outlook(Duration::from_secs(hours * 3600), &window, now.parse().unwrap());
        assert_eq!(found, Outlook { nights, ends_at: Some(ends_at.parse().unwrap()) }, "{now} {hours} h");
    }

    #[test]
    fn work_is_laid_into_nights() {
        // 02:00 in Seoul is 17:00 UTC the day before.
        check("2026-11-24T12:00:00Z", 1, 1, "2026-11-24T18:00:00Z");
        check("2026-11-24T12:00:00Z", 7, 3, "2026-11-26T18:00:00Z");
        check("2026-11-24T19:00:00Z", 2, 2, "2026-11-25T18:00:00Z");
        check("2026-11-24T17:00:00Z", 3, 1, "2026-11-24T20:00:00Z");
    }

    #[test]
    fn without_a_window_it_is_one_stretch() {
        let now = "2026-11-24T12:00:00Z".parse().unwrap();
        let found = outlook(Duration::from_secs(36_000), &"always".parse().unwrap(), now);
        assert_eq!(found, Outlook { nights: 1, ends_at: Some("2026-11-24T22:00:00Z".parse().unwrap()) });
    }
}
