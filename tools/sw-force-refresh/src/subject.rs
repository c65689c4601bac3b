//! Which version clients are to run: read from an argument, or from what `precache-hash` prints.

use precache_manifest::ManifestHash;
use serde::Deserialize;
use thiserror::Error;

/// Why a text names no version.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SubjectError {
    /// Nothing there: a stage before this one has failed.
    #[error("no manifest hash: the input is empty")]
    Empty,
    /// A JSON document without the hash, such as the bare list of Workbox.
    #[error("no manifest hash: the JSON has no `manifest_hash`")]
    NoMember,
    /// Something else.
    #[error("`{0}` is not a manifest hash")]
    NotAHash(String),
}

/// Reads a bare hash, `sha256:` and a hash, or a JSON object with the member `manifest_hash`.
///
/// # Errors
/// When the text holds none of them.
pub fn parse(text: &str) -> Result<ManifestHash, SubjectError> {
    #[derive(Deserialize)]
    struct Manifest {
        manifest_hash: ManifestHash,
    }
    let text = text.trim();
    if text.is_empty() {
        return Err(SubjectError::Empty);
    }
    if text.starts_with(['{', '[']) {
        let manifest: Manifest = serde_json::from_str(text).map_err(|_| SubjectError::NoMember)?;
        return Ok(manifest.manifest_hash);
    }
    text.parse().map_err(|_| SubjectError::NotAHash(shortened(text)))
}

/// Enough of a wrong input to recognize it.
fn shortened(text: &str) -> String {
    const SHOWN_CHARS: usize = 80;
    let mut shown: String = text.chars().take(SHOWN_CHARS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::{SubjectError, parse};

    #[test]
    fn three_spellings_name_one_version() {
        let bare = "5e".repeat(32);
        let expected = bare.parse().unwrap();
        for text in [
            format!("{bare}\n"),
            format!("  sha256:{bare}"),
            format!("{{\"manifest_hash\":\"sha256:{bare}\",\"release\":\"2\"}}\n"),
            format!("{{\"entries\":[],\n \"manifest_hash\":\"sha256:{bare}\"}}"),
        ] {
            assert_eq!(parse(&text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn an_empty_input_is_no_version() {
        for text in ["", "\n", " \t\n"] {
            assert_eq!(parse(text), Err(SubjectError::Empty));
        }
    }

    #[test]
    fn other_texts_are_named() {
        assert_eq!(parse("[]"), Err(SubjectError::NoMember));
        assert_eq!(parse("{\"release\":\"2\"}"), Err(SubjectError::NoMember));
        assert_eq!(parse("12ab"), Err(SubjectError::NotAHash("12ab".into())));
        let two = format!("{} {}", "5e".repeat(32), "5f".repeat(32));
        assert!(parse(&two).is_err(), "two hashes are not one");
    }
}
