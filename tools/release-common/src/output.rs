//! Shapes of a report: for people, as JSON Lines, or as GitHub annotations.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use serde::Serialize;

pub mod github;

/// Shape of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text for people; it may change between versions
    #[default]
    Human,
    /// JSON Lines; the last object has the type `summary`
    Json,
    /// Annotations for GitHub Actions
    Github,
}

/// The flags of a command that reports; flatten it into that command.
#[derive(Args, Clone, Debug, Default)]
pub struct ReportArgs {
    /// Shape of the report
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,

    /// Short for --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

impl ReportArgs {
    /// The shape the flags ask for.
    pub fn format(&self) -> Format {
        if self.json { Format::Json } else { self.format }
    }
}

/// Writes one JSON object per line and flushes each, so that a reader sees it when it happens.
#[derive(Debug)]
pub struct JsonLines<W: Write>(W);

impl<W: Write> JsonLines<W> {
    /// Writes to `writer`.
    pub fn new(writer: W) -> JsonLines<W> {
        JsonLines(writer)
    }

    /// Writes `object`, which carries its `type`, as one line.
    ///
    /// # Errors
    /// Those of the writer, a closed pipe among them.
    pub fn write(&mut self, object: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.0, object)?;
        self.0.write_all(b"\n")?;
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::JsonLines;

    #[test]
    fn every_object_is_one_line() {
        let mut bytes = Vec::new();
        let mut lines = JsonLines::new(&mut bytes);
        lines.write(&json!({"type": "file", "path": "a\nb"})).unwrap();
        lines.write(&json!({"type": "summary"})).unwrap();
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            "{\"type\":\"file\",\"path\":\"a\\nb\"}\n{\"type\":\"summary\"}\n"
        );
    }
}
