//! Events under signature: compact JWS with ES256, the algorithm pinned, never taken from the header.
//!
//! Follows RFC 7515 (JWS), RFC 7518 section 3.4 (ES256) and RFC 8725 (what JWT verifiers get wrong).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::event::Event;
use crate::keys::{SigningKey, VerifyingKey};

/// Longest signed event; the browser's side and the send buffers are sized for it.
pub const MAX_BYTES: usize = 16 * 1024;

/// What the header names as its type, so that no other token of the same key passes for an event.
const TYPE: &str = "fr+jwt";
const ALGORITHM: &str = "ES256";

/// Why a text is not a signed event.
#[derive(Debug, Error)]
pub enum JwsError {
    /// Too long.
    #[error("the signed event has {0} bytes, more than {MAX_BYTES}")]
    TooLong(usize),
    /// Not three parts of base64url with JSON inside.
    #[error("not a compact JWS: {0}")]
    Malformed(&'static str),
    /// A header that asks for something else than ES256 and `fr+jwt`.
    #[error("header member `{0}` is not accepted")]
    Header(&'static str),
    /// A key that this verifier does not trust.
    #[error("key `{0}` is not trusted")]
    UnknownKey(String),
    /// The signature is not that key's over these bytes.
    #[error("the signature does not verify")]
    Signature,
    /// The payload is signed but is no event.
    #[error("the payload is not an event")]
    Payload(#[source] serde_json::Error),
}

#[derive(Deserialize, Serialize)]
struct Header {
    alg: String,
    kid: String,
    typ: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    crit: Option<serde_json::Value>,
}

/// Signs `event`.
///
/// # Errors
/// When the event is longer than [`MAX_BYTES`].
pub fn sign(key: &SigningKey, event: &Event) -> Result<String, JwsError> {
    let header = Header { alg: ALGORITHM.into(), kid: key.kid().into(), typ: TYPE.into(), crit: None };
    let part = |bytes: Vec<u8>| URL_SAFE_NO_PAD.encode(bytes);
    let header = part(serde_json::to_vec(&header).map_err(JwsError::Payload)?);
    let payload = part(serde_json::to_vec(event).map_err(JwsError::Payload)?);
    let message = format!("{header}.{payload}");
    let signature = part(key.sign(message.as_bytes()));
    let jws = format!("{message}.{signature}");
    if jws.len() > MAX_BYTES { Err(JwsError::TooLong(jws.len())) } else { Ok(jws) }
}

/// Reads a signed event, if one of `keys` signed it.
///
/// # Errors
/// When the text, its header, its signature or its payload is not what it must be. Nothing of the payload is looked
/// at before the signature is known to be good.
pub fn verify(keys: &[VerifyingKey], jws: &str) -> Result<Event, JwsError> {
    if jws.len() > MAX_BYTES {
        return Err(JwsError::TooLong(jws.len()));
    }
    let (message, signature) = jws.rsplit_once('.').ok_or(JwsError::Malformed("it has no dots"))?;
    let (header, payload) = message.split_once('.').ok_or(JwsError::Malformed("it has one dot"))?;
    let header: Header = serde_json::from_slice(&decode(header)?)
        .map_err(|_| JwsError::Malformed("its header lacks alg, kid or typ"))?;
    let key = choose_key(keys, header)?;
    if !key.verifies(message.as_bytes(), &decode(signature)?) {
        return Err(JwsError::Signature);
    }
    serde_json::from_slice(&decode(payload)?).map_err(JwsError::Payload)
}

fn choose_key(keys: &[VerifyingKey], header: Header) -> Result<&VerifyingKey, JwsError> {
    if header.alg != ALGORITHM {
        return Err(JwsError::Header("alg"));
    }
    if header.typ != TYPE {
        return Err(JwsError::Header("typ"));
    }
    if header.crit.is_some() {
        return Err(JwsError::Header("crit"));
    }
    keys.iter().find(|key| key.kid() == header.kid).ok_or(JwsError::UnknownKey(header.kid))
}

fn decode(part: &str) -> Result<Vec<u8>, JwsError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| JwsError::Malformed("a part is not base64url"))
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::{JwsError, sign, verify};
    use crate::event::tests::example;
    use crate::keys::SigningKey;

    #[test]
    fn a_signed_event_reads_back_as_itself() {
        let key = SigningKey::generate().unwrap();
        let jws = sign(&key, &example()).unwrap();
        assert_eq!(verify(&[key.public()], &jws).unwrap(), example());
    }

    /// The page's threat table: every single changed byte is refused.
    #[test]
    fn no_changed_byte_passes() {
        let key = SigningKey::generate().unwrap();
        let jws = sign(&key, &example()).unwrap();
        for position in 0..jws.len() {
            for flip in [1_u8, 2, 4, 0x20] {
                let mut bytes = jws.clone().into_bytes();
                bytes[position] ^= flip;
                let Ok(text) = String::from_utf8(bytes) else {
                    continue;
                };
                assert!(verify(&[key.public()], &text).is_err(), "byte {position} ^ {flip}");
            }
        }
    }

    #[test]
    fn a_stranger_s_key_is_named() {
        let (trusted, stranger) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let jws = sign(&stranger, &example()).unwrap();
        let error = verify(&[trusted.public()], &jws).unwrap_err();
        assert!(matches!(&error, JwsError::UnknownKey(kid) if kid == stranger.kid()), "{error}");
    }

    #[test]
    fn the_header_cannot_choose_the_algorithm() {
        let key = SigningKey::generate().unwrap();
        let jws = sign(&key, &example()).unwrap();
        let (_, rest) = jws.split_once('.').unwrap();
        let kid = key.kid();
        for (header, member) in [
            (format!(r#"{{"alg":"none","kid":"{kid}","typ":"fr+jwt"}}"#), "alg"),
            (format!(r#"{{"alg":"HS256","kid":"{kid}","typ":"fr+jwt"}}"#), "alg"),
            (format!(r#"{{"alg":"ES256","kid":"{kid}","typ":"JWT"}}"#), "typ"),
            (format!(r#"{{"alg":"ES256","kid":"{kid}","typ":"fr+jwt","crit":["exp"]}}"#), "crit"),
        ] {
            let forged = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header));
            let error = verify(&[key.public()], &forged).unwrap_err();
            assert!(matches!(error, JwsError::Header(named) if named == member), "{error}");
        }
    }

    #[test]
    fn text_that_is_no_jws_is_refused() {
        let keys = [SigningKey::generate().unwrap().public()];
        for text in ["", ".", "..", "a.b.c", "a.b.c.d", "e30.e30.", "\u{1f600}.\u{1f600}.x"] {
            assert!(verify(&keys, text).is_err(), "{text}");
        }
        assert!(matches!(verify(&keys, &"x".repeat(20_000)), Err(JwsError::TooLong(20_000))));
    }
}
