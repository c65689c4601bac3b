//! Two schemas as `pg_dump -s` writes them, compared without what says nothing: comments, blank lines, and the words by
//! which `psql` protects itself.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::document::hex;
use crate::evidence::SchemaCheck;

/// More lines say no more.
const SHOWN: usize = 100;

/// How two dumps of a schema compare. `is_same_version` is false when they come from servers of different major versions:
/// settings at their head are then left out as well.
pub(crate) fn compare(expected: &str, found: &str, is_same_version: bool) -> SchemaCheck {
    let (expected, found) = (lines(expected, is_same_version), lines(found, is_same_version));
    let digest = |lines: &[&str]| {
        let mut hash = Sha256::new();
        for line in lines {
            hash.update(line.as_bytes());
            hash.update(b"\n");
        }
        hex(&hash.finalize())
    };
    SchemaCheck {
        expected_sha256: digest(&expected),
        found_sha256: digest(&found),
        differing: differing(&expected, &found),
    }
}

fn lines(text: &str, is_same_version: bool) -> Vec<&str> {
    let says_nothing = |line: &&str| {
        let trimmed = line.trim_end();
        trimmed.is_empty()
            || trimmed.starts_with("--")
            || trimmed.starts_with("\\restrict ")
            || trimmed.starts_with("\\unrestrict ")
    };
    let is_setting = |line: &&str| !is_same_version && line.starts_with("SET ");
    text.lines().filter(|line| !says_nothing(line) && !is_setting(line)).collect()
}

/// The lines that only one side has; when both have the same in another order, the first that is elsewhere.
fn differing(expected: &[&str], found: &[&str]) -> Vec<String> {
    let mut balance: HashMap<&str, i64> = HashMap::new();
    for line in expected {
        *balance.entry(line).or_default() += 1;
    }
    for line in found {
        *balance.entry(line).or_default() -= 1;
    }
    let mut all = take(&mut balance, expected, '-');
    all.extend(take(&mut balance, found, '+'));
    if all.is_empty() {
        let moved = expected.iter().zip(found).find(|(one, other)| one != other);
        all.extend(moved.into_iter().flat_map(|(one, other)| [format!("-{one}"), format!("+{other}")]));
    }
    all.truncate(SHOWN);
    all
}

/// The lines that this side has more often, marked.
fn take<'a>(balance: &mut HashMap<&'a str, i64>, lines: &[&'a str], mark: char) -> Vec<String> {
    let sign = if mark == '-' { 1 } else { -1 };
    let mut taken = Vec::new();
    for line in lines {
        if let Some(count) = balance.get_mut(line).filter(|count| **count * sign > 0) {
            *count -= sign;
            taken.push(format!("{mark}{line}"));
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::compare;

    const SCHEMA: &str = "--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n-- Dumped from database version 15.18\n\
        SET lock_timeout = 0;\nCREATE TABLE a (\n    x integer,\n    y integer\n);\n\\unrestrict abc\n";

    /// What differs from the sample.
    #[track_caller]
    fn check(found: &str, is_same_version: bool, differing: &[&str]) {
        let check = compare(SCHEMA, found, is_same_version);
        assert_eq!(check.differing, differing);
        assert_eq!(check.expected_sha256 == check.found_sha256, differing.is_empty());
    }

    #[test]
    fn what_says_nothing_does_not_differ() {
        check(SCHEMA, true, &[]);
        check(&SCHEMA.replace("abc", "xyz").replace("15.18", "15.19").replace("--\n\n", "--\n"), true, &[]);
    }

    #[test]
    fn a_line_that_is_missing_added_or_moved_differs() {
        check(&SCHEMA.replace("    y integer\n", ""), true, &["-    y integer"]);
        check(&format!("{SCHEMA}CREATE INDEX;\n"), true, &["+CREATE INDEX;"]);
        let moved = SCHEMA.replace("    x integer,\n    y integer\n", "    y integer\n    x integer,\n");
        check(&moved, true, &["-    x integer,", "+    y integer"]);
    }

    #[test]
    fn another_version_may_set_other_things() {
        let newer =
            SCHEMA.replace("SET lock_timeout = 0;", "SET lock_timeout = 0;\nSET transaction_timeout = 0;");
        check(&newer, true, &["+SET transaction_timeout = 0;"]);
        check(&newer, false, &[]);
    }
}
