//! The parsers of `precache-manifest`: hashes, checksum lines, URLs and whole manifests.

use precache_manifest::difference::{Difference, is_immutable};
use precache_manifest::{ManifestHash, read, sums, url as urls, write};

/// Both printed forms of a hash read back as the hash.
pub fn hash(text: &str) {
    let Ok(hash) = text.parse::<ManifestHash>() else { return };
    assert_eq!(hash.to_string().parse(), Ok(hash));
    assert_eq!(hash.prefixed().parse(), Ok(hash));
    assert!(text == hash.to_string() || text == hash.prefixed(), "a third spelling is accepted");
}

/// Checksum lines that were read and written again hold the same files.
pub fn sums(text: &str) {
    let Ok(mut files) = sums::parse(text) else { return };
    let pairs = || files.iter().map(|(path, hex)| (path.as_str(), hex.as_str()));
    let (written, hash) = (sums::lines(pairs()), sums::manifest_hash(pairs()));
    let read = sums::parse(&written);
    files.sort_unstable();
    assert_eq!(read.as_ref(), Ok(&files));
    let pairs = files.iter().rev().map(|(path, hex)| (path.as_str(), hex.as_str()));
    assert_eq!(sums::manifest_hash(pairs), hash, "the hash depends on the order of lines");
}

/// A decoded path stays inside its folder and survives the way to a URL and back.
pub fn url(text: &str) {
    if let Some(path) = urls::decode(text) {
        assert!(!path.starts_with('/') && !path.split('/').any(|part| part == ".."), "{path:?} leaves");
        assert_eq!(urls::decode(&urls::encode(&path)), Some(path));
    }
    let leaves = text.split('/').any(|part| part == "..");
    let is_normal = !text.starts_with('/') && !text.starts_with("./");
    if !leaves && is_normal {
        assert_eq!(urls::decode(&urls::encode(text)).as_deref(), Some(text));
    }
}

/// A manifest in any format reads back from our own format as itself, sorted, and does not differ from itself.
pub fn manifest(text: &str) {
    let Ok(manifest) = read::manifest(text) else { return };
    let mut again = read::manifest(&write::json(&manifest));
    if let Ok(again) = &mut again {
        // An algorithm that the first text did not let guess may be guessed from fewer entries, never lost.
        again.algorithm = again.algorithm.filter(|_| manifest.algorithm.is_some());
    }
    assert_eq!(again.ok().as_ref(), Some(&manifest));
    assert!(manifest.entries.is_sorted_by(|a, b| a.url < b.url), "not sorted by URL");
    let same = Difference::between(&manifest, &manifest, is_immutable);
    assert!(same.is_empty() && same.unchanged == manifest.entries.len());
    let workbox = read::manifest(&write::workbox(&manifest.entries));
    assert_eq!(workbox.map(|workbox| workbox.entries.len()).ok(), Some(manifest.entries.len()));
}
