//! The one answer of a command, for people or for machines.

use release_common::Context;
use release_common::output::{Format, JsonLines};
use serde_json::{Value, json};

use crate::error::Error;

/// Tells the answer: `summary` is an object with the type `summary`, `text` the same for people.
///
/// # Errors
/// When stdout cannot be written.
pub(crate) fn tell(context: &mut Context, format: Format, summary: &Value, text: &str) -> Result<(), Error> {
    match format {
        Format::Json => JsonLines::new(context.stdout()).write(summary)?,
        Format::Human | Format::Github => writeln!(context.stdout(), "{text}")?,
    }
    Ok(())
}

/// Tells a failure to machines; people read stderr.
///
/// # Errors
/// When stdout cannot be written.
pub(crate) fn failure(context: &mut Context, error: &Error) -> Result<(), Error> {
    let summary = json!({"type": "summary", "result": "failed", "reason": error.reason(), "message": error.to_string()});
    JsonLines::new(context.stdout()).write(&summary)?;
    Ok(())
}

/// An error with all its causes in one line, for a warning that the run goes on after.
pub(crate) fn with_causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(current) = cause {
        text.push_str(&format!(": {current}"));
        cause = current.source();
    }
    text
}
