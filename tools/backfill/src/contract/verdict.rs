//! The answer: in use, unknown or clean. Never clean while blind.

use std::time::Duration;

use serde::Serialize;

use super::blockers::Blocker;
use super::history::{History, before};
use super::observation::Break;
use super::sessions::Live;
use jiff::Timestamp;

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// Something needs the column.
    InUse,
    /// Nothing was seen, but not everything was looked at.
    Unknown,
    /// Nothing needs it.
    Clean,
}

/// What the answer rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reason {
    /// The catalog has objects that need it.
    Blockers,
    /// Statements used it.
    Statements,
    /// A session uses it now, or is older than the deployment.
    Sessions,
    /// There is no `pg_stat_statements` in this database.
    ExtensionMissing,
    /// The server does not load it.
    ExtensionNotLoaded,
    /// The role may not read it.
    ExtensionUnreadable,
    /// The role does not see what other roles run.
    RightsMissing,
    /// The server does not count statements.
    TrackingOff,
    /// The server has forgotten texts of statements.
    TextsMissing,
    /// It cannot be told whether counters were reset.
    ResetTimeMissing,
    /// What sessions run is not shown.
    ActivityHidden,
    /// The counters were reset.
    StatisticsReset,
    /// Counters had to go for others.
    StatisticsEvicted,
    /// A crash or restart lost the counters.
    StatisticsLost,
    /// The statements were not watched for long enough.
    TooShort,
    /// No statement has used it for the whole period.
    Quiet,
    /// The column does not exist any more.
    ColumnGone,
}

/// What was found.
#[derive(Clone, Debug)]
pub(crate) struct Evidence {
    /// Whether any of the columns still exists.
    pub(crate) is_present: bool,
    pub(crate) blockers: Vec<Blocker>,
    pub(crate) sessions: Vec<Live>,
    /// What could not be seen.
    pub(crate) blind: Vec<Reason>,
    /// Of the statements, unless they could not be read at all.
    pub(crate) history: Option<History>,
}

/// The answer to `evidence`.
pub(crate) fn answer(evidence: &Evidence, now: Timestamp, quiet_for: Duration) -> (Answer, Reason) {
    if !evidence.blockers.is_empty() {
        return (Answer::InUse, Reason::Blockers);
    }
    if !evidence.is_present {
        return (Answer::Clean, Reason::ColumnGone);
    }
    if evidence.history.as_ref().is_some_and(|history| !history.used.is_empty()) {
        return (Answer::InUse, Reason::Statements);
    }
    if !evidence.sessions.is_empty() {
        return (Answer::InUse, Reason::Sessions);
    }
    let unseen = evidence.blind.first().copied();
    let unproven = || unproven(evidence.history.as_ref(), now, quiet_for);
    match unseen.or_else(unproven) {
        Some(reason) => (Answer::Unknown, reason),
        None => (Answer::Clean, Reason::Quiet),
    }
}

/// Why the looks do not prove a quiet period.
fn unproven(history: Option<&History>, now: Timestamp, quiet_for: Duration) -> Option<Reason> {
    let Some(history) = history else { return Some(Reason::ExtensionUnreadable) };
    if history.quiet_since <= before(now, quiet_for) {
        return None;
    }
    Some(match history.broken {
        Some(Break::Reset) => Reason::StatisticsReset,
        Some(Break::Evicted) => Reason::StatisticsEvicted,
        Some(Break::Lost) => Reason::StatisticsLost,
        None => Reason::TooShort,
    })
}

impl Answer {
    /// As people read it.
    pub(crate) fn told(self) -> &'static str {
        match self {
            Answer::InUse => "in use",
            Answer::Unknown => "unknown",
            Answer::Clean => "clean",
        }
    }
}

impl Reason {
    /// The reason as half a sentence.
    pub(crate) fn told(self) -> &'static str {
        match self {
            Reason::Blockers => "objects of the database need it",
            Reason::Statements => "statements used it",
            Reason::Sessions => "sessions use it, or are older than the deployment",
            Reason::ExtensionMissing => "this database has no extension pg_stat_statements",
            Reason::ExtensionNotLoaded => "the server does not load pg_stat_statements",
            Reason::ExtensionUnreadable => "pg_stat_statements cannot be read",
            Reason::RightsMissing => "the role does not see what other roles run",
            Reason::TrackingOff => "the server does not count statements",
            Reason::TextsMissing => "the server has forgotten the texts of some statements",
            Reason::ResetTimeMissing => "this version of pg_stat_statements does not tell when it was reset",
            Reason::ActivityHidden => "the server does not show what sessions run",
            Reason::StatisticsReset => "the counters of statements were reset",
            Reason::StatisticsEvicted => "the server had to forget counters of statements",
            Reason::StatisticsLost => "a crash or restart lost the counters of statements",
            Reason::TooShort => "the statements were not watched for long enough",
            Reason::Quiet => "no statement has used it",
            Reason::ColumnGone => "the column is gone, and nothing left names it",
        }
    }

    /// The next step.
    pub(crate) fn next(self) -> &'static str {
        match self {
            Reason::Blockers => "remove what blocks it, then ask again",
            Reason::Statements | Reason::Sessions => {
                "deploy the version that does not use it, then ask again"
            }
            Reason::ExtensionMissing => "CREATE EXTENSION pg_stat_statements",
            Reason::ExtensionNotLoaded => {
                "add pg_stat_statements to shared_preload_libraries and restart the server"
            }
            Reason::ExtensionUnreadable => "GRANT SELECT ON pg_stat_statements to this role",
            Reason::RightsMissing => "GRANT pg_read_all_stats to this role",
            Reason::TrackingOff => "set pg_stat_statements.track = top and compute_query_id = auto",
            Reason::TextsMissing => {
                "ask again; if it stays, SELECT pg_stat_statements_reset() and begin anew"
            }
            Reason::ResetTimeMissing => {
                "ALTER EXTENSION pg_stat_statements UPDATE; this needs PostgreSQL 14 or later"
            }
            Reason::ActivityHidden => "set track_activities = on",
            Reason::StatisticsEvicted => {
                "raise pg_stat_statements.max, and ask again until the period is over"
            }
            Reason::StatisticsReset | Reason::StatisticsLost | Reason::TooShort => {
                "ask again until the period is over: `contract watch`, or `contract check` from a schedule"
            }
            Reason::Quiet | Reason::ColumnGone => "put this into the contract migration",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::history::Used;
    use super::super::observation::Break;
    use super::{Answer, Duration, Evidence, History, Reason, Timestamp, answer};

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn quiet_for(hours: i64, broken: Option<Break>) -> Evidence {
        let quiet_since = Timestamp::from_second((100 - hours) * 3600).unwrap();
        let history = History { quiet_since, used: Vec::new(), broken };
        Evidence {
            is_present: true,
            blockers: Vec::new(),
            sessions: Vec::new(),
            blind: Vec::new(),
            history: Some(history),
        }
    }

    #[track_caller]
    fn check(evidence: &Evidence, expected: (Answer, Reason)) {
        assert_eq!(answer(evidence, Timestamp::from_second(100 * 3600).unwrap(), DAY), expected);
    }

    #[test]
    fn only_a_whole_period_is_clean() {
        check(&quiet_for(24, None), (Answer::Clean, Reason::Quiet));
        check(&quiet_for(23, None), (Answer::Unknown, Reason::TooShort));
        check(&quiet_for(23, Some(Break::Reset)), (Answer::Unknown, Reason::StatisticsReset));
        check(&quiet_for(23, Some(Break::Evicted)), (Answer::Unknown, Reason::StatisticsEvicted));
        check(&quiet_for(0, Some(Break::Lost)), (Answer::Unknown, Reason::StatisticsLost));
        check(&quiet_for(25, Some(Break::Reset)), (Answer::Clean, Reason::Quiet));
    }

    #[test]
    fn nothing_is_clean_while_something_is_hidden() {
        for blind in [Reason::RightsMissing, Reason::ActivityHidden, Reason::TrackingOff] {
            check(&Evidence { blind: vec![blind], ..quiet_for(48, None) }, (Answer::Unknown, blind));
        }
        let unread = Evidence { history: None, ..quiet_for(48, None) };
        check(&unread, (Answer::Unknown, Reason::ExtensionUnreadable));
    }

    #[test]
    fn use_is_told_even_when_something_is_hidden() {
        let counted = r#"{"userid": 1, "dbid": 1, "queryid": 1, "toplevel": true, "calls": 3, "class": "star", "query": ""}"#;
        let (statement, at) = (serde_json::from_str(counted).unwrap(), Timestamp::UNIX_EPOCH);
        let used = vec![Used { statement, calls: 1, since: at, last_before: at }];
        let history = Some(History { quiet_since: at, used, broken: None });
        let blind = vec![Reason::RightsMissing];
        check(&Evidence { history, blind, ..quiet_for(0, None) }, (Answer::InUse, Reason::Statements));
    }

    #[test]
    fn a_column_that_is_gone_needs_no_statistics() {
        let gone = Evidence { is_present: false, history: None, ..quiet_for(0, None) };
        check(&gone, (Answer::Clean, Reason::ColumnGone));
    }
}
