//! What an error of PostgreSQL means for the work: try again, split the batch, or stop.
//!
//! Follows the PostgreSQL manual, appendix A "PostgreSQL Error Codes".

use std::fmt;

use serde::{Deserialize, Serialize};

/// The code that our own function raises when another worker owns the chunk.
pub const LOST_LEASE: Sqlstate = Sqlstate(*b"BF001");

/// Five letters or digits; the first two are the class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Sqlstate([u8; 5]);

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

impl Sqlstate {
    /// The code `code`; anything that is none becomes `XX000`, an internal error.
    pub fn new(code: &str) -> Sqlstate {
        code.as_bytes().try_into().map_or(Sqlstate(*b"XX000"), Sqlstate)
    }

    /// Its five letters.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XX000")
    }

    /// Its class.
    pub fn class(&self) -> &str {
        self.code().get(..2).unwrap_or("XX")
    }

    /// Whether the session is of no use after it: the server closes it, or has become a standby (25006), whose address
    /// leads to another server by now.
    pub fn ends_session(self) -> bool {
        matches!(self.code(), "25006" | "57P01" | "57P02" | "57P03" | "25P03" | "25P04" | "57P05")
            || self.class() == "08"
    }

    /// What to do about a batch that ended with it.
    pub fn reaction(self) -> Reaction {
        if self == LOST_LEASE {
            return Reaction::Abandon;
        }
        match self.code() {
            "40001" => Reaction::Retry,
            "40P01" | "55P03" => Reaction::Wait,
            "57014" => Reaction::Shrink,
            // No free slot, out of memory for the moment: all pass.
            "53300" | "53400" | "53200" => Reaction::Reconnect,
            _ if self.ends_session() => Reaction::Reconnect,
            _ => match self.class() {
                // Data, constraints, two rows from a subquery that may give one, a value too long for its index, and
                // what a trigger or function of the user's raises about the row it was given.
                "21" | "22" | "23" | "38" | "54" | "P0" => Reaction::Bisect,
                _ => Reaction::Fail,
            },
        }
    }
}

impl fmt::Display for Sqlstate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

impl From<String> for Sqlstate {
    fn from(code: String) -> Sqlstate {
        Sqlstate::new(&code)
    }
}

impl From<Sqlstate> for String {
    fn from(code: Sqlstate) -> String {
        code.code().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::{Reaction, Sqlstate};

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
            assert_eq!(Sqlstate::new(code).reaction(), reaction, "{code}");
        }
    }
}
