//! A specification file as a tree of values that know their line, from TOML or from JSON with the same keys.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use thiserror::Error;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value and the line it stands on, counted from one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) value: Value,
}

/// What stands there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Number(f64),
    Flag(bool),
    List(Vec<Node>),
    /// Keys in the order of the file.
    Table(Vec<(String, Node)>),
}

/// A file that is neither TOML nor JSON.
#[derive(Clone, Debug, Error, PartialEq)]
#[error("{reason}")]
pub(crate) struct Malformed {
    pub(crate) line: usize,
    pub(crate) reason: String,
}

impl Node {
    /// What kind of value it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self.value {
            Value::Text(_) => "a text",
            Value::Number(_) => "a number",
            Value::Flag(_) => "true or false",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }
}

/// Reads `text`: as JSON when it begins with a brace, else as TOML.
pub(crate) fn read(text: &str) -> Result<Node, Malformed> {
    if text.trim_start().starts_with('{') { read_json(text) } else { read_toml(text) }
}

fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

fn read_toml(text: &str) -> Result<Node, Malformed> {
    let root = DeTable::parse(text).map_err(|error| Malformed {
        line: line_at(text, error.span().map_or(0, |span| span.start)),
        reason: error.message().to_owned(),
    })?;
    Ok(Node { line: 1, value: toml_table(text, root.get_ref())? })
}

fn toml_table(text: &str, table: &DeTable<'_>) -> Result<Value, Malformed> {
    // The parser sorts keys; the order of the file is that of their places.
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let read = entries
        .into_iter()
        .map(|(key, value)| Ok((key.get_ref().to_string(), toml_node(text, key.span().start, value)?)));
    Ok(Value::Table(read.collect::<Result<_, _>>()?))
}

fn toml_node(text: &str, key_offset: usize, node: &Spanned<DeValue<'_>>) -> Result<Node, Malformed> {
    let line = line_at(text, key_offset);
    let number = |text: String| {
        let plain = text.replace('_', "");
        plain.parse().map_err(|_| Malformed { line, reason: format!("{text} is not a plain number") })
    };
    let value = match node.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(integer) => Value::Number(number(integer.to_string())?),
        DeValue::Float(float) => Value::Number(number(float.to_string())?),
        DeValue::Boolean(flag) => Value::Flag(*flag),
        DeValue::Datetime(time) => Value::Text(time.to_string()),
        DeValue::Array(items) => {
            let items = items.iter().map(|item| toml_node(text, item.span().start, item));
            Value::List(items.collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => toml_table(text, table)?,
    };
    Ok(Node { line, value })
}

fn read_json(text: &str) -> Result<Node, Malformed> {
    let raw: &RawValue = serde_json::from_str(text)
        .map_err(|error| Malformed { line: error.line(), reason: error.to_string() })?;
    json_node(text, raw)
}

/// A raw value is a part of `text`, so its distance from the beginning tells its line.
fn json_node(text: &str, raw: &RawValue) -> Result<Node, Malformed> {
    let offset = (raw.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    let line = line_at(text, offset);
    let malformed = |error: serde_json::Error| Malformed { line, reason: error.to_string() };
    let value = match raw.get().as_bytes().first() {
        Some(b'{') => {
            let table: BTreeMap<String, &RawValue> = serde_json::from_str(raw.get()).map_err(malformed)?;
            let mut entries: Vec<_> = table.into_iter().collect();
            entries.sort_by_key(|(_, value)| value.get().as_ptr() as usize);
            let read = entries.into_iter().map(|(key, value)| Ok((key, json_node(text, value)?)));
            Value::Table(read.collect::<Result<_, _>>()?)
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(malformed)?;
            Value::List(items.into_iter().map(|item| json_node(text, item)).collect::<Result<_, _>>()?)
        }
        Some(b'"') => Value::Text(serde_json::from_str(raw.get()).map_err(malformed)?),
        Some(b't' | b'f') => Value::Flag(raw.get() == "true"),
        Some(b'n') => return Err(Malformed { line, reason: "null: leave the key out instead".to_owned() }),
        _ => Value::Number(serde_json::from_str(raw.get()).map_err(malformed)?),
    };
    Ok(Node { line, value })
}

#[cfg(test)]
mod tests {
    use super::{Malformed, Node, Value, read};

    fn line_of(node: &Node, path: &[&str]) -> usize {
        path.iter()
            .fold(node, |node, key| {
                let Value::Table(entries) = &node.value else { panic!("{key}: no table") };
                &entries.iter().find(|(name, _)| name == key).unwrap().1
            })
            .line
    }

    #[test]
    fn values_of_both_forms_know_their_line() {
        let toml = read("name = \"a\"\n\n[set]\nb = \"c\"\n").unwrap();
        assert_eq!((line_of(&toml, &["name"]), line_of(&toml, &["set", "b"])), (1, 4));
        let json = read("{\n \"name\": \"a\",\n \"set\": {\n  \"b\": \"c\"}}").unwrap();
        assert_eq!((line_of(&json, &["name"]), line_of(&json, &["set", "b"])), (2, 4));
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_line() {
        assert_eq!(read("a = 1\nb = \n").unwrap_err().line, 2);
        assert_eq!(read("{\"a\": 1,\n}").unwrap_err().line, 2);
        let null = Malformed { line: 2, reason: "null: leave the key out instead".into() };
        assert_eq!(read("{\n\"a\": null}"), Err(null));
    }
}
