//! What was found for each entry, and what all of it means for the exit code.

use super::diagnosis::{self, Circumstances, Reason};
use super::expectation::{Expectation, Promise};
use super::tally::Summed;

/// What a folder or a server gave for one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Bytes.
    Bytes(Circumstances, Summed),
    /// No such file, or a status other than 200.
    Absent(Circumstances),
    /// The entry lies outside of what is checked, such as a file of another host in a folder.
    Elsewhere,
    /// It is there, but could not be read to its end.
    Unread(String),
    /// Nobody answered.
    #[cfg_attr(not(feature = "http"), expect(dead_code, reason = "only a server can be silent"))]
    Silent(String),
}

/// What that means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finding {
    /// Every promise holds.
    Equal,
    /// It is there, and the manifest promises nothing about its bytes; or it lies elsewhere.
    Unverifiable,
    /// Other bytes.
    Differs {
        /// The promise that does not hold.
        promise: Promise,
        /// The digest found.
        found: String,
        /// How many bytes were found.
        size_bytes: u64,
        /// What else is known.
        seen: Circumstances,
        /// Why, perhaps.
        reason: Option<Reason>,
    },
    /// Not there.
    Missing {
        /// What else is known.
        seen: Circumstances,
        /// Why, perhaps.
        reason: Option<Reason>,
    },
    /// Not known.
    Unread(String),
}

/// Judges what was read.
pub(crate) fn judge(expected: &Expectation, reading: Reading) -> Finding {
    match reading {
        Reading::Elsewhere => Finding::Unverifiable,
        Reading::Unread(why) | Reading::Silent(why) => Finding::Unread(why),
        Reading::Absent(seen) => Finding::Missing { reason: diagnosis::of_status(expected, &seen), seen },
        Reading::Bytes(seen, summed) => match summed.first_broken(&expected.promises) {
            None if expected.promises.is_empty() => Finding::Unverifiable,
            None => Finding::Equal,
            Some((promise, found)) => Finding::Differs {
                promise: promise.clone(),
                found,
                size_bytes: summed.size_bytes,
                reason: diagnosis::of_content(expected, &seen, &summed),
                seen,
            },
        },
    }
}

/// How many entries ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Entries of the manifest.
    pub(crate) files: usize,
    /// Entries whose bytes are as promised.
    pub(crate) equal: usize,
    /// Entries that are missing or have other bytes.
    pub(crate) mismatched: usize,
    /// Entries without a promise to check.
    pub(crate) unverifiable: usize,
    /// Entries that could not be read.
    pub(crate) unread: usize,
}

impl Totals {
    /// Counts one more finding.
    pub(crate) fn add(&mut self, finding: &Finding) {
        match finding {
            Finding::Equal => self.equal += 1,
            Finding::Unverifiable => self.unverifiable += 1,
            Finding::Differs { .. } | Finding::Missing { .. } => self.mismatched += 1,
            Finding::Unread(_) => self.unread += 1,
        }
    }

    /// Entries that were never asked for.
    pub(crate) fn not_checked(&self) -> usize {
        self.files - self.equal - self.mismatched - self.unverifiable - self.unread
    }

    /// Whether a whole answer can be given.
    pub(crate) fn is_complete(&self) -> bool {
        self.unread == 0 && self.not_checked() == 0
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use precache_manifest::{Algorithm, digest};

    use super::super::tally::Tally;
    use super::*;

    fn expected(promises: Vec<Promise>) -> Expectation {
        Expectation { url: "a.js".into(), path: None, size_bytes: None, promises }
    }

    fn judged(promises: Vec<Promise>, bytes: &[u8]) -> Finding {
        let mut tally = Tally::new(&promises);
        tally.write_all(bytes).unwrap();
        judge(&expected(promises), Reading::Bytes(Circumstances::default(), tally.finish()))
    }

    fn promise(bytes: &[u8]) -> Promise {
        Promise { algorithm: Algorithm::Md5, text: digest::md5(bytes).hex() }
    }

    #[test]
    fn tells_equal_from_other_and_from_unknown_bytes() {
        assert_eq!(judged(vec![promise(b"a")], b"a"), Finding::Equal);
        assert_eq!(judged(vec![], b"a"), Finding::Unverifiable);
        let Finding::Differs { found, .. } = judged(vec![promise(b"a")], b"b") else { panic!() };
        assert_eq!(found, digest::md5(b"b").hex());
    }

    #[test]
    fn counts_what_was_never_asked_for() {
        let mut totals = Totals { files: 4, ..Totals::default() };
        totals.add(&Finding::Equal);
        totals.add(&Finding::Missing { seen: Circumstances::default(), reason: None });
        totals.add(&Finding::Unread("x".into()));
        assert_eq!((totals.not_checked(), totals.mismatched, totals.is_complete()), (1, 1, false));
    }
}
