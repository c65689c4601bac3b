//! Annotations as GitHub Actions reads them from a step's output.
//!
//! Escapes as the `@actions/toolkit` package does in `command.ts`. The platform shows ten annotations of a kind per
//! step, so [`annotations`] prints the first ten and one notice that counts the rest.

use std::fmt::Write as _;

/// How many annotations of one kind the platform shows per step.
const SHOWN_PER_STEP: usize = 10;

/// How much an annotation stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// A finding that fails the step.
    Error,
    /// A finding that does not.
    Warning,
    /// A remark.
    Notice,
}

/// One message, perhaps about a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// How much it stands out.
    pub level: Level,
    /// Path of the file it is about, relative to the repository.
    pub file: Option<String>,
    /// What to read.
    pub message: String,
}

/// The text of the worst ten annotations, in the order given, and one notice for the rest.
pub fn annotations(all: &[Annotation]) -> String {
    let mut text = String::new();
    for annotation in all.iter().take(SHOWN_PER_STEP) {
        push(&mut text, annotation);
    }
    if all.len() > SHOWN_PER_STEP {
        let message = format!("{} more in the log", all.len() - SHOWN_PER_STEP);
        push(&mut text, &Annotation { level: Level::Notice, file: None, message });
    }
    text
}

fn push(text: &mut String, annotation: &Annotation) {
    let level = match annotation.level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Notice => "notice",
    };
    let file = annotation.file.as_deref().map(|file| format!(" file={}", escape_property(file)));
    // Writing to a String cannot fail.
    let _ = writeln!(text, "::{level}{}::{}", file.unwrap_or_default(), escape_data(&annotation.message));
}

fn escape_data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn escape_property(text: &str) -> String {
    escape_data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::{Annotation, Level, annotations};

    #[test]
    fn escapes_what_would_end_the_command() {
        let hostile =
            Annotation { level: Level::Error, file: Some("a,b:c%\n".into()), message: "1%\r\n::stop".into() };
        assert_eq!(annotations(&[hostile]), "::error file=a%2Cb%3Ac%25%0A::1%25%0D%0A::stop\n");
    }

    #[test]
    fn shows_ten_and_counts_the_rest() {
        let one = Annotation { level: Level::Warning, file: None, message: "x".into() };
        let text = annotations(&vec![one; 13]);
        assert_eq!(text.lines().count(), 11);
        assert!(text.ends_with("::notice::3 more in the log\n"));
    }
}
