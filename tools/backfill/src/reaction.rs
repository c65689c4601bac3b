//! What an error of PostgreSQL means for the work: try again, split the batch, or stop.
//!
//! Follows the PostgreSQL manual, appendix A "PostgreSQL Error Codes".

use release_postgres::Sqlstate;

/// The code that our own function raises when another worker owns the chunk.
pub const LOST_LEASE: Sqlstate = Sqlstate::new("BF001");

/// What to do about a batch that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// Nothing of it happened: the same batch may be tried again after a moment.
    Retry,
    /// Somebody holds a row: try again, and with fewer rows if that does not help.
    Wait,
    /// It took longer than it may: fewer rows at once.
    Shrink,
    /// A row's data is at fault: find the row.
    Bisect,
    /// The connection or server is gone for now: come back and read the checkpoint.
    Reconnect,
    /// The chunk belongs to another worker now.
    Abandon,
    /// Nothing that waiting would mend.
    Fail,
}

impl Reaction {
    /// What to do about a batch that ended with this code.
    pub fn to(sqlstate: Sqlstate) -> Reaction {
        if sqlstate == LOST_LEASE {
            return Reaction::Abandon;
        }
        match sqlstate.code() {
            "40001" => Reaction::Retry,
            "40P01" | "55P03" => Reaction::Wait,
            "57014" => Reaction::Shrink,
            // No free slot, out of memory for the moment: all pass.
            "53300" | "53400" | "53200" => Reaction::Reconnect,
            _ if sqlstate.ends_session() => Reaction::Reconnect,
            _ => match sqlstate.class() {
                // Data, constraints, two rows from a subquery that may give one, a value too long for its index, and
                // what a trigger or function of the user's raises about the row it was given.
                "21" | "22" | "23" | "38" | "54" | "P0" => Reaction::Bisect,
                _ => Reaction::Fail,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use release_postgres::Sqlstate;

    use super::Reaction;

    #[test]
    fn each_code_has_its_reaction() {
        for (code, reaction) in [
            ("40001", Reaction::Retry),
            ("40P01", Reaction::Wait),
            ("55P03", Reaction::Wait),
            ("57014", Reaction::Shrink),
            ("22012", Reaction::Bisect),
            ("23505", Reaction::Bisect),
            ("P0001", Reaction::Bisect),
            ("P0002", Reaction::Bisect),
            ("21000", Reaction::Bisect),
            ("54000", Reaction::Bisect),
            ("08006", Reaction::Reconnect),
            ("57P01", Reaction::Reconnect),
            ("25006", Reaction::Reconnect),
            ("BF001", Reaction::Abandon),
            ("42703", Reaction::Fail),
            ("53100", Reaction::Fail),
            ("nonsense", Reaction::Fail),
        ] {
            assert_eq!(Reaction::to(Sqlstate::new(code)), reaction, "{code}");
        }
    }
}
