//! Reads the entries of a manifest from a folder.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};

use precache_manifest::url;

use super::address;
use super::crew::Source;
use super::diagnosis::Circumstances;
use super::expectation::Expectation;
use super::tally::Tally;
use super::verdict::Reading;

/// A folder, and the URL path under which it is published.
#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
    base_href: String,
}

impl Folder {
    /// The folder `root`, published at `base_href`.
    pub(crate) fn new(root: PathBuf, base_href: &str) -> Self {
        Folder { root, base_href: base_href.trim_end_matches('/').into() }
    }

    /// The files that a URL may mean, the likeliest first; none if it lies elsewhere.
    ///
    /// Angular writes file names as they are, Workbox's format holds URLs: so the literal name comes first.
    fn candidates(&self, expected: &Expectation) -> Vec<PathBuf> {
        let names = match &expected.path {
            Some(path) => vec![path.clone()],
            None => {
                let Some(relative) = relative_url(&expected.url, &self.base_href) else { return Vec::new() };
                vec![relative.into(), url::decode(relative).unwrap_or_default()]
            }
        };
        names.iter().filter(|name| stays_inside(name)).map(|name| self.root.join(name)).collect()
    }
}

impl Source for Folder {
    fn place(&self, expected: &Expectation) -> String {
        let candidates = self.candidates(expected);
        let found = candidates.iter().find(|path| path.is_file()).or(candidates.last());
        found.map_or_else(|| expected.url.clone(), |path| path.display().to_string())
    }

    fn read(&self, expected: &Expectation) -> Reading {
        let candidates = self.candidates(expected);
        if candidates.is_empty() {
            return Reading::Elsewhere;
        }
        for path in &candidates {
            match read_file(path, Tally::new(&expected.promises)) {
                Ok(tally) => return Reading::Bytes(Circumstances::default(), tally.finish()),
                Err(error) if is_absence(&error) => {}
                Err(error) => return Reading::Unread(error.to_string()),
            }
        }
        Reading::Absent(Circumstances::default())
    }
}

fn read_file(path: &Path, mut tally: Tally) -> io::Result<Tally> {
    let mut file = File::open(path)?;
    let mut buffer = [0; 64 * 1024];
    loop {
        let count = file.read(&mut buffer)?;
        match buffer.get(..count) {
            Some(piece) if count > 0 => tally.write_all(piece)?,
            _ => return Ok(tally),
        }
    }
}

fn is_absence(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidFilename, InvalidInput, IsADirectory, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | IsADirectory | NotADirectory | InvalidFilename | InvalidInput)
}

/// The part of a URL below the base href, without a leading slash or `./`.
fn relative_url<'u>(url: &'u str, base_href: &str) -> Option<&'u str> {
    let below = match url.strip_prefix(base_href).filter(|_| !base_href.is_empty()) {
        Some(below) if below.starts_with('/') => below,
        _ if address::is_url(url) || url.starts_with("//") => return None,
        _ => url,
    };
    let below = below.trim_start_matches('/');
    Some(below.strip_prefix("./").unwrap_or(below))
}

fn stays_inside(name: &str) -> bool {
    !name.is_empty() && Path::new(name).components().all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(base_href: &str, url: &str, candidates: &[&str]) {
        let expected = Expectation { url: url.into(), path: None, size_bytes: None, promises: Vec::new() };
        let found = Folder::new("d".into(), base_href).candidates(&expected);
        assert_eq!(found, candidates.iter().map(PathBuf::from).collect::<Vec<_>>(), "{url}");
    }

    #[test]
    fn finds_the_file_of_a_url() {
        check("/", "a/b.js", &["d/a/b.js", "d/a/b.js"]);
        check("/", "h%23x.js", &["d/h%23x.js", "d/h#x.js"]);
        check("/app/", "/app/a.js", &["d/a.js", "d/a.js"]);
        check("/app/", "/apple.js", &["d/apple.js", "d/apple.js"]);
        check("./", "./a.js", &["d/a.js", "d/a.js"]);
        check("https://cdn.dev/x/", "https://cdn.dev/x/a.js", &["d/a.js", "d/a.js"]);
    }

    #[test]
    fn never_leaves_the_folder() {
        check("/", "../secret", &[]);
        check("/", "a/%2e%2e/../secret", &[]);
        check("/", "//etc/passwd", &[]);
        check("/", "https://cdn.dev/a.js", &[]);
        let absolute = Expectation {
            url: "x".into(),
            path: Some("/etc/passwd".into()),
            size_bytes: None,
            promises: vec![],
        };
        assert!(Folder::new("d".into(), "/").candidates(&absolute).is_empty());
    }
}
