//! What the statistics said at one moment, and whether two moments can be compared.
//!
//! Counters tell of use only while nothing is lost between two looks. `pg_stat_statements` loses its entries when they are
//! reset, when there are too many of them, and when the server crashes; a crash leaves its own reset time as it was
//! (pg_stat_statements.c, `pgss_shmem_startup`), but resets the statistics of the cluster.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::subject::Use;

/// One look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Observation {
    pub(crate) at: Timestamp,
    /// `system`, or `simulated` when a test moved the time.
    pub(crate) clock: String,
    /// The columns it was about.
    pub(crate) columns: Vec<String>,
    #[serde(flatten)]
    pub(crate) statistics: Statistics,
}

/// The counters, and what tells whether they are whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Statistics {
    /// `pg_stat_statements_info`.
    pub(crate) stats_reset: Option<String>,
    /// How often entries had to go.
    pub(crate) dealloc: Option<i64>,
    pub(crate) postmaster_start: String,
    /// `pg_stat_bgwriter.stats_reset`, which a crash changes.
    pub(crate) cluster_reset: Option<String>,
    /// Whether a stopped server keeps the counters.
    pub(crate) is_saved: bool,
    /// Those that use the columns.
    pub(crate) statements: Vec<Counted>,
}

/// A statement with its counter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Counted {
    pub(crate) userid: i64,
    pub(crate) dbid: i64,
    pub(crate) queryid: i64,
    pub(crate) toplevel: bool,
    pub(crate) calls: i64,
    pub(crate) class: Use,
    /// Shortened.
    pub(crate) query: String,
    pub(crate) role: Option<String>,
}

/// Why two looks cannot be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Break {
    /// The counters were reset.
    Reset,
    /// Entries were evicted.
    Evicted,
    /// The server lost them.
    Lost,
}

impl Counted {
    fn is_same(&self, other: &Counted) -> bool {
        (self.userid, self.dbid, self.queryid, self.toplevel)
            == (other.userid, other.dbid, other.queryid, other.toplevel)
    }
}

impl Statistics {
    /// Calls of a statement; none before it was first seen.
    pub(crate) fn calls(&self, statement: &Counted) -> i64 {
        self.statements.iter().find(|known| known.is_same(statement)).map_or(0, |known| known.calls)
    }

    /// Whether no statement that uses the columns ran between an earlier look and this one.
    pub(crate) fn is_quiet_since(&self, earlier: &Statistics) -> bool {
        self.uses().all(|statement| earlier.calls(statement) >= statement.calls)
    }

    /// The statements that use the columns.
    pub(crate) fn uses(&self) -> impl Iterator<Item = &Counted> {
        self.statements.iter().filter(|statement| statement.class.is_use())
    }

    /// What was lost since an earlier look, if anything.
    pub(crate) fn broken_since(&self, earlier: &Statistics) -> Option<Break> {
        let is_restarted = self.postmaster_start != earlier.postmaster_start;
        let is_kept = self.is_saved && earlier.is_saved;
        if self.cluster_reset != earlier.cluster_reset || (is_restarted && !is_kept) {
            return Some(Break::Lost);
        }
        if self.stats_reset != earlier.stats_reset {
            return Some(Break::Reset);
        }
        if self.dealloc != earlier.dealloc {
            return Some(Break::Evicted);
        }
        // A reset of single statements leaves no other trace.
        let is_falling = earlier.statements.iter().any(|statement| self.calls(statement) < statement.calls);
        is_falling.then_some(Break::Reset)
    }
}
