//! What one check has found.

use serde::Serialize;

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// Something that is not needed for dumps is missing, or could be better.
    Warn,
    /// A backup, a verification or a restore would fail.
    Fail,
}

/// What one check has found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    r#type: &'static str,
    pub(super) name: &'static str,
    #[serde(rename = "result")]
    pub(super) level: Level,
    #[serde(rename = "message")]
    pub(super) text: String,
    pub(super) hint: Option<String>,
}

impl Finding {
    pub(super) fn ok(name: &'static str, text: impl Into<String>) -> Finding {
        Finding { r#type: "check", name, level: Level::Ok, text: text.into(), hint: None }
    }

    pub(super) fn warn(name: &'static str, text: impl Into<String>, hint: impl Into<String>) -> Finding {
        Finding { level: Level::Warn, hint: Some(hint.into()), ..Finding::ok(name, text) }
    }

    pub(super) fn fail(name: &'static str, text: impl Into<String>, hint: impl Into<String>) -> Finding {
        Finding { level: Level::Fail, hint: Some(hint.into()), ..Finding::ok(name, text) }
    }
}
