//! Names and values as PostgreSQL reads them back: quoting is here and nowhere else.
//!
//! Follows the PostgreSQL manual, 4.1 "Lexical Structure". Every statement is one text in the simple protocol, because
//! PgBouncer's transaction mode keeps no prepared statement; so every value passes [`literal`].

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// A column or other plain name, exactly as the catalog holds it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identifier(String);

/// A table as a user names it: `orders`, `public.orders`, `public."Post"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableName {
    /// The schema, where one was named.
    pub schema: Option<Identifier>,
    /// The table.
    pub table: Identifier,
}

/// A text that is no name.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("`{0}` is not a name such as total, \"Total\" or public.\"Post\"")]
pub struct NameError(String);

impl Identifier {
    /// The name whose catalog spelling is `name`.
    pub fn new(name: impl Into<String>) -> Identifier {
        Identifier(name.into())
    }

    /// The catalog's spelling.
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Identifier {
    /// Always quoted, so that no name is a keyword and none is folded.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "\"{}\"", self.0.replace('"', "\"\""))
    }
}

impl FromStr for Identifier {
    type Err = NameError;

    /// Reads a name as SQL does: folded to lower case unless it is quoted.
    fn from_str(text: &str) -> Result<Identifier, NameError> {
        match parts(text).as_deref() {
            Some([name]) => Ok(name.clone()),
            _ => Err(NameError(text.to_owned())),
        }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(formatter, "{schema}.")?;
        }
        write!(formatter, "{}", self.table)
    }
}

impl FromStr for TableName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<TableName, NameError> {
        match parts(text).as_deref() {
            Some([table]) => Ok(TableName { schema: None, table: table.clone() }),
            Some([schema, table]) => Ok(TableName { schema: Some(schema.clone()), table: table.clone() }),
            _ => Err(NameError(text.to_owned())),
        }
    }
}

/// The names between dots; `None` when the text is no list of names.
fn parts(text: &str) -> Option<Vec<Identifier>> {
    let mut names = Vec::new();
    let mut rest = text.trim();
    loop {
        let (name, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_name(quoted)?,
            None => plain_name(rest)?,
        };
        names.push(Identifier(name));
        match after.strip_prefix('.') {
            Some(next) => rest = next,
            None => return after.is_empty().then_some(names),
        }
    }
}

/// What stands before the closing quote, and what follows it.
fn quoted_name(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once('"')?;
        name.push_str(before);
        match after.strip_prefix('"') {
            Some(next) => {
                name.push('"');
                rest = next;
            }
            None => return (!name.is_empty() && !name.contains('\0')).then_some((name, after)),
        }
    }
}

fn plain_name(text: &str) -> Option<(String, &str)> {
    let is_inner = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '$';
    let end = text.find(|letter| !is_inner(letter)).unwrap_or(text.len());
    let (name, after) = text.split_at_checked(end)?;
    let is_name = name.starts_with(|letter: char| letter.is_alphabetic() || letter == '_');
    is_name.then(|| (name.to_lowercase(), after))
}

/// A text as a literal that reads the same under every setting of `standard_conforming_strings`.
pub fn literal(text: &str) -> String {
    // PostgreSQL has no zero character; a text with one cannot come from it.
    let text = text.replace('\0', "");
    if text.contains('\\') {
        format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

/// A text that may be missing.
pub fn nullable(text: Option<&str>) -> String {
    text.map_or_else(|| "null".to_owned(), literal)
}

macro_rules! serde_as_text {
    ($($name:ty),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

serde_as_text!(Identifier, TableName);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Identifier, TableName, literal};

    #[test]
    fn names_are_read_as_sql_reads_them() {
        for (text, shown) in [
            ("Orders", "\"orders\""),
            ("public.\"Post\"", "\"public\".\"Post\""),
            ("\"a.b\".\"c\"\"d\"", "\"a.b\".\"c\"\"d\""),
            ("배송", "\"배송\""),
            ("\"📦\"", "\"📦\""),
        ] {
            assert_eq!(text.parse::<TableName>().unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn what_is_no_name_is_named() {
        for text in ["", ".", "a.", "a.b.c", "\"a", "a b", "1a", "a;drop", "\"\""] {
            let error = text.parse::<TableName>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{text}` is not a name")), "{error}");
        }
    }

    #[test]
    fn no_text_ends_its_literal() {
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("\\'; drop"), "E'\\\\''; drop'");
    }

    proptest! {
        #[test]
        fn a_name_reads_back_what_it_prints(name in "[^\0]{1,20}") {
            let identifier = Identifier::new(name);
            prop_assert_eq!(identifier.to_string().parse(), Ok(identifier));
        }
    }
}
