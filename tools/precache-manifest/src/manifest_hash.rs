//! The manifest hash as a value: bare on stdout, with its algorithm on wires and in files, both forms read.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

const PREFIX: &str = "sha256:";

/// SHA-256 over the sorted checksum lines of a release.
///
/// `Display` prints 64 lower-case hexadecimal digits; [`ManifestHash::prefixed`] puts `sha256:` before them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ManifestHash([u8; 32]);

/// A text that is no manifest hash.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not a manifest hash: expected 64 lower-case hexadecimal digits, perhaps after `sha256:`")]
pub struct ManifestHashError;

impl ManifestHash {
    /// The hash with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> ManifestHash {
        ManifestHash(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// `sha256:` and 64 hexadecimal digits: the form on wires and in files.
    pub fn prefixed(&self) -> String {
        let mut text = String::from(PREFIX);
        text.push_str(&self.to_string());
        text
    }
}

impl FromStr for ManifestHash {
    type Err = ManifestHashError;

    fn from_str(text: &str) -> Result<ManifestHash, ManifestHashError> {
        let digits = text.strip_prefix(PREFIX).unwrap_or(text).as_bytes();
        if digits.len() != 64 {
            return Err(ManifestHashError);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = pair
                .iter()
                .try_fold(0, |value, digit| Some(value << 4 | nibble(*digit)?))
                .ok_or(ManifestHashError)?;
        }
        Ok(ManifestHash(bytes))
    }
}

const fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for ManifestHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or_default();
        let digits: String = self.0.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
        formatter.write_str(&digits)
    }
}

impl fmt::Debug for ManifestHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(feature = "formats")]
impl serde::Serialize for ManifestHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.prefixed())
    }
}

#[cfg(feature = "formats")]
impl<'de> serde::Deserialize<'de> for ManifestHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<ManifestHash, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::ManifestHash;

    proptest! {
        #[test]
        fn both_forms_read_back(bytes in prop::array::uniform32(any::<u8>())) {
            let hash = ManifestHash::from_bytes(bytes);
            prop_assert_eq!(hash.to_string().parse(), Ok(hash));
            prop_assert_eq!(hash.prefixed().parse(), Ok(hash));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let good = "ab".repeat(32);
        assert!(good.parse::<ManifestHash>().is_ok());
        for bad in [
            "",
            "sha256:",
            &good[1..],
            &format!("{good}0"),
            &good.to_uppercase(),
            &format!("sha1:{good}"),
            &format!(" {good}"),
        ] {
            assert!(bad.parse::<ManifestHash>().is_err(), "{bad}");
        }
    }
}
