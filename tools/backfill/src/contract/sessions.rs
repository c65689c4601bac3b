//! Which sessions need the columns now: by what they run, or because their client is older than the deployment.
//!
//! A running statement is counted only when it has ended (pg_stat_statements, F.32), so the counters miss those at work.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::statements::classify;
use super::subject::{Subject, Use};

/// Sessions of this tool introduce themselves by it.
const OWN_NAME: &str = "backfill";

/// A client's session as `pg_stat_activity` shows it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Client {
    pub(crate) pid: i64,
    pub(crate) application_name: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) backend_start: Option<Timestamp>,
    /// `None` when the role may not see it.
    pub(crate) state: Option<String>,
    pub(crate) query: Option<String>,
    /// Whether the text fills all the space that the server has for one, and so may go on.
    pub(crate) is_cut: bool,
}

/// A session that needs the columns.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Live {
    pub(crate) pid: i64,
    pub(crate) application_name: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) backend_start: Option<Timestamp>,
    pub(crate) state: String,
    /// How what it runs uses the columns.
    pub(crate) class: Use,
    /// Whether its client is older than the deployment.
    pub(crate) is_old: bool,
    pub(crate) query: String,
}

/// The sessions that need the columns, and whether any of them could not be looked at.
pub(crate) fn judge(
    clients: &[Client],
    deployed_at: Option<Timestamp>,
    subject: &Subject,
) -> (Vec<Live>, bool) {
    let mut is_hidden = false;
    let mut live = Vec::new();
    for client in clients.iter().filter(|client| !client.is_ours()) {
        let Some(state) = client.state.as_deref().filter(|state| *state != "disabled") else {
            is_hidden = true;
            continue;
        };
        let class = if state == "idle" { Use::NotUsing } else { client.class(subject) };
        let is_old = deployed_at.zip(client.backend_start).is_some_and(|(deployed, start)| start < deployed);
        if class.is_use() || is_old {
            live.push(client.found(state, class, is_old));
        }
    }
    (live, is_hidden)
}

impl Client {
    fn is_ours(&self) -> bool {
        let name = self.application_name.as_deref().unwrap_or_default();
        name.strip_prefix(OWN_NAME).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', ':', '/']))
    }

    fn class(&self, subject: &Subject) -> Use {
        let text = self.query.as_deref().unwrap_or_default();
        let class = classify(text, subject).unwrap_or(Use::NotUsing);
        // The table's name may stand in the part that is missing.
        let is_named =
            || subject.columns.iter().any(|column| text.to_lowercase().contains(&column.to_lowercase()));
        if self.is_cut && !class.is_use() && is_named() { Use::Unparsed } else { class }
    }

    fn found(&self, state: &str, class: Use, is_old: bool) -> Live {
        Live {
            pid: self.pid,
            application_name: self.application_name.clone(),
            role: self.role.clone(),
            backend_start: self.backend_start,
            state: state.to_owned(),
            class,
            is_old,
            query: shortened(self.query.as_deref().unwrap_or_default()),
        }
    }
}

/// A text on one line, as long as a reader needs to know it by, and without literals, which may be personal data.
pub(crate) fn shortened(text: &str) -> String {
    const SHOWN: usize = 200;
    let outside: Vec<&str> = text.split('\'').step_by(2).collect();
    let masked = outside.join("'?'");
    let line = masked.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= SHOWN {
        return line;
    }
    line.chars().take(SHOWN).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::super::subject::Relation;
    use super::{Client, Subject, Timestamp, judge, shortened};

    fn client(state: Option<&str>, query: &str, start_s: i64) -> Client {
        Client {
            pid: 1,
            application_name: Some("api".to_owned()),
            role: Some("app".to_owned()),
            backend_start: Timestamp::from_second(start_s).ok(),
            state: state.map(ToOwned::to_owned),
            query: Some(query.to_owned()),
            is_cut: false,
        }
    }

    #[track_caller]
    fn check(client: Client, deployed_s: Option<i64>, expected: (usize, bool)) {
        let names = |all: &[&str]| all.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let subject = Subject {
            tables: vec![Relation { schema: "public".to_owned(), name: "orders".to_owned() }],
            columns: names(&["total"]),
            row: names(&["id", "total"]),
            stored: names(&["id", "total"]),
        };
        let deployed_at = deployed_s.map(|second| Timestamp::from_second(second).unwrap());
        let (live, is_hidden) = judge(&[client], deployed_at, &subject);
        assert_eq!((live.len(), is_hidden), expected);
    }

    #[test]
    fn what_runs_or_holds_a_transaction_counts() {
        let using = "select total from orders";
        check(client(Some("active"), using, 5), None, (1, false));
        check(client(Some("idle in transaction"), using, 5), None, (1, false));
        check(client(Some("idle"), using, 5), None, (0, false));
        check(client(Some("active"), "select id from orders", 5), None, (0, false));
    }

    #[test]
    fn a_client_older_than_the_deployment_counts() {
        check(client(Some("idle"), "", 5), Some(6), (1, false));
        check(client(Some("idle"), "", 7), Some(6), (0, false));
    }

    #[test]
    fn what_is_hidden_is_told() {
        check(client(None, "<insufficient privilege>", 5), None, (0, true));
        check(client(Some("disabled"), "", 5), None, (0, true));
    }

    #[test]
    fn our_own_sessions_do_not_count() {
        for (name, expected) in [("backfill", 0), ("backfill post-status", 0), ("backfiller", 1)] {
            let ours = Client {
                application_name: Some(name.to_owned()),
                ..client(Some("active"), "select * from orders", 5)
            };
            check(ours, None, (expected, false));
        }
    }

    #[test]
    fn a_text_that_was_cut_counts_by_its_words() {
        let cut = Client { is_cut: true, ..client(Some("active"), "select id, total, no", 5) };
        check(cut, None, (1, false));
    }

    #[test]
    fn a_long_text_is_shortened_to_one_line() {
        assert_eq!(shortened("select\n  1"), "select 1");
        assert_eq!(shortened("select 'it''s', 'b' from t"), "select '?''?', '?' from t");
        assert_eq!(shortened(&"x".repeat(500)).chars().count(), 201);
    }
}
