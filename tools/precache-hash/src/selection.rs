//! Which files of the build folder are listed: include and exclude patterns, dotfiles, and our own outputs.
//!
//! Patterns mean what they mean to workbox-build (npm `glob`): `**` crosses folders, `*` and `?` do not, braces and
//! character classes work, and wildcards match no name that begins with a dot unless asked. Extended patterns such
//! as `+(a|b)` are refused instead of being taken literally.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use globset::GlobBuilder;
use regex::Regex;
use release_common::files::TEMPORARY_PREFIX;
use thiserror::Error;

/// What workbox-build lists unless told otherwise.
const DEFAULT_INCLUDE: &str = "**/*.{js,wasm,css,html}";
/// What workbox-build leaves out unless told otherwise.
const DEFAULT_EXCLUDE: &str = "**/node_modules/**/*";

/// Files at the top of a build folder that are made from the manifest and so can be no part of it.
pub const OUTPUTS: [&str; 8] = [
    "manifest-hash.js",
    "ngsw-worker.js",
    "ngsw.json",
    "safety-worker.js",
    "service-worker.js",
    "sw.js",
    "version.json",
    "worker-basic.min.js",
];

/// A pattern over paths that use `/` and are relative to the build folder.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    matcher: Regex,
}

/// A pattern that cannot be used.
#[derive(Debug, Error)]
#[error("pattern `{pattern}`: {reason}")]
pub struct PatternError {
    pattern: String,
    reason: String,
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Pattern, PatternError> {
        let refused = |reason: String| PatternError { pattern: text.to_owned(), reason };
        if ["+(", "@(", "!(", "?(", "*("].iter().any(|extended| text.contains(extended)) {
            return Err(refused("extended patterns are not supported; use {a,b}".into()));
        }
        let relative = text.strip_prefix("./").unwrap_or(text);
        if relative.starts_with('/') || relative.split('/').any(|part| part == "..") {
            return Err(refused("must be relative to the build folder and stay inside it".into()));
        }
        let glob = GlobBuilder::new(relative).literal_separator(true).backslash_escape(true).build();
        let glob = glob.map_err(|error| refused(error.kind().to_string()))?;
        let matcher = by_character(glob.regex()).map_err(|error| refused(error.to_string()))?;
        Ok(Pattern { text: text.to_owned(), matcher })
    }
}

/// `globset` matches bytes, so that its `?` does not fit `é`. The same expression over characters: the mode is
/// dropped, and each run of escaped bytes becomes the characters that it encodes.
fn by_character(byte_regex: &str) -> Result<Regex, regex::Error> {
    let source = byte_regex.strip_prefix("(?-u)").unwrap_or(byte_regex);
    let mut characters = Vec::with_capacity(source.len());
    let mut rest = source.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escape = rest.strip_prefix(b"\\x").and_then(|digits| digits.split_first_chunk::<2>());
        let decoded = escape.and_then(|(digits, after)| {
            Some((u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?, after))
        });
        let (byte, after) = decoded.unwrap_or((*first, tail));
        characters.push(byte);
        rest = after;
    }
    Regex::new(&in_code_units(&String::from_utf8_lossy(&characters)))
}

/// `text` with one character for each UTF-16 code unit, which is what JavaScript's wildcards count: a character
/// beyond the first plane, such as an emoji, becomes two of a private plane.
fn in_code_units(text: &str) -> Cow<'_, str> {
    const PRIVATE_PLANE: u32 = 0xf_0000;
    if text.chars().all(|character| character.len_utf16() == 1) {
        return Cow::Borrowed(text);
    }
    let unit = |unit: u16| {
        let is_surrogate = (0xd800..0xe000).contains(&unit);
        char::from_u32(u32::from(unit) + if is_surrogate { PRIVATE_PLANE } else { 0 }).unwrap_or_default()
    };
    Cow::Owned(text.encode_utf16().map(unit).collect())
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl Pattern {
    /// Whether the pattern fits `path`; its wildcards fit names with a leading dot only if `dot`.
    pub fn fits(&self, path: &str, dot: bool) -> bool {
        let hidden = |text: &str| text.split('/').filter(|part| part.starts_with('.')).count();
        self.matcher.is_match(&in_code_units(path)) && (dot || hidden(path) <= hidden(&self.text))
    }
}

/// Decides for each path whether it is listed.
#[derive(Clone, Debug)]
pub struct Selection {
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
    workers: Vec<String>,
    dot: bool,
    no_maps: bool,
}

impl Selection {
    /// A selection by these patterns; empty lists mean workbox-build's defaults.
    pub fn new(include: &[Pattern], exclude: &[Pattern], dot: bool, no_maps: bool) -> Selection {
        let or_default = |patterns: &[Pattern], default: &str| match patterns {
            [] => default.parse().into_iter().collect(),
            given => given.to_vec(),
        };
        Selection {
            include: or_default(include, DEFAULT_INCLUDE),
            exclude: or_default(exclude, DEFAULT_EXCLUDE),
            workers: Vec::new(),
            dot,
            no_maps,
        }
    }

    /// Everything but our own outputs: for lists of files that the user has chosen already, and for Angular.
    pub fn everything() -> Selection {
        Selection {
            include: "**/*".parse().into_iter().collect(),
            exclude: Vec::new(),
            workers: Vec::new(),
            dot: true,
            no_maps: false,
        }
    }

    /// Leaves out these paths too, which are outputs under names of their own.
    #[must_use]
    pub fn without(mut self, outputs: impl IntoIterator<Item = String>) -> Selection {
        self.workers.extend(outputs);
        self
    }

    /// Whether `path` is listed.
    pub fn lists(&self, path: &str) -> bool {
        self.include.iter().any(|pattern| pattern.fits(path, self.dot)) && !self.leaves_out(path)
    }

    /// Whether `path` is excluded or one of our own outputs.
    pub fn leaves_out(&self, path: &str) -> bool {
        let file_name = path.rsplit('/').next().unwrap_or(path);
        let is_output = |name: &str| path == name || path.strip_suffix(".map") == Some(name);
        file_name.starts_with(TEMPORARY_PREFIX)
            || OUTPUTS.into_iter().any(is_output)
            || self.workers.iter().any(|name| is_output(name))
            || (self.no_maps && path.ends_with(".map"))
            || self.exclude.iter().any(|pattern| pattern.fits(path, true))
    }

    /// The include patterns, for messages.
    pub fn patterns(&self) -> String {
        self.include.iter().map(|pattern| format!("`{pattern}`")).collect::<Vec<_>>().join(", ")
    }

    /// The include patterns that list none of `paths`.
    pub fn useless(&self, paths: &[impl AsRef<str>]) -> Vec<String> {
        let lists_none = |pattern: &&Pattern| !paths.iter().any(|path| pattern.fits(path.as_ref(), self.dot));
        self.include.iter().filter(lists_none).map(ToString::to_string).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Pattern, Selection};

    fn selection(include: &[&str], exclude: &[&str], dot: bool) -> Selection {
        let parse = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Pattern>>();
        Selection::new(&parse(include), &parse(exclude), dot, false)
    }

    #[test]
    fn defaults_are_those_of_workbox() {
        let defaults = selection(&[], &[], false);
        for path in ["index.html", "a/b/c.js", "x.wasm", "app.css"] {
            assert!(defaults.lists(path), "{path}");
        }
        for path in [
            "logo.png",
            "node_modules/a/b.js",
            "a/node_modules/b.js",
            ".hidden/a.js",
            "a/.b.js",
            "app.js.map",
        ] {
            assert!(!defaults.lists(path), "{path}");
        }
    }

    #[test]
    fn outputs_are_never_listed_and_only_at_the_top() {
        let all = selection(&["**/*"], &[], true).without(["worker/custom.js".into()]);
        for path in
            ["sw.js", "sw.js.map", "ngsw.json", "version.json", "manifest-hash.js", "worker/custom.js"]
        {
            assert!(!all.lists(path), "{path}");
        }
        assert!(all.lists("vendor/sw.js"));
        assert!(!Selection::everything().lists("ngsw-worker.js"));
    }

    #[test]
    fn wildcards_match_dotfiles_only_on_request_or_by_name() {
        assert!(!selection(&["**/*"], &[], false).lists(".well-known/a"));
        assert!(selection(&["**/*"], &[], true).lists(".well-known/a"));
        assert!(selection(&[".well-known/**"], &[], false).lists(".well-known/a"));
        assert!(!selection(&[".well-known/**"], &[], false).lists(".well-known/.b"));
        assert!(!selection(&["**/*"], &["*.txt"], true).lists("a.txt"));
    }

    #[test]
    fn wildcards_and_classes_fit_characters_and_not_bytes() {
        let fits = |pattern: &str, path: &str| pattern.parse::<Pattern>().unwrap().fits(path, false);
        assert!(fits("?.js", "é.js") && fits("??.js", "日本.js") && !fits("??.js", "é.js"));
        assert!(fits("[а-я].js", "ж.js") && fits("[!a].js", "ж.js") && !fits("[!ж].js", "ж.js"));
        assert!(fits("??.js", "😀.js") && !fits("?.js", "😀.js") && fits("😀.*", "😀.js"));
        assert!(fits("日本/*", "日本/語") && !fits("日本/*", "日木/語"));
    }

    #[test]
    fn patterns_that_list_nothing_are_found() {
        let one = selection(&["*.js", "*.exe"], &[], false);
        assert_eq!(one.useless(&["a.js"]), ["*.exe"]);
    }

    #[test]
    fn what_cannot_be_honored_is_refused() {
        for pattern in ["+(a|b).js", "../x", "/abs", "a{b"] {
            let error = pattern.parse::<Pattern>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("pattern `{pattern}`: ")), "{error}");
        }
    }
}
