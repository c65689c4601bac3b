//! JSON values as JavaScript holds them, with the line of every value kept for error messages.
//!
//! `serde_json` cannot be used for `ngsw-config.json`: `appData` must leave as it came, and JavaScript keeps lone
//! surrogates, rounds every number to a double and moves integer keys to the front of an object.

use std::fmt;

/// A string of JavaScript: a sequence of UTF-16 code units that need not be well formed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum JsText {
    /// Text that Unicode allows.
    WellFormed(String),
    /// Code units with a lone surrogate among them.
    IllFormed(Vec<u16>),
}

impl JsText {
    /// The string with these code units.
    pub(crate) fn from_units(units: Vec<u16>) -> Self {
        match String::from_utf16(&units) {
            Ok(text) => JsText::WellFormed(text),
            Err(_) => JsText::IllFormed(units),
        }
    }

    /// The text, unless a lone surrogate is in it.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            JsText::WellFormed(text) => Some(text),
            JsText::IllFormed(_) => None,
        }
    }

    /// The value as an array index, which JavaScript lists before all other keys and in numeric order.
    pub(crate) fn array_index(&self) -> Option<u32> {
        let text = self.as_str()?;
        let index: u32 = text.parse().ok()?;
        (index != u32::MAX && index.to_string() == text).then_some(index)
    }
}

impl fmt::Display for JsText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JsText::WellFormed(text) => f.write_str(text),
            JsText::IllFormed(units) => f.write_str(&String::from_utf16_lossy(units)),
        }
    }
}

/// A value and the line, counted from 1, on which it starts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// Line of its first character.
    pub(crate) line: u32,
    /// What stands there.
    pub(crate) value: Value,
}

/// What JSON can hold.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A double, as every number of JavaScript.
    Number(f64),
    /// A string.
    Text(JsText),
    /// An array.
    Array(Vec<Node>),
    /// An object: members in the order in which JavaScript would list them.
    Object(Vec<Member>),
}

impl Value {
    /// The name of its type in a sentence.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Boolean(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::Text(_) => "a string",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        }
    }
}

/// One `"key": value` of an object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Member {
    /// Its key.
    pub(crate) key: JsText,
    /// Line of the key.
    pub(crate) line: u32,
    /// Its value.
    pub(crate) node: Node,
}
