//! The password file: which line belongs to a server, and how a line is written.
//!
//! Follows the PostgreSQL manual, 34.16 "The Password File". The driver reads it too, but logs a line that it does not
//! understand, and a line holds a password.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::secret::Secret;

/// Directories of sockets that the client library takes for `localhost`.
const DEFAULT_SOCKETS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// What a line is looked up by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    pub(crate) database: &'a str,
    pub(crate) user: &'a str,
}

/// The password in the file at `path`; `None` also for a file that others may read, as the client library has it.
pub(crate) fn look_up(path: &Path, wanted: Wanted<'_>) -> Option<Secret> {
    let mode = fs::metadata(path).ok()?.permissions().mode();
    if mode & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "ignoring a password file that others may read");
        return None;
    }
    let text = fs::read(path).ok()?;
    find(&String::from_utf8_lossy(&text), wanted)
}

/// The one line that fits every server.
pub(crate) fn line_for_all(password: &Secret) -> String {
    let escaped = password.reveal().replace('\\', "\\\\").replace(':', "\\:");
    format!("*:*:*:*:{escaped}\n")
}

/// The password of the first line that fits.
fn find(text: &str, wanted: Wanted<'_>) -> Option<Secret> {
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| of_line(line, wanted))
}

fn of_line(line: &str, wanted: Wanted<'_>) -> Option<Secret> {
    let is_local = DEFAULT_SOCKETS.contains(&wanted.host);
    let port = wanted.port.to_string();
    let (host, rest) = field(line)?;
    let mut fits = host == "*" || host == wanted.host || (is_local && host == "localhost");
    let mut rest = rest;
    for value in [port.as_str(), wanted.database, wanted.user] {
        let (text, after) = field(rest)?;
        fits = fits && (text == "*" || text == value);
        rest = after;
    }
    let password = unescaped(rest);
    (fits && !password.is_empty()).then(|| Secret::new(password))
}

/// What stands before the next colon that is not escaped, and what follows it.
fn field(line: &str) -> Option<(String, &str)> {
    let mut is_escaped = false;
    let end = line.find(|letter| {
        let ends = letter == ':' && !is_escaped;
        is_escaped = letter == '\\' && !is_escaped;
        ends
    })?;
    let (text, after) = line.split_at_checked(end)?;
    Some((unescaped(text), after.strip_prefix(':')?))
}

fn unescaped(text: &str) -> String {
    let mut plain = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        plain.extend(if letter == '\\' { letters.next() } else { Some(letter) });
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Wanted, find, line_for_all};
    use crate::secret::Secret;

    const WANTED: Wanted<'_> = Wanted { host: "db", port: 5432, database: "shop", user: "anna" };

    fn check(text: &str, expected: Option<&str>) {
        let found = find(text, WANTED);
        assert_eq!(found.as_ref().map(Secret::reveal), expected, "{text}");
    }

    #[test]
    fn the_first_line_that_fits_holds() {
        check("db:5432:shop:anna:one", Some("one"));
        check("# db:5432:shop:anna:no\n*:*:*:anna:one\r\n*:*:*:*:two", Some("one"));
        check("other:5432:shop:anna:one\ndb:5433:shop:anna:two\ndb:5432:shop:bob:three", None);
        check("broken\n\ndb:5432:shop:anna\n*:*:*:*:a\\:b\\\\c: d ", Some("a:b\\c: d "));
        check("*:*:*:*:", None);
    }

    #[test]
    fn a_default_socket_is_localhost() {
        for (host, expected) in [("/tmp", true), ("/var/run/postgresql", true), ("/srv/socket", false)] {
            let found = find("localhost:*:*:*:one", Wanted { host, ..WANTED });
            assert_eq!(found.is_some(), expected, "{host}");
        }
    }

    proptest! {
        #[test]
        fn a_written_password_reads_back(password in "[^\r\n\0]{1,20}") {
            let secret = Secret::new(password);
            prop_assert_eq!(find(&line_for_all(&secret), WANTED), Some(secret));
        }
    }
}
