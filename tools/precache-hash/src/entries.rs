//! From hashed files to the entries of a manifest.
//!
//! The order of the steps is workbox-build's: digest, templates, prefix, revisions dropped, additional entries. What
//! workbox-build does not do: names become URLs, and conflicting entries are refused.

use std::borrow::Cow;

use precache_manifest::digest::of_bytes;
use precache_manifest::entry::ConflictError;
use precache_manifest::{Algorithm, Entry, Manifest, sums, url};
use unicode_normalization::UnicodeNormalization;

use crate::additions::{Addition, Prefix, Template, TemplateSources, UrlRegex, with_prefix};
use crate::hashing::Hashed;
use crate::selection::Pattern;

/// A file and what is known of it.
#[derive(Clone, Debug)]
pub struct HashedFile {
    /// Relative to the build folder.
    pub path: String,
    /// Whether it is listed itself; the others only feed templates.
    pub is_listed: bool,
    /// Size and digests.
    pub hashed: Hashed,
}

/// How files become entries.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// What revisions are.
    pub revision: Algorithm,
    /// What integrity metadata is, if wanted.
    pub integrity: Option<Algorithm>,
    /// Replaced beginnings of URLs.
    pub prefixes: &'a [Prefix],
    /// URLs without revision.
    pub no_revision: &'a [UrlRegex],
    /// Entries that are no files.
    pub additions: &'a [Addition],
    /// Pages made from files.
    pub templates: &'a [Template],
    /// Whether wildcards of templates match dotfiles.
    pub dot: bool,
}

/// A template whose patterns match nothing, by URL and pattern list, or entries in conflict.
#[derive(Debug, thiserror::Error)]
pub enum EntriesError {
    /// As Workbox, an empty template is an error, because its revision would never change.
    #[error("template `{url}`: no file matches")]
    EmptyTemplate {
        /// The template's URL.
        url: String,
    },
    /// Entries that no service worker can install together.
    #[error(transparent)]
    Conflict(#[from] ConflictError),
}

/// The manifest of `files`.
///
/// # Errors
/// When a template has no files or two entries are in conflict.
pub fn manifest(files: &[HashedFile], rules: Rules<'_>) -> Result<Manifest, EntriesError> {
    let mut entries: Vec<Entry> =
        files.iter().filter(|file| file.is_listed).map(|file| file_entry(file, rules)).collect();
    for template in rules.templates {
        entries.push(template_entry(template, files, rules)?);
    }
    for entry in &mut entries {
        entry.url = with_prefix(&entry.url, rules.prefixes);
        if rules.no_revision.iter().any(|regex| regex.finds(&entry.url)) {
            entry.revision = None;
        }
    }
    let additions = rules.additions.iter();
    entries.extend(additions.map(|Addition { url, revision }| Entry {
        url: url.clone(),
        revision: revision.clone(),
        ..Entry::default()
    }));
    let mut manifest = Manifest::new(entries)?;
    manifest.algorithm = Some(rules.revision);
    let sums = files
        .iter()
        .filter(|file| file.is_listed)
        .map(|file| (file.path.as_str(), hex(file, Algorithm::Sha256)));
    let known: Option<Vec<(&str, String)>> = sums.map(|(path, hex)| Some((path, hex?))).collect();
    manifest.manifest_hash =
        known.map(|known| sums::manifest_hash(known.iter().map(|(path, hex)| (*path, hex.as_str()))));
    Ok(manifest)
}

fn hex(file: &HashedFile, algorithm: Algorithm) -> Option<String> {
    file.hashed.digest(algorithm).map(precache_manifest::digest::Digest::hex)
}

fn size(file: &HashedFile) -> u64 {
    match file.hashed {
        Hashed::Digests(size, _) | Hashed::TooLarge(size) => size,
    }
}

fn file_entry(file: &HashedFile, rules: Rules<'_>) -> Entry {
    let integrity = rules.integrity.and_then(|algorithm| file.hashed.digest(algorithm));
    Entry {
        url: url::encode(&file.path),
        revision: hex(file, rules.revision),
        integrity: integrity.map(precache_manifest::digest::Digest::integrity),
        path: Some(file.path.clone()),
        size_bytes: Some(size(file)),
        sha256: hex(file, Algorithm::Sha256),
    }
}

fn template_entry(
    template: &Template,
    files: &[HashedFile],
    rules: Rules<'_>,
) -> Result<Entry, EntriesError> {
    let (material, size_bytes) = match &template.sources {
        TemplateSources::Text(text) => (text.clone(), text.len() as u64),
        TemplateSources::Files(patterns) => {
            let parts: Vec<&HashedFile> =
                patterns.iter().flat_map(|pattern| matching(files, pattern, rules.dot)).collect();
            if parts.is_empty() {
                return Err(EntriesError::EmptyTemplate { url: template.url.clone() });
            }
            let digests = parts.iter().filter_map(|file| hex(file, rules.revision));
            (digests.collect(), parts.iter().map(|file| size(file)).sum())
        }
    };
    Ok(Entry {
        url: template.url.clone(),
        revision: Some(of_bytes(rules.revision, material.as_bytes()).hex()),
        size_bytes: Some(size_bytes),
        ..Entry::default()
    })
}

fn matching<'a>(
    files: &'a [HashedFile],
    pattern: &'a Pattern,
    dot: bool,
) -> impl Iterator<Item = &'a HashedFile> {
    files.iter().filter(move |file| pattern.fits(&file.path, dot))
}

/// Groups of paths that some file systems or servers take for one name: they differ only in Unicode normalization
/// form or in case.
pub fn twins<'a>(paths: impl IntoIterator<Item = &'a str>) -> Vec<Vec<&'a str>> {
    let mut folded: Vec<(Cow<'a, str>, &'a str)> =
        paths.into_iter().map(|path| (folded(path), path)).collect();
    folded.sort_unstable();
    let groups = folded.chunk_by(|(a, _), (b, _)| a == b).filter(|group| group.len() > 1);
    groups.map(|group| group.iter().map(|(_, path)| *path).collect()).collect()
}

/// What twins have in common. Most names are their own folding and cost nothing.
fn folded(path: &str) -> Cow<'_, str> {
    if !path.is_ascii() {
        return Cow::Owned(path.nfc().flat_map(char::to_lowercase).collect());
    }
    if path.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Owned(path.to_ascii_lowercase());
    }
    Cow::Borrowed(path)
}

#[cfg(test)]
mod tests {
    use precache_manifest::digest::of_bytes;

    use super::{Algorithm, EntriesError, Hashed, HashedFile, Rules, manifest, twins};

    fn file(path: &str, content: &str) -> HashedFile {
        let digests = Algorithm::ALL.map(|algorithm| of_bytes(algorithm, content.as_bytes()));
        let hashed = Hashed::Digests(content.len() as u64, digests.to_vec());
        HashedFile { path: path.into(), is_listed: true, hashed }
    }

    const RULES: Rules<'static> = Rules {
        revision: Algorithm::Md5,
        integrity: None,
        prefixes: &[],
        no_revision: &[],
        additions: &[],
        templates: &[],
        dot: false,
    };

    #[test]
    fn prefix_comes_before_revisions_are_dropped_and_additions_after_both() {
        let (prefixes, no_revision) = (["js/=/cdn/".parse().unwrap()], ["^/cdn/".parse().unwrap()]);
        let additions = ["/cdn/extra=7".parse().unwrap()];
        let rules = Rules { prefixes: &prefixes, no_revision: &no_revision, additions: &additions, ..RULES };
        let built = manifest(&[file("js/a#1.js", "a"), file("b.css", "b")], rules).unwrap();
        let pairs: Vec<_> =
            built.entries.iter().map(|entry| (entry.url.as_str(), entry.revision.as_deref())).collect();
        let b = "92eb5ffee6ae2fec3ad71c777531578f";
        assert_eq!(pairs, [("/cdn/a%231.js", None), ("/cdn/extra", Some("7")), ("b.css", Some(b))]);
    }

    #[test]
    fn a_template_is_the_digest_of_the_digests() {
        let templates = ["/shell=*.html".parse().unwrap(), "/text=text:abc".parse().unwrap()];
        let built =
            manifest(&[file("a.html", "a"), file("b.html", "b")], Rules { templates: &templates, ..RULES })
                .unwrap();
        let digests = ["0cc175b9c0f1b6a831c399e269772661", "92eb5ffee6ae2fec3ad71c777531578f"].concat();
        let revision = |url: &str| built.find(url).unwrap().revision.clone().unwrap();
        assert_eq!(revision("/shell"), of_bytes(Algorithm::Md5, digests.as_bytes()).hex());
        assert_eq!(revision("/text"), "900150983cd24fb0d6963f7d28e17f72");
        let empty = ["/shell=*.php".parse().unwrap()];
        let error = manifest(&[], Rules { templates: &empty, ..RULES }).unwrap_err();
        assert!(matches!(error, EntriesError::EmptyTemplate { url } if url == "/shell"));
    }

    #[test]
    fn files_of_templates_are_no_part_of_the_hash() {
        let listed = file("a.html", "a");
        let part = HashedFile { is_listed: false, ..file("part.tpl", "x") };
        let alone = manifest(std::slice::from_ref(&listed), RULES).unwrap();
        let with_part = manifest(&[listed, part], RULES).unwrap();
        assert_eq!(alone.manifest_hash, with_part.manifest_hash);
        assert!(alone.manifest_hash.is_some());
        assert_eq!(with_part.entries.len(), 1);
    }

    #[test]
    fn twins_differ_in_case_or_normalization_only() {
        let found = twins(["A.js", "a.js", "b.js", "caf\u{e9}.js", "cafe\u{301}.js"]);
        assert_eq!(found, [vec!["A.js", "a.js"], vec!["cafe\u{301}.js", "caf\u{e9}.js"]]);
    }
}
