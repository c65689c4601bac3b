//! How a file name becomes a URL that a browser maps back to that file.
//!
//! In Chromium a bare `%`, `#`, `?` or `\` in one name makes the install of the whole release fail, and encoding more
//! than that breaks matching (Workbox issue 2856: `@` against `%40`). So exactly these four are encoded; the rest is
//! left to the URL parser (<https://url.spec.whatwg.org/#path-percent-encode-set>).

/// The URL of the file at `path`, which uses `/` between folders.
pub fn encode(path: &str) -> String {
    let mut url = String::with_capacity(path.len());
    for character in path.chars() {
        match character {
            '%' => url.push_str("%25"),
            '#' => url.push_str("%23"),
            '?' => url.push_str("%3F"),
            '\\' => url.push_str("%5C"),
            plain => url.push(plain),
        }
    }
    url
}

/// The path of the file that `url` names: percent sequences decoded, query and fragment dropped, no leading slash.
/// `None` when the bytes are not UTF-8 or the path would leave its folder.
pub fn decode(url: &str) -> Option<String> {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let bytes = percent_decoded(url.get(..end)?);
    let path = String::from_utf8(bytes).ok()?;
    let path = path.trim_start_matches('/');
    let path = path.strip_prefix("./").unwrap_or(path);
    if path.split('/').any(|part| part == "..") { None } else { Some(path.to_owned()) }
}

/// The bytes by which two spellings of one URL are equal.
pub(crate) fn comparable(url: &str) -> Vec<u8> {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let (path, rest) = url.split_at(end);
    let mut bytes = percent_decoded(path.strip_prefix("./").unwrap_or(path));
    // No decoded name contains this byte, so a name with an encoded `?` never equals a name with a query.
    bytes.push(0);
    bytes.extend_from_slice(rest.as_bytes());
    bytes
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
    fn exactly_four_characters_are_encoded() {
        assert_eq!(encode("100%/h#x?/back\\slash @é😀.js"), "100%25/h%23x%3F/back%5Cslash @é😀.js");
    }

    #[test]
    fn a_url_that_leaves_its_folder_has_no_path() {
        assert_eq!(decode("/app/a%20b.js?v=1#top").as_deref(), Some("app/a b.js"));
        assert_eq!(decode("../secret"), None);
        assert_eq!(decode("a/%2e%2e/secret"), None);
        assert_eq!(decode("a%ff"), None);
    }

    proptest! {
        #[test]
        fn a_name_survives_the_way_to_a_url_and_back(name in "[^/\0.][^/\0]{0,20}") {
            prop_assert_eq!(decode(&encode(&name)), Some(name));
        }
    }
}
