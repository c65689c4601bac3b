//! The formats a manifest is written in, except Angular's, which is more than a list.

use serde::Serialize;

use crate::entry::{Entry, Manifest};

/// Version of the `json` format; it grows when a key changes its meaning, never when one is added.
const JSON_VERSION: u32 = 1;

/// One entry as Workbox's injection writes it: keys in alphabetical order, an absent integrity left out, an absent
/// revision `null`.
#[derive(Serialize)]
struct WorkboxEntry<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    integrity: Option<&'a str>,
    revision: Option<&'a str>,
    url: &'a str,
}

/// The array that `workbox-build` injects, byte for byte, with its entries sorted by URL.
pub fn workbox(entries: &[Entry]) -> String {
    let entries: Vec<WorkboxEntry<'_>> = entries
        .iter()
        .map(|entry| WorkboxEntry {
            integrity: entry.integrity.as_deref(),
            revision: entry.revision.as_deref(),
            url: &entry.url,
        })
        .collect();
    to_json(&entries)
}

#[derive(Serialize)]
struct JsonManifest<'a> {
    r#type: &'a str,
    v: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    manifest_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    algorithm: Option<&'a str>,
    files: usize,
    total_bytes: u64,
    entries: Vec<JsonEntry<'a>>,
}

#[derive(Serialize)]
struct JsonEntry<'a> {
    url: &'a str,
    revision: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    integrity: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<&'a str>,
}

/// The full manifest as one JSON object on one line: hash, totals, and everything known of each entry.
pub fn json(manifest: &Manifest) -> String {
    to_json(&JsonManifest {
        r#type: "summary",
        v: JSON_VERSION,
        manifest_hash: manifest.manifest_hash.map(|hash| hash.prefixed()),
        algorithm: manifest.algorithm.map(|algorithm| algorithm.name()),
        files: manifest.entries.len(),
        total_bytes: manifest.total_bytes(),
        entries: manifest.entries.iter().map(json_entry).collect(),
    })
}

fn json_entry(entry: &Entry) -> JsonEntry<'_> {
    JsonEntry {
        url: &entry.url,
        revision: entry.revision.as_deref(),
        integrity: entry.integrity.as_deref(),
        path: entry.path.as_deref(),
        size_bytes: entry.size_bytes,
        sha256: entry.sha256.as_deref(),
    }
}

/// Values of these types have no keys but texts and cannot fail to serialize.
fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// The URLs, each ended by `separator`: a line feed, or NUL for `xargs -0`.
pub fn urls(entries: &[Entry], separator: char) -> String {
    let mut text = String::new();
    for entry in entries {
        text.push_str(&entry.url);
        text.push(separator);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Entry, Manifest, urls, workbox};

    #[test]
    fn workbox_keys_are_in_alphabetical_order() {
        let plain = Entry { url: "a\"b".into(), revision: Some("1".into()), ..Entry::default() };
        let pinned = Entry { url: "b".into(), integrity: Some("sha384-x".into()), ..Entry::default() };
        assert_eq!(
            workbox(&[plain, pinned]),
            r#"[{"revision":"1","url":"a\"b"},{"integrity":"sha384-x","revision":null,"url":"b"}]"#
        );
    }

    #[test]
    fn a_manifest_without_entries_is_still_valid() {
        assert_eq!(
            super::json(&Manifest::default()),
            r#"{"type":"summary","v":1,"files":0,"total_bytes":0,"entries":[]}"#
        );
        assert_eq!(workbox(&[]), "[]");
    }

    #[test]
    fn urls_end_with_the_separator() {
        let entry = |url: &str| Entry { url: url.into(), ..Entry::default() };
        assert_eq!(urls(&[entry("a b"), entry("c")], '\0'), "a b\0c\0");
    }
}
