//! How a file name becomes a URL that a browser maps back to that file.
//!
//! In Chromium a bare `%`, `#`, `?` or `\` in one name makes the install of the whole release fail, and encoding more
//! than that breaks matching (Workbox issue 2856: `@` against `%40`). So of the characters that a URL can hold exactly
//! these four are encoded, besides what the URL parser would drop: tabs and line breaks anywhere, spaces and controls
//! at both ends (<https://url.spec.whatwg.org/#concept-basic-url-parser>, steps 1 to 3). The rest is left to it.

use std::borrow::Cow;

/// The URL of the file at `path`, which uses `/` between folders.
pub fn encode(path: &str) -> String {
    let is_trimmed = |character: char| character <= ' ';
    let kept =
        path.len() - path.trim_start_matches(is_trimmed).len()..path.trim_end_matches(is_trimmed).len();
    // A browser would take the beginning of `a:b.js` for a scheme.
    let mut url = String::from(if begins_with_scheme(path) { "./" } else { "" });
    for (place, character) in path.char_indices() {
        let is_dropped = is_trimmed(character) && !kept.contains(&place);
        if is_dropped || matches!(character, '%' | '#' | '?' | '\\' | '\t' | '\n' | '\r') {
            url.push_str(&format!("%{:02X}", u32::from(character)));
        } else {
            url.push(character);
        }
    }
    url
}

fn begins_with_scheme(path: &str) -> bool {
    let is_scheme_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    path.starts_with(|first: char| first.is_ascii_alphabetic())
        && path.split_once(':').is_some_and(|(scheme, _)| scheme.chars().all(is_scheme_part))
}

/// The path of the file that `url` names: percent sequences decoded, query and fragment dropped, no leading slash.
/// `None` when the bytes are not UTF-8 or the path would leave its folder.
pub fn decode(url: &str) -> Option<String> {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let bytes = percent_decoded(url.get(..end)?);
    let path = String::from_utf8(bytes).ok()?;
    let mut path = path.trim_start_matches('/');
    while let Some(rest) = path.strip_prefix("./") {
        path = rest.trim_start_matches('/');
    }
    if path.split('/').any(|part| part == "..") { None } else { Some(path.to_owned()) }
}

/// The bytes by which two spellings of one URL are equal.
pub(crate) fn comparable(url: &str) -> Cow<'_, [u8]> {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let (path, rest) = url.split_at(end);
    let path = path.strip_prefix("./").unwrap_or(path);
    if rest.is_empty() && !path.contains('%') {
        return Cow::Borrowed(path.as_bytes());
    }
    let mut bytes = percent_decoded(path);
    if !rest.is_empty() {
        // No decoded name contains this byte, so a name with an encoded `?` never equals a name with a query.
        bytes.push(0);
        bytes.extend_from_slice(rest.as_bytes());
    }
    Cow::Owned(bytes)
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let pair = if *first == b'%' { tail.split_first_chunk::<2>() } else { None };
        let decoded = pair.and_then(|(digits, after)| {
            let digits = std::str::from_utf8(digits).ok()?;
            Some((u8::from_str_radix(digits, 16).ok()?, after))
        });
        let (byte, after) = decoded.unwrap_or((*first, tail));
        bytes.push(byte);
        rest = after;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{decode, encode};

    #[test]
    fn of_what_a_url_can_hold_exactly_four_characters_are_encoded() {
        assert_eq!(encode("100%/h#x?/back\\slash @é😀.js"), "100%25/h%23x%3F/back%5Cslash @é😀.js");
    }

    #[test]
    fn what_the_url_parser_drops_is_encoded() {
        for (name, url) in [
            ("tab\there\r\n.js", "tab%09here%0D%0A.js"),
            ("  two spaces .js ", "%20%20two spaces .js%20"),
            ("\u{1}.js", "%01.js"),
            (" ", "%20"),
        ] {
            assert_eq!(encode(name), url);
        }
    }

    #[test]
    fn a_name_is_never_taken_for_a_scheme() {
        for (name, url) in [("a:b.js", "./a:b.js"), ("a/b:c.js", "a/b:c.js"), ("a&b:c.js", "a&b:c.js")] {
            assert_eq!(encode(name), url);
            assert_eq!(decode(url).as_deref(), Some(name));
        }
    }

    #[test]
    fn a_url_that_leaves_its_folder_has_no_path() {
        assert_eq!(decode("/app/a%20b.js?v=1#top").as_deref(), Some("app/a b.js"));
        assert_eq!(decode("../secret"), None);
        assert_eq!(decode("a/%2e%2e/secret"), None);
        assert_eq!(decode(".//./secret").as_deref(), Some("secret"), "never the root of the file system");
        assert_eq!(decode("a%ff"), None);
    }

    proptest! {
        #[test]
        fn a_name_survives_the_way_to_a_url_and_back(name in "[^/\0.][^/\0]{0,20}") {
            prop_assert_eq!(decode(&encode(&name)), Some(name));
        }
    }
}
