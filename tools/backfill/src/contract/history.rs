//! What all looks together prove: since when no statement has used the columns.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::observation::{Break, Counted, Observation};

/// Looks are kept for this long at least, so that a job that runs weekly can be waited for.
const KEPT_FOR: Duration = Duration::from_secs(8 * 24 * 3600);
/// Of older looks this many per quiet period are enough: they delay an answer by about one percent of it.
const KEPT_PER_PERIOD: u32 = 96;

/// What the looks prove.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct History {
    /// The earliest look since which nothing has used the columns.
    pub(crate) quiet_since: Timestamp,
    /// Statements that ran within the quiet period, or since the first look when that is later.
    pub(crate) used: Vec<Used>,
    /// Why looks further back do not count.
    pub(crate) broken: Option<Break>,
}

/// A statement that ran.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Used {
    pub(crate) statement: Counted,
    /// Since `since`.
    pub(crate) calls: i64,
    pub(crate) since: Timestamp,
    /// The look before which its last call came.
    pub(crate) last_before: Timestamp,
}

/// Judges `current` by earlier looks; those of other columns, another clock or a time to come do not count.
pub(crate) fn judge(earlier: &[Observation], current: &Observation, quiet_for: Duration) -> History {
    let mut all: Vec<&Observation> = earlier.iter().filter(|look| is_comparable(look, current)).collect();
    all.sort_by_key(|look| std::cmp::Reverse(look.at));
    let breaks = |look: &&&Observation| current.statistics.broken_since(&look.statistics);
    let broken = all.iter().find_map(|look| breaks(&look));
    // From the newest back to the first loss.
    let whole: Vec<&Observation> = all.iter().take_while(|look| breaks(look).is_none()).copied().collect();
    let limit = before(current.at, quiet_for);
    let base = whole.iter().find(|look| look.at <= limit).or_else(|| whole.last());
    let quiet = whole.iter().take_while(|look| current.statistics.is_quiet_since(&look.statistics));
    History {
        quiet_since: quiet.last().map_or(current.at, |look| look.at),
        used: base.map(|base| used(base, current, &whole)).unwrap_or_default(),
        broken,
    }
}

fn is_comparable(look: &Observation, current: &Observation) -> bool {
    look.at <= current.at && look.clock == current.clock && look.columns == current.columns
}

fn used(base: &Observation, current: &Observation, whole: &[&Observation]) -> Vec<Used> {
    let ran = |statement: &&Counted| base.statistics.calls(statement) < statement.calls;
    current
        .statistics
        .uses()
        .filter(ran)
        .map(|statement| {
            let is_last = |look: &&&Observation| look.statistics.calls(statement) >= statement.calls;
            Used {
                statement: statement.clone(),
                calls: statement.calls - base.statistics.calls(statement),
                since: base.at,
                last_before: whole.iter().take_while(is_last).last().map_or(current.at, |look| look.at),
            }
        })
        .collect()
}

/// The moment `span` before `at`; the beginning of time if there is none.
pub(crate) fn before(at: Timestamp, span: Duration) -> Timestamp {
    SignedDuration::try_from(span).ok().and_then(|span| at.checked_sub(span).ok()).unwrap_or(Timestamp::MIN)
}

/// Which of these looks, the oldest first, need not be kept any longer. Never the one that a quiet period began with.
pub(crate) fn superfluous(looks: &[Timestamp], now: Timestamp, quiet_for: Duration) -> Vec<Timestamp> {
    let limit = before(now, KEPT_FOR.max(quiet_for * 2));
    let base = looks.iter().rev().find(|at| **at <= before(now, quiet_for));
    let step = SignedDuration::try_from(quiet_for / KEPT_PER_PERIOD).unwrap_or(SignedDuration::ZERO);
    let mut kept: Option<Timestamp> = None;
    let mut superfluous = Vec::new();
    for at in looks {
        let is_needed = Some(at) == base || looks.last() == Some(at);
        let is_apart = kept.is_none_or(|kept| at.duration_since(kept) >= step);
        if is_needed || (*at >= limit && is_apart) {
            kept = Some(*at);
        } else {
            superfluous.push(*at);
        }
    }
    superfluous
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::observation::{Break, Counted, Observation, Statistics};
    use super::super::subject::Use;
    use super::{History, Timestamp, judge, superfluous};

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn hour(hour: i64) -> Timestamp {
        Timestamp::from_second(hour * 3600).unwrap()
    }

    fn look(at: i64, calls: &[i64]) -> Observation {
        let statement = |(queryid, calls): (i64, &i64)| Counted {
            userid: 10,
            dbid: 5,
            queryid,
            toplevel: true,
            calls: *calls,
            class: Use::NamesColumn,
            query: String::new(),
            role: None,
        };
        let statistics = Statistics {
            stats_reset: Some("2000".to_owned()),
            dealloc: Some(0),
            postmaster_start: "monday".to_owned(),
            cluster_reset: Some("1999".to_owned()),
            is_saved: true,
            statements: (1..).zip(calls).map(statement).collect(),
        };
        Observation { at: hour(at), clock: "system".to_owned(), columns: vec!["old".to_owned()], statistics }
    }

    fn changed(at: i64, calls: &[i64], change: impl FnOnce(&mut Statistics)) -> Observation {
        let mut look = look(at, calls);
        change(&mut look.statistics);
        look
    }

    /// Hours of quiet, calls in the period, and what broke.
    #[track_caller]
    fn check(earlier: &[Observation], current: &Observation, expected: (i64, i64, Option<Break>)) {
        let History { quiet_since, used, broken } = judge(earlier, current, DAY);
        let quiet = current.at.duration_since(quiet_since).as_hours();
        assert_eq!((quiet, used.iter().map(|used| used.calls).sum::<i64>(), broken), expected);
    }

    #[test]
    fn quiet_begins_with_the_look_after_the_last_call() {
        check(&[], &look(100, &[5]), (0, 0, None));
        check(&[look(97, &[5])], &look(100, &[5]), (3, 0, None));
        check(&[look(70, &[5]), look(90, &[5])], &look(100, &[5]), (30, 0, None));
        check(&[look(70, &[5]), look(90, &[7])], &look(100, &[7]), (10, 2, None));
        check(&[look(60, &[5]), look(70, &[7])], &look(100, &[7]), (30, 0, None));
        check(&[look(97, &[5])], &look(100, &[5, 1]), (0, 1, None));
        check(&[look(97, &[])], &look(100, &[]), (3, 0, None));
    }

    #[test]
    fn nothing_is_compared_across_a_loss() {
        let now = look(100, &[5]);
        for (lost, why) in [
            (changed(70, &[5], |old| old.stats_reset = Some("1990".to_owned())), Break::Reset),
            (changed(70, &[5], |old| old.dealloc = Some(7)), Break::Evicted),
            (changed(70, &[5], |old| old.cluster_reset = None), Break::Lost),
            (look(70, &[9]), Break::Reset),
            (look(70, &[5, 1]), Break::Reset),
        ] {
            check(std::slice::from_ref(&lost), &now, (0, 0, Some(why)));
            check(&[lost, look(90, &[5])], &now, (10, 0, Some(why)));
        }
    }

    #[test]
    fn a_restart_that_keeps_the_counters_breaks_nothing() {
        let restarted = |is_saved| {
            changed(70, &[5], move |old| {
                old.postmaster_start = "sunday".to_owned();
                old.is_saved = is_saved;
            })
        };
        check(&[restarted(true)], &look(100, &[5]), (30, 0, None));
        check(&[restarted(false)], &look(100, &[5]), (0, 0, Some(Break::Lost)));
    }

    #[test]
    fn looks_of_other_columns_clocks_and_times_do_not_count() {
        let other = Observation { columns: vec!["other".to_owned()], ..look(70, &[5]) };
        let simulated = Observation { clock: "simulated".to_owned(), ..look(70, &[5]) };
        check(&[other, simulated, look(101, &[5])], &look(100, &[5]), (0, 0, None));
    }

    #[test]
    fn looks_are_thinned_and_the_base_stays() {
        let minutes: Vec<Timestamp> =
            (0..=1440).map(|minute| Timestamp::from_second(minute * 60).unwrap()).collect();
        let gone = superfluous(&minutes, hour(24), DAY);
        assert_eq!(minutes.len() - gone.len(), 97);
        let again: Vec<Timestamp> = minutes.into_iter().filter(|at| !gone.contains(at)).collect();
        assert_eq!(superfluous(&again, hour(24), DAY), []);
        assert_eq!(superfluous(&[hour(0), hour(1), hour(500)], hour(500), DAY), [hour(0)]);
    }
}
