//! Entries of a manifest, and what makes a set of them a manifest that a service worker can install.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::manifest_hash::ManifestHash;
use crate::url::comparable;

/// How the bytes of a file become a revision or an integrity value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// MD5 (RFC 1321): what Workbox writes as revision.
    Md5,
    /// SHA-1: what Angular's hash table holds.
    Sha1,
    /// SHA-256: what checksum lines and the manifest hash are made of.
    Sha256,
    /// SHA-384: the usual choice for subresource integrity.
    Sha384,
    /// BLAKE3: the fastest on large trees.
    Blake3,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Algorithm; 5] =
        [Algorithm::Md5, Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha384, Algorithm::Blake3];

    /// The name on the command line and in files.
    pub const fn name(self) -> &'static str {
        match self {
            Algorithm::Md5 => "md5",
            Algorithm::Sha1 => "sha1",
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha384 => "sha384",
            Algorithm::Blake3 => "blake3",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A name that is none of the algorithms.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("`{0}` is not md5, sha1, sha256, sha384 or blake3")]
pub struct UnknownAlgorithm(String);

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(text: &str) -> Result<Algorithm, UnknownAlgorithm> {
        let known = Algorithm::ALL.into_iter().find(|algorithm| algorithm.name() == text);
        known.ok_or_else(|| UnknownAlgorithm(text.to_owned()))
    }
}

/// One URL that a release consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The URL as the service worker requests it, relative to its own folder unless it begins with `/`.
    pub url: String,
    /// Lower-case hexadecimal digest of the content; `None` when the URL itself changes with the content.
    pub revision: Option<String>,
    /// Subresource integrity metadata, such as `sha384-…` in Base64.
    pub integrity: Option<String>,
    /// Path of the file below the build folder, when the entry is a file.
    pub path: Option<String>,
    /// Size of the file in bytes.
    pub size_bytes: Option<u64>,
    /// SHA-256 of the file in lower-case hexadecimal digits.
    pub sha256: Option<String>,
}

impl Entry {
    /// The digest that tells whether the content changed: SHA-256 where known, else the revision.
    pub fn content(&self) -> Option<&str> {
        self.sha256.as_deref().or(self.revision.as_deref())
    }
}

/// All URLs of a release, sorted by URL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The entries, each URL once.
    pub entries: Vec<Entry>,
    /// The hash of the release, when it is known.
    pub manifest_hash: Option<ManifestHash>,
    /// What the revisions are, when it is known.
    pub algorithm: Option<Algorithm>,
}

/// Entries that no service worker could install together.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ConflictError {
    /// Workbox ends with `add-to-cache-list-conflicting-entries` on these.
    #[error("two entries for one URL, and they differ: {}", spellings(first, second))]
    SameUrl {
        /// The entry sorted first.
        first: String,
        /// The other.
        second: String,
    },
}

fn spellings(first: &str, second: &str) -> String {
    if first == second { format!("`{first}`") } else { format!("`{first}` and `{second}`") }
}

impl Manifest {
    /// Sorts `entries` by the bytes of their URLs, drops exact repetitions and refuses conflicting ones.
    ///
    /// # Errors
    /// When two entries name one URL, after percent-decoding and without a leading `./`, and differ otherwise.
    pub fn new(mut entries: Vec<Entry>) -> Result<Manifest, ConflictError> {
        entries.sort_by(|a, b| (&a.url, &a.path).cmp(&(&b.url, &b.path)));
        entries.dedup();
        let mut seen: HashMap<Cow<'_, [u8]>, &str> = HashMap::with_capacity(entries.len());
        for entry in &entries {
            if let Some(first) = seen.insert(comparable(&entry.url), &entry.url) {
                return Err(ConflictError::SameUrl { first: first.to_owned(), second: entry.url.clone() });
            }
        }
        Ok(Manifest { entries, ..Manifest::default() })
    }

    /// The sum of all known sizes in bytes; sizes that a foreign manifest made up may exceed every number.
    pub fn total_bytes(&self) -> u64 {
        self.entries.iter().filter_map(|entry| entry.size_bytes).fold(0, u64::saturating_add)
    }

    /// The entry of `url`.
    pub fn find(&self, url: &str) -> Option<&Entry> {
        let index = self.entries.binary_search_by(|entry| entry.url.as_str().cmp(url)).ok()?;
        self.entries.get(index)
    }
}

#[cfg(test)]
mod tests {
    use super::{Algorithm, ConflictError, Entry, Manifest};

    fn entry(url: &str, revision: &str) -> Entry {
        Entry { url: url.into(), revision: Some(revision.into()), ..Entry::default() }
    }

    #[test]
    fn order_of_entries_does_not_matter() {
        let (a, b) = (entry("a", "1"), entry("b", "2"));
        let manifest = Manifest::new(vec![b.clone(), a.clone(), b.clone()]).unwrap();
        assert_eq!(manifest.entries, [a, b]);
    }

    #[test]
    fn one_url_with_two_contents_is_refused_in_any_spelling() {
        for (first, second) in [("x", "x"), ("a b", "a%20b"), ("./x", "x")] {
            let error = Manifest::new(vec![entry(first, "1"), entry(second, "2")]).unwrap_err();
            let ConflictError::SameUrl { first: named, second: other } = error;
            assert_eq!((named.as_str(), other.as_str()), (first, second));
        }
    }

    #[test]
    fn algorithms_read_back_their_names() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
        }
        assert_eq!(
            "md6".parse::<Algorithm>().unwrap_err().to_string(),
            "`md6` is not md5, sha1, sha256, sha384 or blake3"
        );
    }
}
