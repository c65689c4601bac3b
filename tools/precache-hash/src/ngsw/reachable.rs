//! Which file names Angular's worker cannot fetch.
//!
//! `ngsw.json` holds names as they are in the folder, and the worker takes each for a URL: `normalizeUrl` in
//! `packages/service-worker/worker/src/adapter.ts` keeps `new URL(name, scope).pathname`. So `h#x.js` is fetched as
//! `h`, `q?x.js` as `q`, `a\b.js` as `a/b.js`, `%41.js` arrives at the server as `A.js`, and white space that the URL
//! parser strips (url.spec.whatwg.org, basic URL parser, steps 1 and 3) is lost. The answer is 404 or another file's
//! bytes, and one such answer in a group with `installMode: prefetch` fails the installation of the whole version.

use super::config::Config;
use super::selection::Selection;

/// A file that the worker will not find under the name in the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreachable {
    /// The file, relative to the build folder.
    pub path: String,
    /// The character that breaks its URL, readable.
    pub culprit: &'static str,
    /// Whether the worker cannot install the version at all, or only will not cache this file.
    pub breaks_install: bool,
}

/// The selected files that the worker cannot fetch: none once names are encoded.
pub fn unreachable(config: &Config, selection: &Selection) -> Vec<Unreachable> {
    let mut found = Vec::new();
    if config.has_encoded_names {
        return found;
    }
    for (group, files) in config.asset_groups.iter().zip(selection.groups()) {
        for path in files {
            if let Some(culprit) = culprit(path) {
                found.push(Unreachable {
                    path: path.trim_start_matches('/').into(),
                    culprit,
                    breaks_install: group.install_mode == "prefetch",
                });
            }
        }
    }
    found
}

fn culprit(path: &str) -> Option<&'static str> {
    let inside = path.chars().find_map(|c| match c {
        '%' => Some("%"),
        '#' => Some("#"),
        '?' => Some("?"),
        '\\' => Some("\\"),
        '\t' => Some("a tab"),
        '\n' | '\r' => Some("a line break"),
        _ => None,
    });
    inside.or_else(|| path.ends_with(|c| c <= ' ').then_some("white space at its end"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_character_that_changes_the_url() {
        let cases = [
            ("/100%.js", "%"),
            ("/h#x.js", "#"),
            ("/q?x.js", "?"),
            ("/a\\b.js", "\\"),
            ("/a.js ", "white space at its end"),
        ];
        for (path, expected) in cases {
            assert_eq!(culprit(path), Some(expected), "{path}");
        }
        for path in ["/a b.js", "/é@:+&=;,.js", "/😀.js", "/ a.js"] {
            assert_eq!(culprit(path), None, "{path}");
        }
    }

    #[test]
    fn tells_a_broken_installation_from_an_uncached_file() {
        let config = Config::parse(
            r#"{"index":"/","assetGroups":[
                {"name":"a","resources":{"files":["/a/**"]}},
                {"name":"b","installMode":"lazy","resources":{"files":["/**"]}}]}"#,
            "/",
        );
        let config = config.unwrap();
        let found = unreachable(&config, &Selection::of(&config, ["a/#.js", "b/#.js", "a/x.js"]));
        let found: Vec<_> = found.iter().map(|file| (file.path.as_str(), file.breaks_install)).collect();
        assert_eq!(found, [("a/#.js", true), ("b/#.js", false)]);
        let config = config.with_encoded_names();
        assert_eq!(unreachable(&config, &Selection::of(&config, ["a/#.js"])), []);
    }
}
