//! The likely reason why bytes are not the expected ones, from what servers, caches and checkouts are known to do to
//! files (angular/angular #23613, #25307, #50726; angular-cli #17700).

use std::fmt;

use super::address::has_foreign_scheme;
use super::expectation::Expectation;
use super::tally::{Summed, keeps};

/// What is known of an answer besides its bytes; a file in a folder has only defaults here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Circumstances {
    /// HTTP status.
    pub(crate) status: Option<u16>,
    /// Type that the server named.
    pub(crate) content_type: Option<String>,
    /// Encoding that is still on the bytes.
    pub(crate) content_encoding: Option<String>,
    /// Where a redirect led.
    pub(crate) redirected_to: Option<String>,
    /// Whether a second request, for the plain bytes, got the right ones.
    pub(crate) is_second_right: bool,
}

/// A likely reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The right bytes come to those who do not ask for compression, or ask twice.
    StaleCopy,
    /// The bytes are right but for line endings.
    LineEndings,
    /// The bytes are right but for a byte order mark.
    ByteOrderMark,
    /// The bytes are right but for white space at the end.
    FinalNewline,
    /// A page came instead of a file.
    HtmlServed,
    /// The bytes are still compressed and nothing says so.
    SilentGzip,
    /// The bytes are compressed in a way nobody asked for.
    Encoded(String),
    /// A page with a login came, or may have.
    Redirected(String),
    /// Nothing came.
    Empty,
    /// Text came that is shorter than expected.
    Minified,
    /// Text came that is longer than expected.
    Injected,
    /// The manifest's URL is not the file's, because a character in it means something else.
    UnencodedName,
    /// The manifest's URL is not of a server, because it begins like `a:`.
    ForeignScheme,
    /// The server refuses.
    Denied,
    /// The server is in trouble.
    ServerTrouble,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Reason::StaleCopy => {
                "a second request, without compression, got the right bytes: a stale compressed copy, or two releases served in turn"
            }
            Reason::LineEndings => "only line endings differ: converted by a checkout or an upload",
            Reason::ByteOrderMark => "only a byte order mark differs",
            Reason::FinalNewline => "only white space at the end differs",
            Reason::HtmlServed => "a page came instead of this file: single-page fallback or login?",
            Reason::SilentGzip => "gzip data without Content-Encoding",
            Reason::Encoded(name) => {
                return write!(f, "encoded as {name}, which was not asked for");
            }
            Reason::Redirected(address) => return write!(f, "redirected to {address}"),
            Reason::Empty => "empty",
            Reason::Minified => "text that is shorter than expected: minified on the way?",
            Reason::Injected => "text that is longer than expected: a script injected on the way?",
            Reason::UnencodedName => {
                "the URL holds a bare %, #, ?, \\ or white space, so it names another file"
            }
            Reason::ForeignScheme => {
                "a browser takes the name up to the colon for a scheme; write ./ before it"
            }
            Reason::Denied => "access denied; some storage says so of missing files too",
            Reason::ServerTrouble => "the server is overloaded or broken, even after retries",
        };
        f.write_str(text)
    }
}

/// Why an answer with a status other than 200 may have come.
pub(crate) fn of_status(expected: &Expectation, seen: &Circumstances) -> Option<Reason> {
    if has_foreign_scheme(&expected.url) {
        return Some(Reason::ForeignScheme);
    }
    match seen.status? {
        401 | 403 => Some(Reason::Denied),
        429 | 500..=599 => Some(Reason::ServerTrouble),
        300..=399 => seen.redirected_to.clone().map(Reason::Redirected),
        _ if has_bare_delimiter(&expected.url) => Some(Reason::UnencodedName),
        _ => None,
    }
}

/// Why the bytes may differ.
pub(crate) fn of_content(expected: &Expectation, seen: &Circumstances, summed: &Summed) -> Option<Reason> {
    let bytes = summed.beginning.as_slice();
    if seen.is_second_right {
        return Some(Reason::StaleCopy);
    }
    if let Some(encoding) = &seen.content_encoding {
        return Some(Reason::Encoded(encoding.clone()));
    }
    if bytes.is_empty() {
        return Some(Reason::Empty);
    }
    if summed.is_whole()
        && let Some(reason) = reversible_change(expected, bytes)
    {
        return Some(reason);
    }
    if bytes.starts_with(&[0x1f, 0x8b]) && !expected.url.ends_with(".gz") {
        return Some(Reason::SilentGzip);
    }
    if is_html(seen, bytes) && !names_html(&expected.url) {
        return Some(Reason::HtmlServed);
    }
    if let Some(address) = &seen.redirected_to {
        return Some(Reason::Redirected(address.clone()));
    }
    if has_bare_delimiter(&expected.url) {
        return Some(Reason::UnencodedName);
    }
    let is_text = !bytes.contains(&0);
    match expected.size_bytes {
        Some(size) if is_text && summed.size_bytes < size => Some(Reason::Minified),
        Some(size) if is_text && summed.size_bytes > size => Some(Reason::Injected),
        _ => None,
    }
}

/// Tries to undo small changes until every promise is kept.
fn reversible_change(expected: &Expectation, bytes: &[u8]) -> Option<Reason> {
    let is_expected = |candidate: &[u8]| expected.promises.iter().all(|promise| keeps(promise, candidate));
    let line_feeds = replaced(bytes, b"\r\n", b"\n");
    let mark: &[u8] = b"\xef\xbb\xbf";
    let unmarked = bytes.strip_prefix(mark).unwrap_or(bytes);
    let trimmed = bytes.trim_ascii_end();
    if is_expected(&line_feeds) || is_expected(&replaced(&line_feeds, b"\n", b"\r\n")) {
        return Some(Reason::LineEndings);
    }
    if is_expected(unmarked) || is_expected(&[mark, bytes].concat()) {
        return Some(Reason::ByteOrderMark);
    }
    let endings: [&[u8]; 3] = [b"", b"\n", b"\r\n"];
    let has_ending = |ending: &&[u8]| is_expected(&[trimmed, ending].concat());
    endings.iter().any(has_ending).then_some(Reason::FinalNewline)
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, tail)) = rest.split_first() {
        match rest.strip_prefix(from) {
            Some(after) => {
                out.extend_from_slice(to);
                rest = after;
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}

fn is_html(seen: &Circumstances, bytes: &[u8]) -> bool {
    let beginning = bytes.trim_ascii_start();
    let begins_with =
        |tag: &[u8]| beginning.get(..tag.len()).is_some_and(|head| head.eq_ignore_ascii_case(tag));
    let is_named = seen.content_type.as_deref().is_some_and(|name| name.starts_with("text/html"));
    is_named || begins_with(b"<!doctype html") || begins_with(b"<html")
}

fn names_html(url: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    path.is_empty() || path.ends_with('/') || path.ends_with(".html") || path.ends_with(".htm")
}

/// What a browser does not take for a part of the name. A `%` that begins no pair of digits is as bare as the others.
fn has_bare_delimiter(url: &str) -> bool {
    let is_pair = |tail: &str| tail.get(..2).is_some_and(|pair| pair.bytes().all(|b| b.is_ascii_hexdigit()));
    let is_trimmed = url.trim_matches(|c| c <= ' ') != url;
    is_trimmed
        || url.contains(['#', '?', '\\', '\t', '\n', '\r'])
        || url.split('%').skip(1).any(|tail| !is_pair(tail))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use precache_manifest::{Algorithm, digest};

    use super::super::expectation::Promise;
    use super::super::tally::Tally;
    use super::*;

    fn reason(url: &str, expected: &[u8], found: &[u8], seen: Circumstances) -> Option<Reason> {
        let text = digest::of_bytes(Algorithm::Sha256, expected).hex();
        let promises = vec![Promise { algorithm: Algorithm::Sha256, text }];
        let mut tally = Tally::new(&promises);
        tally.write_all(found).unwrap();
        let size_bytes = Some(expected.len() as u64);
        let expected = Expectation { url: url.into(), path: None, size_bytes, promises };
        of_content(&expected, &seen, &tally.finish())
    }

    fn check(url: &str, expected: &[u8], found: &[u8], wanted: Option<Reason>) {
        assert_eq!(reason(url, expected, found, Circumstances::default()), wanted);
    }

    #[test]
    fn undoes_small_changes() {
        check("a.js", b"a\nb\n", b"a\r\nb\r\n", Some(Reason::LineEndings));
        check("a.js", b"a\r\nb", b"a\nb", Some(Reason::LineEndings));
        check("a.js", b"a", b"\xef\xbb\xbfa", Some(Reason::ByteOrderMark));
        check("a.js", b"a\n", b"a", Some(Reason::FinalNewline));
    }

    #[test]
    fn recognizes_another_document() {
        check("a.js", b"let a", b" <!DOCTYPE HTML><p>", Some(Reason::HtmlServed));
        check("a.js", b"let a", b"", Some(Reason::Empty));
        check("a.js", b"let a", b"\x1f\x8b\x08rest", Some(Reason::SilentGzip));
        check("a#b.js", b"let a", b"var b", Some(Reason::UnencodedName));
        check("100%.js", b"let a", b"var b", Some(Reason::UnencodedName));
        check("index.html", b"<html>a", b"<html>b", None);
    }

    #[test]
    fn guesses_from_size_only_for_text() {
        check("a.js", b"let a = 1;", b"let a=1", Some(Reason::Minified));
        check("a.js", b"let a", b"let a; evil()", Some(Reason::Injected));
        check("a.png", b"\0\0\0", b"\0", None);
    }

    #[test]
    fn believes_what_the_server_says() {
        let encoded = Circumstances { content_encoding: Some("br".into()), ..Circumstances::default() };
        assert_eq!(reason("a.js", b"a", b"b", encoded), Some(Reason::Encoded("br".into())));
        let moved = Circumstances { redirected_to: Some("http://x/y".into()), ..Circumstances::default() };
        assert_eq!(reason("a.js", b"a", b"b", moved), Some(Reason::Redirected("http://x/y".into())));
        let html = Circumstances {
            content_type: Some("text/html; charset=utf-8".into()),
            ..Circumstances::default()
        };
        assert_eq!(reason("a.js", b"a", b"b", html), Some(Reason::HtmlServed));
    }
}
