//! Digests of files: one pass over the bytes, as many algorithms as the manifest needs.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha384};

use crate::entry::Algorithm;

/// The digest of one file by one algorithm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// How it was computed.
    pub algorithm: Algorithm,
    bytes: Vec<u8>,
}

impl Digest {
    /// The digest with these `bytes`.
    pub fn new(algorithm: Algorithm, bytes: impl Into<Vec<u8>>) -> Digest {
        Digest { algorithm, bytes: bytes.into() }
    }

    /// Lower-case hexadecimal digits.
    pub fn hex(&self) -> String {
        let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or_default();
        self.bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
    }

    /// Subresource integrity metadata (<https://www.w3.org/TR/SRI/#integrity-metadata>): algorithm and Base64.
    pub fn integrity(&self) -> String {
        format!("{}-{}", self.algorithm, STANDARD.encode(&self.bytes))
    }
}

/// Computes one digest from bytes that come in pieces. MD5 is not among them: see [`crate::md5_lanes`] for files,
/// and [`md5`] for short texts.
#[derive(Clone, Debug)]
pub enum Hasher {
    /// SHA-1.
    Sha1(Sha1),
    /// SHA-256.
    Sha256(Sha256),
    /// SHA-384.
    Sha384(Sha384),
    /// BLAKE3, boxed because its state is two kilobytes.
    Blake3(Box<blake3::Hasher>),
}

impl Hasher {
    /// A hasher for `algorithm`; `None` for MD5.
    pub fn new(algorithm: Algorithm) -> Option<Hasher> {
        match algorithm {
            Algorithm::Md5 => None,
            Algorithm::Sha1 => Some(Hasher::Sha1(Sha1::new())),
            Algorithm::Sha256 => Some(Hasher::Sha256(Sha256::new())),
            Algorithm::Sha384 => Some(Hasher::Sha384(Sha384::new())),
            Algorithm::Blake3 => Some(Hasher::Blake3(Box::default())),
        }
    }

    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Hasher::Sha1(state) => state.update(bytes),
            Hasher::Sha256(state) => state.update(bytes),
            Hasher::Sha384(state) => state.update(bytes),
            Hasher::Blake3(state) => drop(state.update(bytes)),
        }
    }

    /// The digest of all bytes.
    pub fn finish(self) -> Digest {
        match self {
            Hasher::Sha1(state) => Digest::new(Algorithm::Sha1, state.finalize().to_vec()),
            Hasher::Sha256(state) => Digest::new(Algorithm::Sha256, state.finalize().to_vec()),
            Hasher::Sha384(state) => Digest::new(Algorithm::Sha384, state.finalize().to_vec()),
            Hasher::Blake3(state) => Digest::new(Algorithm::Blake3, state.finalize().as_bytes().to_vec()),
        }
    }
}

/// The digest of a short text by any algorithm.
pub fn of_bytes(algorithm: Algorithm, bytes: &[u8]) -> Digest {
    match Hasher::new(algorithm) {
        Some(mut hasher) => {
            hasher.update(bytes);
            hasher.finish()
        }
        None => md5(bytes),
    }
}

/// MD5 of a short text.
pub fn md5(bytes: &[u8]) -> Digest {
    let mut lanes = crate::md5_lanes::Md5Lanes::default();
    let blocks = bytes.len() / crate::md5_lanes::BLOCK_BYTES;
    let mut inputs = [None; crate::md5_lanes::LANES];
    if let Some(first) = inputs.first_mut() {
        *first = Some(bytes);
    }
    lanes.update(inputs, blocks);
    let tail = bytes.get(blocks * crate::md5_lanes::BLOCK_BYTES..).unwrap_or_default();
    Digest::new(Algorithm::Md5, lanes.finish(0, tail).to_vec())
}

#[cfg(test)]
mod tests {
    use super::{Algorithm, of_bytes};

    #[test]
    fn known_answers_of_every_algorithm() {
        // RFC 1321 and FIPS 180-4 for "abc"; BLAKE3 from its reference test vectors for the empty input.
        for (algorithm, text, hex) in [
            (Algorithm::Md5, "abc", "900150983cd24fb0d6963f7d28e17f72"),
            (Algorithm::Sha1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (Algorithm::Sha256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (Algorithm::Blake3, "", "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"),
        ] {
            assert_eq!(of_bytes(algorithm, text.as_bytes()).hex(), hex);
        }
        assert_eq!(
            of_bytes(Algorithm::Sha384, b"alert('Hello, world.');").integrity(),
            "sha384-H8BRh8j48O9oYatfu5AZzq6A9RINhZO5H16dQZngK7T62em8MUt1FLm52t+eX6xO",
            "the example of the SRI recommendation"
        );
    }
}
