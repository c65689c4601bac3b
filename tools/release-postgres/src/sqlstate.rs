//! The code that every refusal of PostgreSQL carries.
//!
//! Follows the PostgreSQL manual, appendix A "PostgreSQL Error Codes".

use std::fmt;

use serde::{Deserialize, Serialize};

/// Five letters or digits; the first two are the class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Sqlstate([u8; 5]);

impl Sqlstate {
    /// The code `code`; anything that is none becomes `XX000`, an internal error.
    pub const fn new(code: &str) -> Sqlstate {
        match code.as_bytes().first_chunk() {
            Some(letters) if code.len() == 5 => Sqlstate(*letters),
            _ => Sqlstate(*b"XX000"),
        }
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
    use super::Sqlstate;

    #[test]
    fn what_is_no_code_is_an_internal_error() {
        for (code, expected, class) in [
            ("23505", "23505", "23"),
            ("nonsense", "XX000", "XX"),
            ("", "XX000", "XX"),
            ("2350", "XX000", "XX"),
        ] {
            let sqlstate = Sqlstate::new(code);
            assert_eq!((sqlstate.code(), sqlstate.class()), (expected, class), "{code}");
        }
    }

    #[test]
    fn a_session_ends_with_its_server() {
        for (code, expected) in
            [("08006", true), ("57P01", true), ("25006", true), ("23505", false), ("57014", false)]
        {
            assert_eq!(Sqlstate::new(code).ends_session(), expected, "{code}");
        }
    }
}
