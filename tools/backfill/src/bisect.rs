//! Finds the row whose data makes a batch fail, in few transactions and without savepoints.
//!
//! A failed batch of `n` keys hides at least one bad row: its first half is tried, and what succeeds is committed for
//! good. When only one key is left it is the bad one. One bad row among 1000 costs about 20 transactions.

/// The search for a bad row; idle until a batch fails.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bisect {
    /// Keys from the cursor on among which a bad one is known to be.
    suspects: Option<u32>,
}

/// What follows from a failed batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The next batch is smaller.
    Narrower,
    /// The one key of the batch is bad.
    TheRow,
}

impl Bisect {
    /// Keys for the next batch, where `usual` would be tried otherwise.
    pub fn keys(&self, usual: u32) -> u32 {
        self.suspects.map_or(usual, |suspects| suspects.div_ceil(2)).max(1)
    }

    /// Whether a search is under way.
    pub fn is_searching(&self) -> bool {
        self.suspects.is_some()
    }

    /// A batch of `keys` was committed.
    pub fn succeeded(&mut self, keys: u32) {
        // The bad row is among those that are left; when none is left, the cause has gone by itself.
        self.suspects = self.suspects.map(|suspects| suspects.saturating_sub(keys)).filter(|left| *left > 0);
    }

    /// A batch of `keys` failed because of a row's data.
    pub fn failed(&mut self, keys: u32) -> Found {
        if keys <= 1 {
            self.suspects = None;
            return Found::TheRow;
        }
        self.suspects = Some(keys);
        Found::Narrower
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Bisect, Found};

    /// Walks `total` keys, of which some are bad; the bad ones found and the transactions needed.
    fn walk(total: u32, bad: &[u32], usual: u32) -> (Vec<u32>, u32) {
        let (mut bisect, mut cursor, mut found, mut transactions) = (Bisect::default(), 0, Vec::new(), 0);
        while cursor < total {
            let keys = bisect.keys(usual).min(total - cursor);
            transactions += 1;
            if bad.iter().any(|row| (cursor..cursor + keys).contains(row)) {
                if bisect.failed(keys) == Found::TheRow {
                    found.push(cursor);
                    cursor += 1;
                }
            } else {
                bisect.succeeded(keys);
                cursor += keys;
            }
        }
        (found, transactions)
    }

    #[test]
    fn one_bad_row_among_a_thousand_costs_about_twenty_transactions() {
        for bad in [0, 1, 499, 500, 777, 999] {
            let (found, transactions) = walk(1000, &[bad], 1000);
            assert_eq!(found, [bad]);
            assert!(transactions <= 22, "row {bad}: {transactions}");
        }
    }

    proptest! {
        #[test]
        fn every_bad_row_is_found_and_no_other(
            bad in prop::collection::btree_set(0_u32..500, 0..20), usual in 1_u32..300,
        ) {
            let bad: Vec<u32> = bad.into_iter().collect();
            prop_assert_eq!(walk(500, &bad, usual).0, bad);
        }
    }
}
