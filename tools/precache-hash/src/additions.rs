//! What the flags say about entries: prefixes, revisions to drop, and entries that are no files.
//!
//! The meaning is workbox-build's: `modifyURLPrefix`, `dontCacheBustURLsMatching`, `additionalManifestEntries` and
//! `templatedURLs`.

use std::str::FromStr;

use thiserror::Error;

use crate::selection::{Pattern, PatternError};

/// A flag's value that cannot be used.
#[derive(Debug, Error)]
pub enum AdditionError {
    /// Not two parts.
    #[error("`{0}` has no `=`")]
    NoEquals(String),
    /// No URL.
    #[error("`{0}` has an empty URL")]
    NoUrl(String),
    /// Not a regular expression.
    #[error("regular expression `{pattern}`: {reason}")]
    Regex {
        /// What was typed.
        pattern: String,
        /// What is wrong.
        reason: String,
    },
    /// Not a pattern.
    #[error(transparent)]
    Pattern(#[from] PatternError),
}

/// Replaces the beginning of a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix {
    from: String,
    to: String,
}

impl FromStr for Prefix {
    type Err = AdditionError;

    fn from_str(text: &str) -> Result<Prefix, AdditionError> {
        let (from, to) = text.split_once('=').ok_or_else(|| AdditionError::NoEquals(text.to_owned()))?;
        Ok(Prefix { from: from.to_owned(), to: to.to_owned() })
    }
}

/// `url` after the first of `prefixes` that fits.
pub fn with_prefix(url: &str, prefixes: &[Prefix]) -> String {
    let replaced = prefixes.iter().find_map(|prefix| {
        let rest = url.strip_prefix(&prefix.from)?;
        Some([prefix.to.as_str(), rest].concat())
    });
    replaced.unwrap_or_else(|| url.to_owned())
}

/// A regular expression over URLs, with JavaScript's meaning.
#[derive(Clone, Debug)]
pub struct UrlRegex(regress::Regex);

impl FromStr for UrlRegex {
    type Err = AdditionError;

    fn from_str(text: &str) -> Result<UrlRegex, AdditionError> {
        let compiled = regress::Regex::new(text);
        compiled
            .map(UrlRegex)
            .map_err(|error| AdditionError::Regex { pattern: text.to_owned(), reason: error.to_string() })
    }
}

impl UrlRegex {
    /// Whether the expression is found anywhere in `url`.
    pub fn finds(&self, url: &str) -> bool {
        self.0.find(url).is_some()
    }
}

/// An entry that is no file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addition {
    /// Its URL, as typed.
    pub url: String,
    /// Its revision, the text behind the last `=`; an empty one means none.
    pub revision: Option<String>,
}

impl FromStr for Addition {
    type Err = AdditionError;

    fn from_str(text: &str) -> Result<Addition, AdditionError> {
        let (url, revision) = match text.rsplit_once('=') {
            Some((url, "")) => (url, None),
            Some((url, revision)) => (url, Some(revision.to_owned())),
            None => (text, None),
        };
        if url.is_empty() {
            return Err(AdditionError::NoUrl(text.to_owned()));
        }
        Ok(Addition { url: url.to_owned(), revision })
    }
}

/// A page that a server makes from other files or from a text.
#[derive(Clone, Debug)]
pub struct Template {
    /// Its URL.
    pub url: String,
    /// What its revision is made of.
    pub sources: TemplateSources,
}

/// What a template's revision is made of.
#[derive(Clone, Debug)]
pub enum TemplateSources {
    /// The digests of all files that fit, pattern by pattern, in the order of their paths.
    Files(Vec<Pattern>),
    /// This text, such as a version number.
    Text(String),
}

impl FromStr for Template {
    type Err = AdditionError;

    fn from_str(text: &str) -> Result<Template, AdditionError> {
        let (url, sources) = text.split_once('=').ok_or_else(|| AdditionError::NoEquals(text.to_owned()))?;
        if url.is_empty() {
            return Err(AdditionError::NoUrl(text.to_owned()));
        }
        let sources = match sources.strip_prefix("text:") {
            Some(literal) => TemplateSources::Text(literal.to_owned()),
            None => TemplateSources::Files(
                split_outside_braces(sources).into_iter().map(str::parse).collect::<Result<_, _>>()?,
            ),
        };
        Ok(Template { url: url.to_owned(), sources })
    }
}

/// The parts of `text` between commas that stand in no braces.
fn split_outside_braces(text: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    text.split(|character| {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => (),
        }
        character == ',' && depth == 0
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::{Addition, Prefix, Template, TemplateSources, UrlRegex, with_prefix};

    #[test]
    fn the_first_prefix_that_fits_wins() {
        let prefixes: Vec<Prefix> = ["a/=x/", "a=y", "=/app/"].map(|text| text.parse().unwrap()).into();
        for (url, expected) in [("a/1", "x/1"), ("ab", "yb"), ("c", "/app/c")] {
            assert_eq!(with_prefix(url, &prefixes), expected);
        }
        assert!("a".parse::<Prefix>().is_err());
    }

    #[test]
    fn an_addition_may_have_a_query_and_no_revision() {
        let parsed =
            |text: &str| text.parse::<Addition>().map(|addition| (addition.url, addition.revision)).unwrap();
        assert_eq!(parsed("/offline"), ("/offline".into(), None));
        assert_eq!(parsed("/offline=7"), ("/offline".into(), Some("7".into())));
        assert_eq!(parsed("/list?page=1="), ("/list?page=1".into(), None));
        assert!("=7".parse::<Addition>().is_err());
    }

    #[test]
    fn templates_name_patterns_or_a_text() {
        let files = "/shell=a/{b,c}.html,*.css".parse::<Template>().unwrap();
        let TemplateSources::Files(patterns) = files.sources else { panic!("patterns expected") };
        assert_eq!(patterns.iter().map(ToString::to_string).collect::<Vec<_>>(), ["a/{b,c}.html", "*.css"]);
        let text = "/shell=text:v1".parse::<Template>().unwrap();
        assert!(matches!(text.sources, TemplateSources::Text(literal) if literal == "v1"));
    }

    #[test]
    fn regular_expressions_are_javascripts() {
        let hashed: UrlRegex = r"(?<!\/no)\.[0-9a-f]{8}\.".parse().unwrap();
        assert!(hashed.finds("main.0123abcd.js"));
        assert!(!hashed.finds("/no.0123abcd.js"));
        assert!("(".parse::<UrlRegex>().is_err());
    }
}
