//! What the database says about its own health, and which of it asks us to slow down or to stop.
//!
//! Each signal is green, yellow or red. A number is red from its limit on and yellow from 60 % of it, so that a stop ends
//! only well below what caused it (hysteresis, as graph-node's PR 3966; gh-ost's issue 361 is about the lack of it).

use serde::{Deserialize, Serialize};

use crate::spec::Throttle;

/// Yellow from this share of the limit on; a stop ends below it.
const CALM_SHARE: f64 = 0.6;
/// A session that waits for one of our batches for longer than this is being hurt.
const BLOCKED_RED_MS: f64 = 250.0;
/// A snapshot older than this keeps vacuum from removing what we leave behind.
const OLD_SNAPSHOT_S: f64 = 600.0;
/// Segments (16 MB each) that wait for the archiver.
const ARCHIVE_BACKLOG: f64 = 64.0;
/// A batch this many times longer than wanted is a server at its limits.
const SLOW_BATCH: f64 = 3.0;

/// One look at the database. `None` means that there is nothing to see, or that we may not see it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Signals {
    /// WAL that the slowest standby has not replayed.
    pub replica_lag_bytes: Option<f64>,
    /// How long that standby is behind; PostgreSQL says nothing on an idle link, which is not zero.
    pub replica_lag_s: Option<f64>,
    /// Slots whose WAL is about to be removed.
    pub slots_unreserved: Vec<String>,
    /// Slots whose WAL has been removed.
    pub slots_lost: Vec<String>,
    /// WAL written per second since the last look.
    pub wal_rate_bytes: Option<f64>,
    /// Other sessions that wait for a lock.
    pub lock_waiters: Option<f64>,
    /// Other sessions at work.
    pub active: Option<f64>,
    /// Sessions that wait for us.
    pub blocked_by_us: i64,
    /// For how long the first of them has waited.
    pub blocked_by_us_ms: f64,
    /// Age of the oldest snapshot of another session.
    pub oldest_snapshot_s: Option<f64>,
    /// Whether a vacuum works on the table.
    pub is_vacuuming: bool,
    /// Dead rows of the table by live ones.
    pub dead_ratio: Option<f64>,
    /// Whether the archiver's last try failed.
    pub is_archiving_failing: bool,
    /// Segments that wait for the archiver.
    pub archive_backlog: Option<f64>,
    /// Checkpoints that WAL volume forced since the last look.
    pub forced_checkpoints: i64,
    /// Mean length of our batches by the wanted one.
    pub batch_slowness: Option<f64>,
    /// What the hook said.
    pub is_hook_content: Option<bool>,
    /// Seconds since these values were taken.
    pub age_s: f64,
}

/// How bad a signal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Color {
    /// Slow down.
    Yellow,
    /// Stop.
    Red,
}

/// A signal that is not green.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// Its name.
    pub signal: &'static str,
    /// How bad it is.
    pub color: Color,
    /// Its value and limit, for people.
    pub text: String,
}

/// Values older than this tell nothing about now.
const STALE_AFTER_S: f64 = 5.0;

/// The signals that are not green, worst first.
pub fn judge(signals: &Signals, throttle: &Throttle) -> Vec<Finding> {
    let mut findings = Vec::new();
    #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^52")]
    let bytes = |limit: Option<u64>| limit.map(|limit| limit as f64);
    let mut number = |signal: &'static str, value: Option<f64>, limit: Option<f64>, unit: &str| {
        if let (Some(value), Some(limit)) = (value, limit) {
            let color = if value >= limit { Some(Color::Red) } else { None };
            let color = color.or_else(|| (value >= limit * CALM_SHARE).then_some(Color::Yellow));
            findings.extend(color.map(|color| Finding {
                signal,
                color,
                text: format!("{signal} {}{unit} of {}{unit}", shown(value), shown(limit)),
            }));
        }
    };
    number("replica_lag_bytes", signals.replica_lag_bytes, bytes(throttle.replica_lag_bytes), " B");
    number("replica_lag", signals.replica_lag_s, throttle.replica_lag.map(|span| span.0.as_secs_f64()), " s");
    number("wal_rate", signals.wal_rate_bytes, bytes(throttle.wal_rate_bytes), " B/s");
    number("lock_waiters", signals.lock_waiters, bytes(throttle.lock_waiters), "");
    number("active", signals.active, bytes(throttle.active), "");
    number("dead_ratio", signals.dead_ratio, throttle.dead_ratio, "");
    number("archive_backlog", signals.archive_backlog, Some(ARCHIVE_BACKLOG), " segments");
    findings.extend(events(signals));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.color));
    findings
}

/// What is no number with a limit.
fn events(signals: &Signals) -> Vec<Finding> {
    let blocked_ms = signals.blocked_by_us_ms;
    let snapshot_s = signals.oldest_snapshot_s.unwrap_or(0.0);
    let slowness = signals.batch_slowness.unwrap_or(0.0);
    let told = |is_so: bool, signal, color, text: String| is_so.then_some(Finding { signal, color, text });
    let is_blocking = signals.blocked_by_us > 0;
    let color = if blocked_ms >= BLOCKED_RED_MS { Color::Red } else { Color::Yellow };
    let sessions = signals.blocked_by_us;
    [
        told(
            signals.age_s > STALE_AFTER_S,
            "stale",
            Color::Red,
            format!("the signals are {} s old", shown(signals.age_s)),
        ),
        told(
            !signals.slots_unreserved.is_empty(),
            "slot",
            Color::Red,
            format!("replication slot {} is about to lose its WAL", signals.slots_unreserved.join(", ")),
        ),
        told(
            is_blocking,
            "blocked_by_us",
            color,
            format!("{sessions} sessions wait for us, up to {} ms", shown(blocked_ms)),
        ),
        told(
            signals.is_archiving_failing,
            "archiver",
            Color::Red,
            "WAL cannot be archived and fills the disk".to_owned(),
        ),
        told(signals.is_hook_content == Some(false), "hook", Color::Red, "the hook says no".to_owned()),
        told(
            snapshot_s >= OLD_SNAPSHOT_S,
            "old_snapshot",
            Color::Yellow,
            format!("a transaction of {} s keeps vacuum from cleaning up", shown(snapshot_s)),
        ),
        told(signals.is_vacuuming, "vacuum", Color::Yellow, "a vacuum works on the table".to_owned()),
        told(
            signals.forced_checkpoints > 0,
            "checkpoints",
            Color::Yellow,
            "WAL volume forces checkpoints".to_owned(),
        ),
        told(
            slowness >= SLOW_BATCH,
            "batch_time",
            Color::Yellow,
            format!("batches take {} times as long as wanted", shown(slowness)),
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn shown(value: f64) -> String {
    if value.fract() == 0.0 || value.abs() >= 100.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}

#[cfg(test)]
mod tests {
    use super::{Color, Signals, judge};
    use crate::spec::Throttle;
    use release_common::units::Span;

    fn throttle() -> Throttle {
        Throttle {
            replica_lag_bytes: Some(1000),
            replica_lag: Some(Span(std::time::Duration::from_secs(5))),
            wal_rate_bytes: Some(1000),
            lock_waiters: Some(2),
            active: Some(20),
            dead_ratio: Some(0.5),
            hook: None,
        }
    }

    fn check(signals: &Signals, expected: &[(&str, Color)]) {
        let found: Vec<_> =
            judge(signals, &throttle()).into_iter().map(|finding| (finding.signal, finding.color)).collect();
        assert_eq!(found, expected, "{signals:?}");
    }

    #[test]
    fn a_number_is_yellow_from_sixty_percent_and_red_from_its_limit() {
        for (lag, expected) in [
            (599.0, vec![]),
            (600.0, vec![("replica_lag_bytes", Color::Yellow)]),
            (1000.0, vec![("replica_lag_bytes", Color::Red)]),
        ] {
            check(&Signals { replica_lag_bytes: Some(lag), ..Signals::default() }, &expected);
        }
        check(&Signals { replica_lag_s: Some(5.0), ..Signals::default() }, &[("replica_lag", Color::Red)]);
        check(&Signals { lock_waiters: Some(1.0), ..Signals::default() }, &[]);
        check(&Signals { lock_waiters: Some(2.0), ..Signals::default() }, &[("lock_waiters", Color::Red)]);
        check(&Signals { active: Some(12.0), ..Signals::default() }, &[("active", Color::Yellow)]);
        check(&Signals { dead_ratio: Some(0.5), ..Signals::default() }, &[("dead_ratio", Color::Red)]);
        check(
            &Signals { archive_backlog: Some(64.0), ..Signals::default() },
            &[("archive_backlog", Color::Red)],
        );
    }

    #[test]
    fn an_unknown_value_says_nothing() {
        check(&Signals::default(), &[]);
    }

    #[test]
    fn events_have_their_color() {
        let base = Signals::default;
        check(&Signals { age_s: 5.1, ..base() }, &[("stale", Color::Red)]);
        check(&Signals { slots_unreserved: vec!["standby".into()], ..base() }, &[("slot", Color::Red)]);
        check(&Signals { is_archiving_failing: true, ..base() }, &[("archiver", Color::Red)]);
        check(&Signals { is_hook_content: Some(false), ..base() }, &[("hook", Color::Red)]);
        let short = Signals { blocked_by_us: 1, blocked_by_us_ms: 10.0, ..base() };
        check(&short, &[("blocked_by_us", Color::Yellow)]);
        let long = Signals { blocked_by_us: 1, blocked_by_us_ms: 300.0, ..base() };
        check(&long, &[("blocked_by_us", Color::Red)]);
        let yellow =
            Signals { is_vacuuming: true, forced_checkpoints: 1, batch_slowness: Some(3.0), ..base() };
        check(
            &Signals { oldest_snapshot_s: Some(601.0), ..yellow },
            &[
                ("old_snapshot", Color::Yellow),
                ("vacuum", Color::Yellow),
                ("checkpoints", Color::Yellow),
                ("batch_time", Color::Yellow),
            ],
        );
    }

    #[test]
    fn the_worst_comes_first() {
        let signals =
            Signals { is_vacuuming: true, slots_unreserved: vec!["standby".into()], ..Signals::default() };
        check(&signals, &[("slot", Color::Red), ("vacuum", Color::Yellow)]);
    }
}
