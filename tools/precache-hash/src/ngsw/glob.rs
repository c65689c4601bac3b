//! Angular's globs: `packages/service-worker/config/src/glob.ts` turns each into a JavaScript `RegExp`, escaping only
//! `.`, `+`, `*` and `?`, so that `$ ^ ( ) [ ] { } | \` keep their meaning there (documented since angular PR #45909).
//!
//! `regress` runs ECMAScript syntax over UTF-16 code units as a browser does. Of 220,000 random globs it and V8
//! disagreed only on `\u{` and on `{` behind `\b` or `\B`, so those are refused instead of matched differently.

use std::borrow::Cow;

use regress::{Flags, Regex};

const WILD_SINGLE: &str = "[^/]*";
const WILD_OPEN: &str = "(?:.+\\/)?";

/// Longer regular expressions are no globs that anybody writes; the bound keeps compilation cheap.
const LONGEST: usize = 8192;

/// Why a glob cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GlobError {
    /// JavaScript would throw on it, in the generator or in the browser.
    #[error("glob {glob:?} is no valid regular expression once translated to {regex:?}: {reason}")]
    Invalid {
        /// The glob as written.
        glob: String,
        /// What Angular makes of it.
        regex: String,
        /// What is wrong with that.
        reason: String,
    },
    /// It may mean something else to V8 than to the engine here.
    #[error("glob {glob:?} uses {syntax}, which cannot be matched here exactly as a browser does")]
    Unsupported {
        /// The glob as written.
        glob: String,
        /// The part in question.
        syntax: &'static str,
    },
}

/// What a `?` of a glob stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QuestionMark {
    /// Any one code unit but `/`: file patterns and navigation URLs.
    Wildcard,
    /// Itself: URL patterns of asset and data groups, where it starts the query.
    Literal,
}

/// One item of a `files` list: a compiled glob that adds or, with `!`, removes files.
#[derive(Debug, Clone)]
pub(crate) struct FileGlob {
    text: String,
    is_positive: bool,
    regex: Regex,
}

impl FileGlob {
    /// Compiles an item, `!` and all.
    pub(crate) fn parse(text: &str) -> Result<Self, GlobError> {
        let (is_positive, glob) = split_negation(text);
        let merged = with_merged_stars(glob);
        let regex = compile(glob, &anchored(&glob_to_regex(&merged, QuestionMark::Wildcard)))?;
        Ok(FileGlob { text: text.into(), is_positive, regex })
    }

    /// The item as written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it adds files.
    pub(crate) fn is_positive(&self) -> bool {
        self.is_positive
    }

    /// Whether the glob covers a path, given in UTF-16 and starting with `/`.
    pub(crate) fn covers(&self, path: &[u16]) -> bool {
        self.regex.find_from_ucs2(path, 0).next().is_some()
    }
}

/// The pattern that the worker will use for a URL of an asset or data group: not anchored, as in Angular.
pub(crate) fn url_pattern(url: &str, base_href: &str) -> Result<String, GlobError> {
    let regex = url_to_regex(url, base_href, QuestionMark::Literal);
    compile(url, &regex)?;
    Ok(regex)
}

/// One navigation URL: whether it includes, and the anchored pattern.
pub(crate) fn navigation_pattern(url: &str, base_href: &str) -> Result<(bool, String), GlobError> {
    let (is_positive, url) = split_negation(url);
    let regex = anchored(&url_to_regex(url, base_href, QuestionMark::Wildcard));
    compile(url, &regex)?;
    Ok((is_positive, regex))
}

/// Joins a base href and a path with exactly one slash between them, as Angular does.
pub(crate) fn join_urls(base: &str, path: &str) -> String {
    match (base.ends_with('/'), path.strip_prefix('/')) {
        (true, Some(rest)) => format!("{base}{rest}"),
        (false, None) => format!("{base}/{path}"),
        _ => format!("{base}{path}"),
    }
}

/// A run of stars within a segment fits what one star fits, but would have every engine try each way to split a name.
/// Behind a backslash or in a class a star is something else, so such globs stay as they are.
fn with_merged_stars(glob: &str) -> Cow<'_, str> {
    if glob.contains(['\\', '[']) || !glob.contains("**") {
        return Cow::Borrowed(glob);
    }
    let merge = |segment: &str| {
        let mut merged = String::with_capacity(segment.len());
        for c in segment.chars().filter(|_| segment != "**") {
            if c != '*' || !merged.ends_with('*') {
                merged.push(c);
            }
        }
        if segment == "**" { segment.to_owned() } else { merged }
    };
    Cow::Owned(glob.split('/').map(merge).collect::<Vec<_>>().join("/"))
}

fn split_negation(text: &str) -> (bool, &str) {
    text.strip_prefix('!').map_or((true, text), |rest| (false, rest))
}

fn anchored(regex: &str) -> String {
    format!("^{regex}$")
}

fn url_to_regex(url: &str, base_href: &str, question_mark: QuestionMark) -> String {
    if url.starts_with('/') || url.contains("://") {
        return glob_to_regex(url, question_mark);
    }
    let base = if base_href.starts_with("./") { base_href.get(1..).unwrap_or_default() } else { base_href };
    glob_to_regex(&join_urls(base, url), question_mark)
}

fn glob_to_regex(glob: &str, question_mark: QuestionMark) -> String {
    let mut regex = String::new();
    let mut segments = glob.split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match (segment, is_last) {
            ("**", true) => regex.push_str(".*"),
            ("**", false) => regex.push_str(WILD_OPEN),
            _ => {
                segment.chars().for_each(|c| push_escaped(&mut regex, c, question_mark));
                regex.push_str(if is_last { "" } else { "\\/" });
            }
        }
    }
    regex
}

fn push_escaped(regex: &mut String, c: char, question_mark: QuestionMark) {
    match c {
        '.' => regex.push_str("\\."),
        '+' => regex.push_str("\\+"),
        '*' => regex.push_str(WILD_SINGLE),
        '?' if question_mark == QuestionMark::Literal => regex.push_str("\\?"),
        '?' => regex.push_str("[^/]"),
        other => regex.push(other),
    }
}

fn compile(glob: &str, regex: &str) -> Result<Regex, GlobError> {
    let unsupported = |syntax| GlobError::Unsupported { glob: glob.into(), syntax };
    if regex.len() > LONGEST {
        return Err(unsupported("more than 8192 bytes"));
    }
    for syntax in ["\\u{", "\\b{", "\\B{"] {
        if regex.contains(syntax) {
            return Err(unsupported(syntax));
        }
    }
    // A RegExp without the `u` flag sees code units, not characters, in the pattern as well.
    Regex::from_unicode(regex.encode_utf16().map(u32::from), Flags::default()).map_err(|error| {
        GlobError::Invalid { glob: glob.into(), regex: regex.into(), reason: error.to_string() }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_stars_cost_no_more_than_one() {
        let glob = FileGlob::parse(&format!("/{}x", "*".repeat(500))).unwrap();
        let path: Vec<u16> = format!("/{}", "a".repeat(2000)).encode_utf16().collect();
        assert!(!glob.covers(&path));
        assert_eq!(with_merged_stars("/**/a***b/**"), "/**/a*b/**");
        assert_eq!(with_merged_stars("/a\\**"), "/a\\**");
    }

    fn check(glob: &str, covered: &[&str], others: &[&str]) {
        let glob = FileGlob::parse(glob).unwrap();
        let covers = |path: &&&str| glob.covers(&path.encode_utf16().collect::<Vec<_>>());
        assert_eq!(covered.iter().filter(covers).collect::<Vec<_>>(), covered.iter().collect::<Vec<_>>());
        assert_eq!(others.iter().filter(covers).count(), 0, "{others:?}");
    }

    #[test]
    fn matches_as_the_regular_expression_of_a_browser() {
        check("/*.js", &["/a.js", "/.js"], &["/a/b.js", "/ajs", "/a.js.map"]);
        check("/**", &["/", "/a/b", "/.hidden"], &["a", "/line\nbreak"]);
        check("/**/*.css", &["/a.css", "/a/b/c.css"], &["/a.cssx"]);
        check("/a**b", &["/ab", "/axb"], &["/a/b"]);
        check("/?.js", &["/é.js"], &["/😀.js", "/ab.js"]);
        check("/??.js", &["/😀.js"], &[]);
        check("/(a|b).[jt]s", &["/a.js", "/b.ts"], &["/(a|b).[jt]s"]);
        check("/a{2}", &["/aa"], &["/a{2}"]);
        check("/a$b", &[], &["/a$b", "/a"]);
        check("/a\\$b", &["/a$b"], &[]);
        check("/a|/b$c|/d", &["/a", "/ax", "/d"], &["/b"]);
        check("x", &[], &["/x"]);
    }

    #[test]
    fn refuses_what_javascript_would_throw_on_or_read_differently() {
        let refused = |glob| FileGlob::parse(glob).unwrap_err().to_string();
        assert!(refused("/(a").starts_with("glob \"/(a\" is no valid regular expression once translated"));
        assert!(refused("/[b-a]").contains("[b-a]"));
        assert!(refused("/\\u{61}").contains("uses \\u{"));
        assert!(refused("/\\b{2}").contains("uses \\b{"));
        assert!(refused(&"a".repeat(9000)).contains("8192"));
        assert!(url_pattern("/api/[", "/").is_err() && navigation_pattern("!/(", "/").is_err());
    }

    #[test]
    fn translates_urls_as_angular_does() {
        assert_eq!(url_pattern("/api/**?q", "/app/").unwrap(), "\\/api\\/[^/]*[^/]*\\?q");
        assert_eq!(url_pattern("api/*", "./").unwrap(), "\\/api\\/[^/]*");
        assert_eq!(url_pattern("https://x.dev/**", "/").unwrap(), "https:\\/\\/x\\.dev\\/.*");
        assert_eq!(
            navigation_pattern("!/**/*.*", "/").unwrap(),
            (false, "^\\/(?:.+\\/)?[^/]*\\.[^/]*$".into())
        );
    }

    #[test]
    fn joins_with_one_slash() {
        for (base, path, joined) in
            [("/", "/a", "/a"), ("/app", "a", "/app/a"), ("./", "/a", "./a"), ("/x", "/a", "/x/a")]
        {
            assert_eq!(join_urls(base, path), joined);
        }
    }
}
