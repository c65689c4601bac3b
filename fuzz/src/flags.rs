//! The values of flags of `precache-hash`: patterns, entries that are no files, addresses.

use precache_hash::additions::{Addition, Prefix, Template, TemplateSources, UrlRegex, with_prefix};
use precache_hash::selection::Pattern;
use precache_hash::verify::BaseUrl;

/// A name short enough that no backtracking expression needs long for it.
const SHORT_URL: &str = "app.0f1e2d3c.js";

/// The first line is a pattern, each other one a path. A pattern prints as itself, and asking it changes nothing.
pub fn pattern(text: &str) {
    let (first, paths) = text.split_once('\n').unwrap_or((text, "a/b.js\n.well-known/é😀"));
    let Ok(pattern) = first.parse::<Pattern>() else { return };
    assert_eq!(pattern.to_string(), first);
    for path in paths.split('\n') {
        let (open, hidden) = (pattern.fits(path, true), pattern.fits(path, false));
        assert!(open || !hidden, "{path:?} fits only while wildcards do not match dotfiles");
        let again = first.parse::<Pattern>().map(|again| again.fits(path, true));
        assert_eq!(again.ok(), Some(open));
    }
}

/// Every text means the same prefix, addition or template as the text put together from its parts.
pub fn additions(text: &str) {
    if let Ok(prefix) = text.parse::<Prefix>() {
        let (from, to) = text.split_once('=').unwrap_or_default();
        assert_eq!(with_prefix(&format!("{from}rest"), &[prefix]), format!("{to}rest"));
    }
    if let Ok(addition) = text.parse::<Addition>() {
        assert!(!addition.url.is_empty());
        let printed = format!("{}={}", addition.url, addition.revision.as_deref().unwrap_or_default());
        assert_eq!(printed.parse::<Addition>().ok(), Some(addition));
    }
    if let Ok(template) = text.parse::<Template>() {
        let sources = match template.sources {
            TemplateSources::Text(text) => format!("text:{text}"),
            TemplateSources::Files(patterns) => {
                patterns.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
            }
        };
        assert_eq!(format!("{}={sources}", template.url), text);
    }
    if let Ok(regex) = text.parse::<UrlRegex>() {
        let _ = regex.finds(SHORT_URL);
    }
}

/// An address prints as one that reads as itself.
pub fn base_url(text: &str) {
    let Ok(base) = text.parse::<BaseUrl>() else { return };
    let printed = base.to_string();
    assert!(printed.ends_with('/'), "{printed:?} is no folder");
    assert_eq!(printed.parse().ok(), Some(base));
}
