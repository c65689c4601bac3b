//! Whether `version.json` beside the files names the release that the manifest names.
//!
//! The file is the one from which browsers learn the target hash (`inject --version-file`), so a build whose files
//! are right and whose `version.json` is old would never be announced.

use precache_manifest::ManifestHash;

use super::expectation::Expectation;
use super::verdict::Reading;

/// The name of the file, beside the service worker.
pub(crate) const VERSION_FILE: &str = "version.json";

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReleaseFinding {
    /// The same hash.
    Same,
    /// Another hash, or none where one should be.
    Other(String),
    /// No such file, which is fine.
    Absent,
    /// The file could not be read.
    Unread(String),
}

/// The expectation that reads the file. `precache-hash` never lists it, so no entry of a manifest is taken for it.
pub(crate) fn expectation() -> Expectation {
    Expectation {
        url: VERSION_FILE.into(),
        path: Some(VERSION_FILE.into()),
        size_bytes: None,
        promises: Vec::new(),
    }
}

/// Whether this is the one.
pub(crate) fn is_expectation(expected: &Expectation) -> bool {
    *expected == expectation()
}

/// Judges what was read.
pub(crate) fn judge(expected: ManifestHash, reading: &Reading) -> ReleaseFinding {
    match reading {
        Reading::Bytes(_, summed) => compare(expected, &summed.beginning),
        Reading::Absent(_) | Reading::Elsewhere => ReleaseFinding::Absent,
        Reading::Unread(why) | Reading::Silent(why) => ReleaseFinding::Unread(why.clone()),
    }
}

fn compare(expected: ManifestHash, bytes: &[u8]) -> ReleaseFinding {
    // A single-page fallback answers 200 with a page for every missing file.
    let Ok(version) = serde_json::from_slice::<serde_json::Value>(bytes) else {
        return ReleaseFinding::Absent;
    };
    let named = version.get("manifest_hash").and_then(serde_json::Value::as_str);
    match named.map(str::parse::<ManifestHash>) {
        Some(Ok(found)) if found == expected => ReleaseFinding::Same,
        Some(Ok(found)) => ReleaseFinding::Other(found.prefixed()),
        Some(Err(_)) | None => ReleaseFinding::Other("no manifest hash".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &str, finding: ReleaseFinding) {
        let expected = "ab".repeat(32).parse().unwrap();
        assert_eq!(compare(expected, bytes.as_bytes()), finding, "{bytes}");
    }

    #[test]
    fn tells_same_other_and_absent_apart() {
        let other = format!("sha256:{}", "cd".repeat(32));
        check(&format!("{{\"manifest_hash\":\"sha256:{}\"}}", "ab".repeat(32)), ReleaseFinding::Same);
        check(&format!("{{\"manifest_hash\":\"{other}\"}}"), ReleaseFinding::Other(other));
        check("{\"manifest_hash\":\"sha256:abc\"}", ReleaseFinding::Other("no manifest hash".into()));
        check("{}", ReleaseFinding::Other("no manifest hash".into()));
        check("<!doctype html>", ReleaseFinding::Absent);
    }
}
