//! Checksum lines as coreutils writes and checks them, and the manifest hash over them.
//!
//! A line is `HEX  path`; a path with a backslash, a line feed or a carriage return is escaped and its line begins
//! with a backslash (coreutils manual, "md5sum invocation"). Lines are sorted by the bytes of the unescaped path, so
//! the same tree gives the same text everywhere.

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::manifest_hash::ManifestHash;

/// The checksum line of the file at `path`, with its line feed.
pub fn line(hex: &str, path: &str) -> String {
    let escaped = path.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
    let mark = if escaped == path { "" } else { "\\" };
    format!("{mark}{hex}  {escaped}\n")
}

/// All checksum lines of `files`, pairs of path and hexadecimal digest, in the canonical order.
pub fn lines<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut sorted: Vec<(&str, &str)> = files.into_iter().collect();
    sorted.sort_unstable();
    sorted.into_iter().map(|(path, hex)| line(hex, path)).collect()
}

/// The manifest hash over `files`, pairs of path and hexadecimal SHA-256.
pub fn manifest_hash<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> ManifestHash {
    ManifestHash::from_bytes(Sha256::digest(lines(files)).into())
}

/// A line that is no checksum line.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("line {line} is not `HEX  path`")]
pub struct SumsError {
    /// Counted from one.
    pub line: usize,
}

/// Reads checksum lines back into pairs of path and hexadecimal digest.
///
/// # Errors
/// When a line has no digest of a known length, no path, or an unknown escape.
pub fn parse(text: &str) -> Result<Vec<(String, String)>, SumsError> {
    let numbered = text.lines().enumerate().filter(|(_, line)| !line.is_empty());
    numbered.map(|(index, line)| parse_line(line).ok_or(SumsError { line: index + 1 })).collect()
}

fn parse_line(line: &str) -> Option<(String, String)> {
    let (is_escaped, line) = match line.strip_prefix('\\') {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    // A space or, for a digest taken in binary mode, an asterisk stands before the path.
    let (hex, rest) = line.split_once(' ')?;
    let path = rest.strip_prefix([' ', '*'])?;
    let is_digest = [32, 40, 64, 96].contains(&hex.len()) && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_digest || path.is_empty() {
        return None;
    }
    let path = if is_escaped { unescape(path)? } else { path.to_owned() };
    Some((path, hex.to_ascii_lowercase()))
}

fn unescape(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        plain.push(match character {
            '\\' => match characters.next()? {
                '\\' => '\\',
                'n' => '\n',
                'r' => '\r',
                _ => return None,
            },
            other => other,
        });
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{SumsError, line, lines, manifest_hash, parse};

    #[test]
    fn order_of_files_does_not_change_the_hash() {
        let (a, b) = (("a", "00"), ("b", "11"));
        assert_eq!(manifest_hash([a, b]), manifest_hash([b, a]));
        assert_ne!(manifest_hash([a, b]), manifest_hash([a]));
        assert_eq!(lines([b, a]), "00  a\n11  b\n");
    }

    #[test]
    fn the_hash_of_nothing_is_that_of_the_empty_text() {
        assert!(manifest_hash([]).to_string().starts_with("e3b0c44298fc1c14"));
    }

    #[test]
    fn both_modes_are_read_whatever_the_path_holds() {
        let hex = "0".repeat(64);
        for (line, path) in [("  *a", "*a"), (" *a  b", "a  b"), ("    a", "  a")] {
            assert_eq!(parse(&format!("{hex}{line}")), Ok(vec![(path.to_owned(), hex.clone())]));
        }
    }

    #[test]
    fn broken_lines_are_named() {
        let good = line(&"0".repeat(64), "x");
        assert_eq!(parse(&format!("{good}rubbish\n")), Err(SumsError { line: 2 }));
        assert_eq!(parse("\\00  bad\\escape"), Err(SumsError { line: 1 }));
    }

    proptest! {
        #[test]
        fn a_line_reads_back_what_it_prints(path in "[^\0]{1,30}", digit in "[0-9a-f]") {
            // `str::lines` ends a line at `\r\n` too; a path never holds a bare one because both are escaped.
            let hex = digit.repeat(64);
            prop_assert_eq!(parse(&line(&hex, &path)), Ok(vec![(path, hex)]));
        }
    }
}
