//! Whom an event is for: labels that a client states, and a stable share of all browsers.
//!
//! The share uses SHA-256 (FIPS 180-4), so that the hub and every browser draw the same line without talking.

use std::collections::BTreeMap;
use std::str::FromStr;

use precache_manifest::ManifestHash;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// Most labels of a client and most keys of an audience: more would only serve to fill the hub's memory.
pub const MAX_LABELS: usize = 8;
/// Longest name or value of a label, in characters.
pub const MAX_LABEL_CHARS: usize = 64;

/// What a client says about itself, such as its tenant, branch and platform.
pub type Labels = BTreeMap<String, String>;

/// The labels that an event asks for: of each key one of the values. No key at all means everybody.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Audience(BTreeMap<String, Vec<String>>);

/// One `key=value` of an audience.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelChoice {
    key: String,
    value: String,
}

/// A label that cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum LabelError {
    /// No `=`, or nothing on one of its sides.
    #[error("`{0}` is not a label such as tenant=acme")]
    Shape(String),
    /// Too long.
    #[error("label `{0}` has more than {MAX_LABEL_CHARS} characters")]
    Length(String),
}

impl Audience {
    /// Puts an audience together; several values of one key mean any of them.
    pub fn of(choices: impl IntoIterator<Item = LabelChoice>) -> Audience {
        let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for LabelChoice { key, value } in choices {
            let values = keys.entry(key).or_default();
            if !values.contains(&value) {
                values.push(value);
                values.sort_unstable();
            }
        }
        Audience(keys)
    }

    /// Whether a client with `labels` belongs to it.
    pub fn includes(&self, labels: &Labels) -> bool {
        self.0.iter().all(|(key, values)| labels.get(key).is_some_and(|value| values.contains(value)))
    }

    /// Whether keys and values stay within what a client may state.
    pub fn is_within_limits(&self) -> bool {
        let is_short = |text: &String| text.chars().count() <= MAX_LABEL_CHARS;
        self.0.len() <= MAX_LABELS
            && self.0.iter().all(|(key, values)| is_short(key) && values.iter().all(is_short))
    }
}

impl std::fmt::Display for Audience {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() {
            return formatter.write_str("everybody");
        }
        let pairs = self.0.iter().map(|(key, values)| format!("{key}={}", values.join("|")));
        formatter.write_str(&pairs.collect::<Vec<_>>().join(" "))
    }
}

impl FromStr for LabelChoice {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<LabelChoice, LabelError> {
        let shape = || LabelError::Shape(text.to_owned());
        let (key, value) = text.split_once('=').ok_or_else(shape)?;
        if key.is_empty() || value.is_empty() {
            return Err(shape());
        }
        if key.chars().count() > MAX_LABEL_CHARS || value.chars().count() > MAX_LABEL_CHARS {
            return Err(LabelError::Length(text.to_owned()));
        }
        Ok(LabelChoice { key: key.to_owned(), value: value.to_owned() })
    }
}

/// Whether the browser `install` is among the first `percent` of all browsers for this hash.
///
/// The place of a browser is the first four bytes, most significant first, of the SHA-256 of
/// `<64 hex digits of the hash>:<install>`, modulo 100. It depends on the hash, so that each release begins with
/// other browsers, and on nothing else, so that a raised percentage keeps those that are done.
pub fn is_in_rollout(hash: &ManifestHash, install: &str, percent: u8) -> bool {
    let digest = Sha256::digest(format!("{hash}:{install}"));
    let first = digest.iter().take(4).fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
    first % 100 < u32::from(percent)
}

#[cfg(test)]
mod tests {
    use super::{Audience, LabelChoice, LabelError, Labels, is_in_rollout};

    fn audience(choices: &[&str]) -> Audience {
        Audience::of(choices.iter().map(|text| text.parse::<LabelChoice>().unwrap()))
    }

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn every_key_must_match_with_any_of_its_values() {
        let wanted = audience(&["tenant=a", "tenant=b", "platform=web"]);
        for (client, is_included) in [
            (labels(&[("tenant", "a"), ("platform", "web")]), true),
            (labels(&[("tenant", "b"), ("platform", "web"), ("branch", "x")]), true),
            (labels(&[("tenant", "c"), ("platform", "web")]), false),
            (labels(&[("tenant", "a")]), false),
            (labels(&[]), false),
        ] {
            assert_eq!(wanted.includes(&client), is_included, "{client:?}");
        }
        assert!(audience(&[]).includes(&labels(&[])));
    }

    #[test]
    fn the_order_of_choices_does_not_matter() {
        assert_eq!(audience(&["a=1", "a=2", "a=1"]), audience(&["a=2", "a=1"]));
        assert_eq!(audience(&["b=1", "a=2", "a=1"]).to_string(), "a=1|2 b=1");
    }

    #[test]
    fn a_choice_without_two_sides_is_named() {
        for text in ["tenant", "=a", "tenant="] {
            assert_eq!(text.parse::<LabelChoice>(), Err(LabelError::Shape(text.into())));
        }
    }

    #[test]
    fn a_raised_percentage_keeps_those_inside_and_splits_evenly() {
        let hash = "ab".repeat(32).parse().unwrap();
        let installs: Vec<String> = (0..10_000).map(|number| format!("install-{number}")).collect();
        let inside =
            |percent| installs.iter().filter(|install| is_in_rollout(&hash, install, percent)).count();
        assert_eq!((inside(0), inside(100)), (0, 10_000));
        assert!((900..1100).contains(&inside(10)), "{}", inside(10));
        for install in installs.iter().filter(|install| is_in_rollout(&hash, install, 10)) {
            assert!(is_in_rollout(&hash, install, 50));
        }
    }

    /// The first bytes were computed apart: `printf %s "$hash:$install" | sha256sum`.
    #[test]
    fn the_place_of_a_browser_is_what_the_page_says() {
        let hash = "ab".repeat(32).parse().unwrap();
        let places = [("one", PLACE_ONE), ("two", PLACE_TWO)];
        for (install, place) in places {
            assert!(!is_in_rollout(&hash, install, place), "{install}");
            assert!(is_in_rollout(&hash, install, place + 1), "{install}");
        }
    }

    const PLACE_ONE: u8 = 81;
    const PLACE_TWO: u8 = 37;
}
