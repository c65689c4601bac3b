//! What changed between two releases, and what that costs a returning client.
//!
//! A client fetches every URL that is new or has a new revision; the service worker keeps the rest. A file under an
//! immutable name (one with a content hash, or without a revision) must never change its content: caches that
//! hold the old bytes will go on serving them.

use std::collections::BTreeMap;

use crate::entry::{Entry, Manifest};

/// A file that only got another URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rename {
    /// Its URL in the old release.
    pub from: String,
    /// Its entry in the new release.
    pub to: Entry,
}

/// What differs; every list is sorted by URL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// URLs only in the new release whose content is new too.
    pub added: Vec<Entry>,
    /// URLs only in the old release whose content is gone too.
    pub removed: Vec<Entry>,
    /// URLs in both with another content, as they are in the new release.
    pub changed: Vec<Entry>,
    /// Content in both under another URL.
    pub renamed: Vec<Rename>,
    /// Changed entries whose name promised that they never change.
    pub poisoned: Vec<Entry>,
    /// How many entries are the same in both.
    pub unchanged: usize,
}

impl Difference {
    /// Compares two releases. `is_immutable` tells which URLs promise to keep their content.
    pub fn between(old: &Manifest, new: &Manifest, is_immutable: impl Fn(&Entry) -> bool) -> Difference {
        let mut difference = Difference::default();
        for entry in &new.entries {
            match old.find(&entry.url) {
                None => difference.added.push(entry.clone()),
                Some(before) if is_same(before, entry) => difference.unchanged += 1,
                Some(_) => difference.changed.push(entry.clone()),
            }
        }
        difference.removed =
            old.entries.iter().filter(|entry| new.find(&entry.url).is_none()).cloned().collect();
        difference.poisoned =
            difference.changed.iter().filter(|entry| is_immutable(entry)).cloned().collect();
        difference.pair_renames();
        difference
    }

    /// Whether both releases are the same to a client.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty() && self.renamed.is_empty()
    }

    /// The entries a returning client must fetch, sorted by URL. A renamed file is fetched again under its new URL.
    pub fn fetched(&self) -> Vec<&Entry> {
        let renamed = self.renamed.iter().map(|rename| &rename.to);
        let mut fetched: Vec<&Entry> = self.added.iter().chain(&self.changed).chain(renamed).collect();
        fetched.sort_by(|a, b| a.url.cmp(&b.url));
        fetched
    }

    /// The URLs that clients of the old release may still ask for and the new release no longer has.
    pub fn kept_for_old_clients(&self) -> Vec<&str> {
        let renamed = self.renamed.iter().map(|rename| rename.from.as_str());
        let mut urls: Vec<&str> =
            self.removed.iter().map(|entry| entry.url.as_str()).chain(renamed).collect();
        urls.sort_unstable();
        urls
    }

    /// Moves each pair of a removed and an added entry with one content into `renamed`, first come first served.
    fn pair_renames(&mut self) {
        let mut gone: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
        for entry in self.removed.drain(..).rev() {
            gone.entry(entry.content().unwrap_or_default().to_owned()).or_default().push(entry);
        }
        let (mut added, mut renamed) = (Vec::new(), Vec::new());
        for entry in self.added.drain(..) {
            let twin = entry.content().and_then(|content| gone.get_mut(content)).and_then(Vec::pop);
            match twin {
                Some(before) => renamed.push(Rename { from: before.url, to: entry }),
                None => added.push(entry),
            }
        }
        self.removed = gone.into_values().flatten().collect();
        self.removed.sort_by(|a, b| a.url.cmp(&b.url));
        (self.added, self.renamed) = (added, renamed);
    }
}

/// Equal content where both releases know it, else equal revisions.
fn is_same(old: &Entry, new: &Entry) -> bool {
    match (&old.sha256, &new.sha256) {
        (Some(before), Some(after)) => before == after,
        _ => old.revision == new.revision,
    }
}

/// Whether a URL's file name carries a content hash, as bundlers write it: a part of eight or more letters, digits
/// or underscores between `.` or `-` and the extension that mixes digits with letters (`main.5f2c9a1b.js`,
/// `index-BxYz12Ab.css`, `chunk-K7QW2M4P.js`), or an entry without a revision.
pub fn is_immutable(entry: &Entry) -> bool {
    if entry.revision.is_none() {
        return true;
    }
    let path = entry.url.split(['?', '#']).next().unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    let Some((stem, _)) = name.split_once('.').and_then(|_| name.rsplit_once('.')) else {
        return false;
    };
    stem.split(['.', '-']).skip(1).any(is_content_hash)
}

fn is_content_hash(part: &str) -> bool {
    let has = |wanted: fn(&u8) -> bool| part.bytes().any(|byte| wanted(&byte));
    part.len() >= 8
        && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_alphabetic)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Difference, Entry, Manifest, is_immutable};

    fn release(files: &[(&str, &str)]) -> Manifest {
        let entry = |(url, content): &(&str, &str)| Entry {
            url: (*url).into(),
            revision: Some((*content).into()),
            size_bytes: Some(content.len() as u64),
            ..Entry::default()
        };
        Manifest::new(files.iter().map(entry).collect()).unwrap()
    }

    fn urls(entries: &[Entry]) -> Vec<&str> {
        entries.iter().map(|entry| entry.url.as_str()).collect()
    }

    #[test]
    fn tells_added_removed_changed_and_renamed_apart() {
        let old = release(&[("a", "1"), ("b", "2"), ("gone", "3"), ("old-name", "4")]);
        let new = release(&[("a", "1"), ("b", "22"), ("fresh", "5"), ("new-name", "4")]);
        let difference = Difference::between(&old, &new, is_immutable);
        assert_eq!(urls(&difference.added), ["fresh"]);
        assert_eq!(urls(&difference.removed), ["gone"]);
        assert_eq!(urls(&difference.changed), ["b"]);
        assert_eq!(difference.renamed[0].from, "old-name");
        assert_eq!(difference.kept_for_old_clients(), ["gone", "old-name"]);
        let fetched: Vec<&str> = difference.fetched().iter().map(|entry| entry.url.as_str()).collect();
        assert_eq!(fetched, ["b", "fresh", "new-name"]);
    }

    #[test]
    fn a_hashed_name_with_new_content_is_poison() {
        let old = release(&[("main.5f2c9a1b.js", "1"), ("style.css", "1")]);
        let new = release(&[("main.5f2c9a1b.js", "2"), ("style.css", "2")]);
        assert_eq!(urls(&Difference::between(&old, &new, is_immutable).poisoned), ["main.5f2c9a1b.js"]);
    }

    #[test]
    fn content_hashes_are_told_from_words() {
        let named = |url: &str| {
            is_immutable(&Entry { url: url.into(), revision: Some("1".into()), ..Entry::default() })
        };
        for url in
            ["main.5f2c9a1b.js", "a/index-BxYz12Ab.css", "chunk-K7QW2M4P.js", "x.0123456789abcdef.map?v"]
        {
            assert!(named(url), "{url}");
        }
        for url in [
            "main.js",
            "polyfills-modern.js",
            "jquery-3.7.1.min.js",
            "report-20261123.html",
            "5f2c9a1b",
            "5f2c9a1b.js",
        ] {
            assert!(!named(url), "{url}");
        }
    }

    fn files() -> impl Strategy<Value = Manifest> {
        prop::collection::btree_map("[a-f]", "[0-3]", 0..6).prop_map(|files| {
            release(&files.iter().map(|(url, content)| (url.as_str(), content.as_str())).collect::<Vec<_>>())
        })
    }

    proptest! {
        #[test]
        fn a_release_does_not_differ_from_itself(release in files()) {
            prop_assert!(Difference::between(&release, &release, is_immutable).is_empty());
        }

        #[test]
        fn applying_the_difference_gives_the_new_release(old in files(), new in files()) {
            let difference = Difference::between(&old, &new, is_immutable);
            let dropped = difference.kept_for_old_clients();
            let fetched = difference.fetched();
            let is_refetched = |entry: &&Entry| fetched.iter().any(|fresh| fresh.url == entry.url);
            let kept = old.entries.iter().filter(|entry| !dropped.contains(&entry.url.as_str()) && !is_refetched(entry));
            let applied = Manifest::new(kept.chain(fetched.iter().copied()).cloned().collect()).unwrap();
            prop_assert_eq!(applied, new);
        }
    }
}
