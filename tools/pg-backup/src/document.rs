//! JSON documents that tell when they were changed.
//!
//! The bytes are canonical: compact JSON in the order of the fields, with the SHA-256 of everything before it as the last
//! field, and a line break. So any changed, added or missing byte is seen.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// The version of all documents that this program writes, and the only one that it reads.
pub const FORMAT: u32 = 1;

/// A document that cannot be believed.
#[derive(Debug, Error)]
pub enum DocumentError {
    /// No JSON, or not of this shape.
    #[error("is no document of pg-backup")]
    Unreadable(#[source] serde_json::Error),
    /// Written by another version of this program.
    #[error("has format {found}, and this version reads {FORMAT}")]
    Format {
        /// What it says.
        found: u64,
    },
    /// Its own checksum differs.
    #[error("its own checksum is wrong: it was changed or damaged")]
    Checksum,
}

#[derive(Serialize)]
struct Signed<'a, T> {
    #[serde(flatten)]
    document: &'a T,
    sha256: &'a str,
}

/// The bytes to store, and their SHA-256, by which other documents name this one.
///
/// # Errors
/// When it is no JSON object.
pub fn encode<T: Serialize>(document: &T) -> Result<(Vec<u8>, String), serde_json::Error> {
    let inner = hex(&Sha256::digest(serde_json::to_vec(document)?));
    let mut bytes = serde_json::to_vec(&Signed { document, sha256: &inner })?;
    bytes.push(b'\n');
    let outer = hex(&Sha256::digest(&bytes));
    Ok((bytes, outer))
}

/// Reads what [`encode`] wrote, byte by byte; and the SHA-256 of these bytes.
///
/// # Errors
/// When it cannot be believed.
pub fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<(T, String), DocumentError> {
    /// Read first: another format may have any other shape.
    #[derive(Deserialize)]
    struct Head {
        format: u64,
    }
    let head: Head = serde_json::from_slice(bytes).map_err(DocumentError::Unreadable)?;
    if head.format != u64::from(FORMAT) {
        let found = DocumentError::Format { found: head.format };
        return Err(if is_whole(bytes) { found } else { DocumentError::Checksum });
    }
    let document: T = serde_json::from_slice(bytes).map_err(DocumentError::Unreadable)?;
    let (expected, sha256) = encode(&document).map_err(DocumentError::Unreadable)?;
    if expected == bytes { Ok((document, sha256)) } else { Err(DocumentError::Checksum) }
}

/// Whether the checksum at the end is right, whatever stands before it: a format that is not known is told from one
/// changed byte.
fn is_whole(bytes: &[u8]) -> bool {
    const FIELD: &[u8] = b",\"sha256\":\"";
    const END: &[u8] = b"\"}\n";
    let Some((rest, digits)) =
        bytes.strip_suffix(END).and_then(|text| text.split_at_checked(text.len().checked_sub(64)?))
    else {
        return false;
    };
    rest.strip_suffix(FIELD)
        .is_some_and(|inner| hex(&Sha256::digest([inner, b"}"].concat())).as_bytes() == digits)
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::{DocumentError, decode, encode};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Sample {
        format: u32,
        name: String,
        share: Option<f64>,
    }

    fn sample() -> Sample {
        Sample { format: 1, name: "we\"ird\n名".to_owned(), share: Some(0.1) }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let (bytes, sha256) = encode(&sample()).unwrap();
        assert_eq!(decode::<Sample>(&bytes).unwrap(), (sample(), sha256));
    }

    #[test]
    fn no_changed_byte_is_believed() {
        let (bytes, _) = encode(&sample()).unwrap();
        for index in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[index] ^= 1 << bit;
                assert!(decode::<Sample>(&changed).is_err(), "byte {index}, bit {bit}");
            }
        }
        assert!(decode::<Sample>(&[&bytes[..], b" "].concat()).is_err(), "a byte more");
        assert!(decode::<Sample>(&bytes[..bytes.len() - 1]).is_err(), "a byte less");
    }

    #[test]
    fn another_format_is_named() {
        let (bytes, _) = encode(&serde_json::json!({"format": 2, "whatever": []})).unwrap();
        let found = decode::<Sample>(&bytes);
        assert!(matches!(found, Err(DocumentError::Format { found: 2 })), "{found:?}");
    }

    #[test]
    fn a_format_that_a_damaged_byte_makes_up_is_damage() {
        let (bytes, _) = encode(&sample()).unwrap();
        let changed = String::from_utf8(bytes).unwrap().replace("\"format\":1", "\"format\":3");
        let found = decode::<Sample>(changed.as_bytes());
        assert!(matches!(found, Err(DocumentError::Checksum)), "{found:?}");
    }
}
