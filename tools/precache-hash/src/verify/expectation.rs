//! What a manifest promises about each URL: which file it is, and which digests its bytes must have.

use precache_manifest::{Algorithm, Entry, Manifest};

/// A digest that the bytes must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Promise {
    /// How to compute it.
    pub(crate) algorithm: Algorithm,
    /// Hexadecimal digits, or integrity metadata as it stands in the manifest.
    pub(crate) text: String,
}

/// One entry of the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expectation {
    /// Its URL as it stands in the manifest.
    pub(crate) url: String,
    /// Path below the build folder, where the manifest tells.
    pub(crate) path: Option<String>,
    /// Size, where the manifest tells.
    pub(crate) size_bytes: Option<u64>,
    /// What must hold; nothing for an entry whose revision is no digest.
    pub(crate) promises: Vec<Promise>,
}

/// The expectations of a manifest. `algorithm` says what its revisions are; else their length does.
pub(crate) fn expectations(manifest: &Manifest, algorithm: Option<Algorithm>) -> Vec<Expectation> {
    let algorithm = algorithm.or(manifest.algorithm);
    // Only the full format says which entries are files; there, the revision of any other entry is just a text.
    let tells_files = manifest.entries.iter().any(|entry| entry.path.is_some());
    let expectation = |entry| expectation(entry, algorithm, tells_files);
    manifest.entries.iter().map(expectation).collect()
}

fn expectation(entry: &Entry, algorithm: Option<Algorithm>, tells_files: bool) -> Expectation {
    let mut promises = Vec::new();
    let is_file = entry.path.is_some() || !tells_files;
    if let Some(sha256) = &entry.sha256 {
        promises.push(Promise { algorithm: Algorithm::Sha256, text: sha256.clone() });
    } else if let Some(revision) = entry.revision.as_deref().filter(|_| is_file) {
        promises.extend(revision_promise(revision, algorithm));
    }
    // One algorithm of integrity metadata is enough: a browser checks the strongest.
    let integrity = entry.integrity.as_deref().unwrap_or_default().split_ascii_whitespace();
    promises.extend(integrity.filter_map(integrity_promise).max_by_key(|promise| promise.text.len()));
    Expectation { url: entry.url.clone(), path: entry.path.clone(), size_bytes: entry.size_bytes, promises }
}

fn revision_promise(revision: &str, algorithm: Option<Algorithm>) -> Option<Promise> {
    if !revision.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let by_length = match revision.len() {
        32 => Algorithm::Md5,
        40 => Algorithm::Sha1,
        64 => Algorithm::Sha256,
        96 => Algorithm::Sha384,
        _ => return None,
    };
    let algorithm = match algorithm {
        Some(Algorithm::Blake3) if by_length == Algorithm::Sha256 => Algorithm::Blake3,
        _ => by_length,
    };
    Some(Promise { algorithm, text: revision.to_ascii_lowercase() })
}

fn integrity_promise(metadata: &str) -> Option<Promise> {
    let (name, _) = metadata.split_once('-')?;
    let algorithm =
        name.parse().ok().filter(|known| matches!(known, Algorithm::Sha256 | Algorithm::Sha384))?;
    // Options behind a question mark are reserved and ignored (SRI section 3.1).
    let text = metadata.split('?').next().unwrap_or(metadata).to_owned();
    Some(Promise { algorithm, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(entry: Entry, promises: &[(Algorithm, &str)]) {
        let manifest = Manifest::new(vec![entry]).unwrap();
        let found = expectations(&manifest, None).remove(0).promises;
        let found: Vec<_> = found.iter().map(|promise| (promise.algorithm, promise.text.as_str())).collect();
        assert_eq!(found, promises);
    }

    fn entry(revision: Option<&str>) -> Entry {
        Entry { url: "a".into(), revision: revision.map(String::from), ..Entry::default() }
    }

    #[test]
    fn takes_a_revision_for_the_digest_of_its_length() {
        check(entry(Some(&"AB".repeat(16))), &[(Algorithm::Md5, &"ab".repeat(16))]);
        check(entry(Some(&"0".repeat(40))), &[(Algorithm::Sha1, &"0".repeat(40))]);
        check(entry(Some("v2")), &[]);
        check(entry(None), &[]);
    }

    #[test]
    fn prefers_sha256_and_adds_the_strongest_integrity() {
        let integrity = Some("sha256-x sha384-xyz?ct=js sha512-ignored".into());
        let entry = Entry { sha256: Some("1".repeat(64)), integrity, ..entry(Some(&"0".repeat(32))) };
        check(entry, &[(Algorithm::Sha256, &"1".repeat(64)), (Algorithm::Sha384, "sha384-xyz")]);
    }

    #[test]
    fn expects_no_content_of_entries_that_are_no_files_of_the_full_format() {
        let file = Entry { url: "b".into(), path: Some("b".into()), ..entry(Some(&"0".repeat(32))) };
        let manifest = Manifest::new(vec![entry(Some(&"0".repeat(32))), file]).unwrap();
        let counts: Vec<_> = expectations(&manifest, None).iter().map(|e| e.promises.len()).collect();
        assert_eq!(counts, [0, 1]);
    }

    #[test]
    fn takes_64_digits_for_blake3_where_told() {
        let manifest = Manifest::new(vec![entry(Some(&"0".repeat(64)))]).unwrap();
        let found = expectations(&manifest, Some(Algorithm::Blake3));
        assert_eq!(found[0].promises[0].algorithm, Algorithm::Blake3);
    }
}
