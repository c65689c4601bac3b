//! What users write for `backfill`: names, specifications and expressions.

use std::path::Path;

use backfill::expression;
use backfill::spec::{Draft, Spec, merge_file};
use release_postgres::{Identifier, TableName};

/// A name reads back as itself, and never ends its own quotes.
pub fn name(text: &str) {
    if let Ok(name) = text.parse::<Identifier>() {
        assert_eq!(name.to_string().parse().as_ref(), Ok(&name));
    }
    let Ok(table) = text.parse::<TableName>() else { return };
    let printed = table.to_string();
    assert_eq!(printed.parse().as_ref(), Ok(&table));
    assert_eq!(printed.matches('"').count() % 2, 0, "{printed}");
}

/// A specification is refused with a line that exists, or is stored and read back as itself.
pub fn specification(text: &str) {
    let mut draft = Draft::default();
    if let Err(error) = merge_file(Path::new("job"), text, &mut draft) {
        let shown = error.to_string();
        let line = shown.strip_prefix("job:").and_then(|rest| rest.split(':').next()?.parse::<usize>().ok());
        assert!(line.is_some_and(|line| (1..=text.lines().count() + 1).contains(&line)), "{shown}");
        return;
    }
    let Ok(placed) = draft.finish() else { return };
    let stored = serde_json::to_string(&placed.spec).unwrap_or_default();
    let read: Option<Spec> = serde_json::from_str(&stored).ok();
    assert_eq!(read.as_ref(), Some(&placed.spec), "{stored}");
}

/// An expression always has an answer.
pub fn expression(text: &str) {
    expression::references(text, &Identifier::new("total"));
}
