//! What an answer looks like: findings one a line, then the answer with the next step.

use std::time::Duration;

use jiff::Timestamp;
use release_common::units::Span;
use release_postgres::Identifier;
use serde_json::{Value, json};

use super::blockers::Blocker;
use super::check::Report;
use super::history::Used;
use super::sessions::Live;
use super::verdict::{Answer, Reason};
use crate::job::Job;

/// One finding, for people and for programs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Finding {
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Report {
    /// What needs the columns.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        let used = self.evidence.history.iter().flat_map(|history| &history.used);
        self.evidence
            .blockers
            .iter()
            .map(Blocker::finding)
            .chain(used.map(Used::finding))
            .chain(self.evidence.sessions.iter().map(Live::finding))
            .collect()
    }

    /// How long no statement has used the columns, as far as is known.
    fn quiet_s(&self) -> Option<i64> {
        let history = self.evidence.history.as_ref()?;
        Some(self.at.duration_since(history.quiet_since).as_secs())
    }

    fn quiet_since(&self) -> Option<Timestamp> {
        self.evidence.history.as_ref().map(|history| history.quiet_since)
    }

    fn counts(&self) -> (usize, usize, usize) {
        let used = self.evidence.history.as_ref().map_or(0, |history| history.used.len());
        (self.evidence.blockers.len(), used, self.evidence.sessions.len())
    }

    /// One look of `watch`.
    pub(crate) fn observation(&self) -> Value {
        self.to_json("observation", None)
    }

    /// The answer.
    pub(crate) fn summary(&self, job: &Job) -> Value {
        self.to_json("summary", Some(job))
    }

    fn to_json(&self, kind: &str, job: Option<&Job>) -> Value {
        let (blockers, statements, sessions) = self.counts();
        let mut line = json!({
            "type": kind, "result": self.answer, "reason": self.reason, "at": self.at, "column": self.columns,
            "quiet_since": self.quiet_since(), "quiet_s": self.quiet_s(), "quiet_for_s": self.quiet_for.as_secs(),
            "blockers": blockers, "statements": statements, "sessions": sessions, "blind": self.evidence.blind,
            "observations": self.looks, "standbys": self.standbys, "clock": self.clock,
        });
        if let (Some(job), Some(object)) = (job, line.as_object_mut()) {
            object.insert("job".to_owned(), json!(job.name));
            object.insert("table".to_owned(), json!(job.target.name));
            object.insert("next".to_owned(), json!(self.next(job)));
        }
        line
    }

    /// The next step: what to run, or what to wait for.
    pub(crate) fn next(&self, job: &Job) -> String {
        let step = self.reason.next();
        if self.answer != Answer::Clean || self.present.is_empty() {
            let is_over = self.reason == Reason::ColumnGone;
            return if is_over { "nothing is left to do".to_owned() } else { step.to_owned() };
        }
        let drops: Vec<String> = self
            .present
            .iter()
            .map(|name| format!("DROP COLUMN {}", Identifier::new(name.clone())))
            .collect();
        format!("{step}: ALTER TABLE {} {}", job.target.name, drops.join(", "))
    }

    /// The answer as a sentence, and how far the quiet period is.
    pub(crate) fn told(&self) -> String {
        let mut text = format!("{}: {}", self.answer.told(), self.reason.told());
        let shows_quiet = !matches!(self.reason, Reason::ColumnGone | Reason::Blockers);
        if let (Some(since), Some(quiet_s), true) = (self.quiet_since(), self.quiet_s(), shows_quiet) {
            let quiet = Duration::from_secs(u64::try_from(quiet_s).unwrap_or(0));
            let since = since.strftime("%F %T UTC");
            text.push_str(&format!("; quiet since {since}, {} of {}", Span(quiet), Span(self.quiet_for)));
        }
        text
    }
}

impl Blocker {
    fn finding(&self) -> Finding {
        let kind = self.kind.replace('_', " ");
        let place = self.on_table.as_ref().map(|table| format!(" on {table}")).unwrap_or_default();
        let how = match (self.is_certain, self.goes_along) {
            (false, _) => "may use it (its body has the word)",
            (_, true) => "would be dropped with it",
            (_, false) => "needs it",
        };
        let text = format!("{kind} {}{place} {how}: {}", self.name, self.removal);
        let mut json = json!({"type": "blocker"});
        if let (Some(object), Value::Object(fields)) = (json.as_object_mut(), json!(self)) {
            object.extend(fields);
        }
        Finding { text, json }
    }
}

impl Used {
    fn finding(&self) -> Finding {
        let statement = &self.statement;
        let role = statement.role.as_deref().unwrap_or("?");
        let (calls, since) = (self.calls, self.since.strftime("%F %T UTC"));
        let times = if calls == 1 { "once".to_owned() } else { format!("{calls} times") };
        let (how, query) = (statement.class.told(), &statement.query);
        let text = format!("statement of {role} {how}, ran {times} since {since}: {query}");
        // An id of 64 bits is a text, because numbers of JavaScript would round it.
        let json = json!({
            "type": "statement", "class": statement.class, "calls": calls, "since": self.since,
            "last_before": self.last_before, "role": statement.role, "userid": statement.userid,
            "dbid": statement.dbid, "queryid": statement.queryid.to_string(), "toplevel": statement.toplevel,
            "query": query,
        });
        Finding { text, json }
    }
}

impl Live {
    fn finding(&self) -> Finding {
        let name =
            self.application_name.as_deref().filter(|name| !name.is_empty()).unwrap_or("without a name");
        let role = self.role.as_deref().unwrap_or("?");
        let how = match (self.class.is_use(), self.is_old) {
            (true, _) => format!("runs a statement that {}: {}", self.class.told(), self.query),
            (false, _) => {
                let since =
                    self.backend_start.map(|at| at.strftime("%F %T UTC").to_string()).unwrap_or_default();
                format!("is older than the deployment, connected since {since}: restart its client")
            }
        };
        let text = format!("session {} ({name}, {role}) {how}", self.pid);
        let mut json = json!({"type": "session"});
        if let (Some(object), Value::Object(fields)) = (json.as_object_mut(), json!(self)) {
            object.extend(fields);
        }
        Finding { text, json }
    }
}
