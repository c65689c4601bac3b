//! Reads a manifest in any of the formats, whichever it is.

use serde::Deserialize;
use thiserror::Error;

use crate::entry::{Algorithm, ConflictError, Entry, Manifest};
use crate::manifest_hash::ManifestHash;
use crate::url;

/// A text that is no manifest.
#[derive(Debug, Error)]
pub enum ReadError {
    /// Nothing there: a stage before in the pipe has failed.
    #[error("is empty")]
    Empty,
    /// Neither JSON nor checksum lines.
    #[error("is no manifest: neither JSON nor checksum lines (line {line} is not `HEX  path`)")]
    Unknown {
        /// Counted from one.
        line: usize,
    },
    /// JSON of another shape.
    #[error("is no manifest: {0}")]
    Shape(#[source] serde_json::Error),
    /// An object that is neither ours nor Angular's.
    #[error("is no manifest: a JSON object with neither `entries` nor `hashTable`")]
    OtherObject,
    /// An entry that a worker could not install.
    #[error("entry {index} has no url")]
    NoUrl {
        /// Counted from one.
        index: usize,
    },
    /// An entry without `revision`, which Workbox warns of: it would never be updated.
    #[error("entry {index} (`{url}`) has no revision")]
    NoRevision {
        /// Counted from one.
        index: usize,
        /// Its URL.
        url: String,
    },
    /// Two entries for one URL.
    #[error(transparent)]
    Conflict(#[from] ConflictError),
}

/// Reads Workbox's array, our JSON object, Angular's `ngsw.json` or checksum lines.
///
/// # Errors
/// When the text is none of them, or an entry is not complete.
pub fn manifest(text: &str) -> Result<Manifest, ReadError> {
    match text.trim_start().bytes().next() {
        None => Err(ReadError::Empty),
        Some(b'[') => workbox(text),
        Some(b'{') => object(text),
        Some(_) => checksum_lines(text),
    }
}

/// An entry as JSON has it. A revision that is absent is not the same as one that is `null`.
#[derive(Deserialize)]
struct JsonEntry {
    url: Option<String>,
    #[serde(default, deserialize_with = "present")]
    revision: Option<Option<String>>,
    integrity: Option<String>,
    path: Option<String>,
    size_bytes: Option<u64>,
    sha256: Option<String>,
}

fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

fn workbox(text: &str) -> Result<Manifest, ReadError> {
    let entries: Vec<JsonEntry> = serde_json::from_str(text).map_err(ReadError::Shape)?;
    let mut manifest = Manifest::new(read_entries(entries)?)?;
    manifest.algorithm = guessed_algorithm(&manifest.entries);
    Ok(manifest)
}

#[derive(Deserialize)]
struct JsonObject {
    manifest_hash: Option<ManifestHash>,
    algorithm: Option<String>,
    entries: Option<Vec<JsonEntry>>,
    #[serde(rename = "hashTable")]
    hash_table: Option<std::collections::BTreeMap<String, String>>,
}

fn object(text: &str) -> Result<Manifest, ReadError> {
    let object: JsonObject = serde_json::from_str(text).map_err(ReadError::Shape)?;
    let mut manifest = match (object.entries, object.hash_table) {
        (Some(entries), _) => Manifest::new(read_entries(entries)?)?,
        (None, Some(table)) => Manifest::new(table.into_iter().map(hash_table_entry).collect())?,
        (None, None) => return Err(ReadError::OtherObject),
    };
    manifest.manifest_hash = object.manifest_hash;
    let named = object.algorithm.and_then(|name| name.parse().ok());
    manifest.algorithm = named.or_else(|| guessed_algorithm(&manifest.entries));
    Ok(manifest)
}

fn read_entries(entries: Vec<JsonEntry>) -> Result<Vec<Entry>, ReadError> {
    let numbered = entries.into_iter().zip(1..);
    let read = numbered.map(|(entry, index)| {
        let url = entry.url.ok_or(ReadError::NoUrl { index })?;
        let Some(revision) = entry.revision.or_else(|| entry.integrity.is_some().then_some(None)) else {
            return Err(ReadError::NoRevision { index, url });
        };
        let (integrity, path) = (entry.integrity, entry.path);
        Ok(Entry { url, revision, integrity, path, size_bytes: entry.size_bytes, sha256: entry.sha256 })
    });
    read.collect()
}

/// Angular writes file names as they are, so the URL is also the path.
fn hash_table_entry((url, sha1): (String, String)) -> Entry {
    Entry { url, revision: Some(sha1), ..Entry::default() }
}

fn checksum_lines(text: &str) -> Result<Manifest, ReadError> {
    let files = crate::sums::parse(text).map_err(|error| ReadError::Unknown { line: error.line })?;
    let mut entries = Vec::with_capacity(files.len());
    for (path, hex) in files {
        let sha256 = (hex.len() == 64).then(|| hex.clone());
        entries.push(Entry {
            url: url::encode(&path),
            revision: Some(hex),
            path: Some(path),
            sha256,
            ..Entry::default()
        });
    }
    let mut manifest = Manifest::new(entries)?;
    manifest.algorithm = guessed_algorithm(&manifest.entries);
    if manifest.algorithm == Some(Algorithm::Sha256) {
        let pairs = manifest
            .entries
            .iter()
            .filter_map(|entry| Some((entry.path.as_deref()?, entry.sha256.as_deref()?)));
        manifest.manifest_hash = Some(crate::sums::manifest_hash(pairs));
    }
    Ok(manifest)
}

/// The algorithm whose digests have the length of every revision; 64 digits are taken for SHA-256.
fn guessed_algorithm(entries: &[Entry]) -> Option<Algorithm> {
    let mut lengths = entries.iter().filter_map(|entry| entry.revision.as_deref()).map(str::len);
    let length = lengths.next()?;
    if lengths.any(|other| other != length) {
        return None;
    }
    match length {
        32 => Some(Algorithm::Md5),
        40 => Some(Algorithm::Sha1),
        64 => Some(Algorithm::Sha256),
        96 => Some(Algorithm::Sha384),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Algorithm, Entry, Manifest, manifest};
    use crate::write;

    fn error(text: &str) -> String {
        manifest(text).unwrap_err().to_string()
    }

    #[test]
    fn every_format_is_recognized() {
        let sha256 = "0".repeat(64);
        let sums = manifest(&format!("{sha256}  a b.js\n")).unwrap();
        assert_eq!((sums.algorithm, sums.entries[0].url.as_str()), (Some(Algorithm::Sha256), "a b.js"));
        assert!(sums.manifest_hash.is_some());
        let angular = manifest(
            r#"{"configVersion":1,"hashTable":{"/a.js":"da39a3ee5e6b4b0d3255bfef95601890afd80709"}}"#,
        );
        assert_eq!(angular.unwrap().algorithm, Some(Algorithm::Sha1));
        let array = manifest(r#"[{"url":"a","revision":null}]"#).unwrap();
        assert_eq!((array.algorithm, array.entries[0].revision.as_deref()), (None, None));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(error(" \n"), "is empty");
        assert_eq!(error(r#"[{"url":"a"}]"#), "entry 1 (`a`) has no revision");
        assert_eq!(error(r#"[{"url":"a","revision":null},{"revision":"x"}]"#), "entry 2 has no url");
        assert_eq!(error("{}"), "is no manifest: a JSON object with neither `entries` nor `hashTable`");
        assert!(error("[1]").starts_with("is no manifest: invalid type: integer"));
        assert!(error("<!doctype html>").ends_with("(line 1 is not `HEX  path`)"));
    }

    proptest! {
        #[test]
        fn our_own_formats_read_back(names in prop::collection::btree_set("[a-z%#?é ]{1,12}", 0..6), size in any::<u32>()) {
            let entries = names.iter().map(|name| Entry {
                url: crate::url::encode(name), revision: Some("0".repeat(32)), integrity: Some("sha256-x".into()),
                path: Some(name.clone()), size_bytes: Some(size.into()), sha256: Some("1".repeat(64)),
            });
            let mut written = Manifest::new(entries.collect()).unwrap();
            written.algorithm = (!names.is_empty()).then_some(Algorithm::Md5);
            written.manifest_hash = "ab".repeat(32).parse().ok();
            prop_assert_eq!(&manifest(&write::json(&written)).unwrap(), &written);
            let array = manifest(&write::workbox(&written.entries)).unwrap();
            prop_assert_eq!(array.entries.len(), names.len());
        }
    }
}
