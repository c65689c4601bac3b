//! Signing keys as JSON Web Keys: P-256 only, named by their thumbprint.
//!
//! Follows RFC 7517 (JWK), RFC 7518 section 6.2 (elliptic curve members) and RFC 7638 (thumbprint).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// Length of one P-256 coordinate and of the private number.
const COORDINATE_BYTES: usize = 32;

/// Why a key text is not a usable key.
#[derive(Debug, Error)]
pub enum KeyError {
    /// Not JSON, or not the members of a key.
    #[error("not a JSON Web Key")]
    Json(#[from] serde_json::Error),
    /// Another key type or curve.
    #[error("key type `{0}` is not supported, only EC with the curve P-256 is")]
    Unsupported(String),
    /// A member that is not 32 bytes of base64url.
    #[error("member `{0}` is not 32 bytes in base64url")]
    Member(&'static str),
    /// Numbers that are no point of the curve, or a private number of another public key.
    #[error("the numbers do not form a P-256 key pair")]
    Numbers,
    /// A public key where a private one is needed.
    #[error("this is a public key, it cannot sign")]
    NotPrivate,
    /// A private key where a public one is needed.
    #[error("this is a private key, and a hub must not hold one")]
    NotPublic,
    /// A key set without keys.
    #[error("the key set is empty")]
    Empty,
    /// The system gave no random numbers.
    #[error("no random numbers: {0}")]
    Random(getrandom::Error),
}

/// A key as it stands in a file or in the browser's options.
#[derive(Clone, Deserialize, Serialize)]
pub struct Jwk {
    kty: String,
    #[serde(default)]
    crv: String,
    #[serde(default)]
    x: String,
    #[serde(default)]
    y: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    d: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alg: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "use")]
    usage: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
}

/// The private key of a publisher.
pub struct SigningKey {
    kid: String,
    key: ecdsa::SigningKey,
}

/// A public key that a hub or a browser trusts.
#[derive(Clone, Debug)]
pub struct VerifyingKey {
    kid: String,
    key: ecdsa::VerifyingKey,
}

impl SigningKey {
    /// Makes a new key from the system's random numbers.
    ///
    /// # Errors
    /// When the system has none to give.
    pub fn generate() -> Result<SigningKey, KeyError> {
        loop {
            let mut secret = [0_u8; COORDINATE_BYTES];
            getrandom::fill(&mut secret).map_err(KeyError::Random)?;
            // Numbers above the order of the curve are no keys; one in 2^32 is drawn again.
            if let Ok(key) = ecdsa::SigningKey::from_slice(&secret) {
                let kid = thumbprint(key.verifying_key());
                return Ok(SigningKey { kid, key });
            }
        }
    }

    /// Reads a private JWK.
    ///
    /// # Errors
    /// When `text` is not the JWK of a whole P-256 key pair.
    pub fn from_json(text: &str) -> Result<SigningKey, KeyError> {
        let jwk: Jwk = serde_json::from_str(text)?;
        let public = jwk.public_point()?;
        let secret = coordinate("d", jwk.d.as_deref().ok_or(KeyError::NotPrivate)?)?;
        let key = ecdsa::SigningKey::from_slice(&secret).map_err(|_| KeyError::Numbers)?;
        if *key.verifying_key() != public {
            return Err(KeyError::Numbers);
        }
        let kid = jwk.kid.unwrap_or_else(|| thumbprint(&public));
        Ok(SigningKey { kid, key })
    }

    /// The public half.
    pub fn public(&self) -> VerifyingKey {
        VerifyingKey { kid: self.kid.clone(), key: *self.key.verifying_key() }
    }

    /// The name that signatures carry.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The JWK with the private number: a secret.
    pub fn to_private_jwk(&self) -> Jwk {
        let d = URL_SAFE_NO_PAD.encode(self.key.to_bytes());
        Jwk { d: Some(d), ..self.public().to_jwk() }
    }

    /// Signs `message`: r and s, 32 bytes each, deterministic by RFC 6979.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        use p256::ecdsa::signature::Signer;
        let signature: ecdsa::Signature = self.key.sign(message);
        signature.to_bytes().to_vec()
    }
}

impl VerifyingKey {
    /// The name that signatures carry.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public JWK.
    pub fn to_jwk(&self) -> Jwk {
        let (x, y) = coordinates(&self.key);
        Jwk {
            kty: "EC".into(),
            crv: "P-256".into(),
            x,
            y,
            d: None,
            alg: Some("ES256".into()),
            usage: Some("sig".into()),
            kid: Some(self.kid.clone()),
        }
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        use p256::ecdsa::signature::Verifier;
        ecdsa::Signature::from_slice(signature)
            .is_ok_and(|signature| self.key.verify(message, &signature).is_ok())
    }
}

/// Reads the public JWK, or the set of them, that a hub trusts.
///
/// # Errors
/// When `text` holds no key, a private key, or a key of another kind.
pub fn verifying_keys_from_json(text: &str) -> Result<Vec<VerifyingKey>, KeyError> {
    #[derive(Deserialize)]
    struct KeySet {
        keys: Vec<Jwk>,
    }
    let value: serde_json::Value = serde_json::from_str(text)?;
    let jwks = match value.get("keys") {
        Some(_) => serde_json::from_value::<KeySet>(value)?.keys,
        None => vec![serde_json::from_value(value)?],
    };
    if jwks.is_empty() {
        return Err(KeyError::Empty);
    }
    jwks.iter().map(Jwk::verifying_key).collect()
}

impl Jwk {
    fn verifying_key(&self) -> Result<VerifyingKey, KeyError> {
        if self.d.is_some() {
            return Err(KeyError::NotPublic);
        }
        let key = self.public_point()?;
        let kid = self.kid.clone().unwrap_or_else(|| thumbprint(&key));
        Ok(VerifyingKey { kid, key })
    }

    fn public_point(&self) -> Result<ecdsa::VerifyingKey, KeyError> {
        if self.kty != "EC" || self.crv != "P-256" {
            let kind = format!("{} {}", self.kty, self.crv);
            return Err(KeyError::Unsupported(kind.trim_end().to_owned()));
        }
        let mut point = vec![UNCOMPRESSED];
        point.extend(coordinate("x", &self.x)?);
        point.extend(coordinate("y", &self.y)?);
        ecdsa::VerifyingKey::from_sec1_bytes(&point).map_err(|_| KeyError::Numbers)
    }
}

/// Leading byte of an uncompressed point, SEC 1 section 2.3.3.
const UNCOMPRESSED: u8 = 4;

fn coordinate(name: &'static str, text: &str) -> Result<Vec<u8>, KeyError> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| KeyError::Member(name))?;
    if bytes.len() == COORDINATE_BYTES { Ok(bytes) } else { Err(KeyError::Member(name)) }
}

fn coordinates(key: &ecdsa::VerifyingKey) -> (String, String) {
    let point = key.to_sec1_point(false);
    let (x, y) = point.as_bytes().get(1..).unwrap_or_default().split_at(COORDINATE_BYTES);
    (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y))
}

/// RFC 7638: the SHA-256 of the required members in lexical order, without spaces.
fn thumbprint(key: &ecdsa::VerifyingKey) -> String {
    let (x, y) = coordinates(key);
    let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    URL_SAFE_NO_PAD.encode(Sha256::digest(members))
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SigningKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{KeyError, SigningKey, verifying_keys_from_json};

    fn private_text(key: &SigningKey) -> String {
        serde_json::to_string(&key.to_private_jwk()).unwrap()
    }

    fn public_text(key: &SigningKey) -> String {
        serde_json::to_string(&key.public().to_jwk()).unwrap()
    }

    #[test]
    fn a_written_key_reads_back_as_itself() {
        let key = SigningKey::generate().unwrap();
        let read = SigningKey::from_json(&private_text(&key)).unwrap();
        assert_eq!(read.kid(), key.kid());
        let public = verifying_keys_from_json(&public_text(&key)).unwrap();
        assert!(public[0].verifies(b"text", &read.sign(b"text")));
    }

    #[test]
    fn the_public_half_holds_no_secret_and_cannot_sign() {
        let key = SigningKey::generate().unwrap();
        assert!(!public_text(&key).contains("\"d\""));
        assert!(matches!(SigningKey::from_json(&public_text(&key)), Err(KeyError::NotPrivate)));
    }

    #[test]
    fn a_hub_refuses_to_hold_a_private_key() {
        let key = SigningKey::generate().unwrap();
        assert!(matches!(verifying_keys_from_json(&private_text(&key)), Err(KeyError::NotPublic)));
    }

    #[test]
    fn a_key_set_gives_all_its_keys() {
        let (one, two) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let set = format!("{{\"keys\":[{},{}]}}", public_text(&one), public_text(&two));
        let kids: Vec<_> =
            verifying_keys_from_json(&set).unwrap().iter().map(|key| key.kid().to_owned()).collect();
        assert_eq!(kids, [one.kid(), two.kid()]);
        assert!(matches!(verifying_keys_from_json("{\"keys\":[]}"), Err(KeyError::Empty)));
    }

    #[test]
    fn a_foreign_private_number_is_no_pair() {
        let (one, two) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let mut mixed = serde_json::to_value(one.to_private_jwk()).unwrap();
        mixed["d"] = serde_json::to_value(two.to_private_jwk()).unwrap()["d"].clone();
        assert!(matches!(SigningKey::from_json(&mixed.to_string()), Err(KeyError::Numbers)));
    }

    #[test]
    fn other_kinds_of_keys_are_named() {
        let error = verifying_keys_from_json(r#"{"kty":"OKP","crv":"Ed25519","x":"AA"}"#).unwrap_err();
        assert_eq!(
            error.to_string(),
            "key type `OKP Ed25519` is not supported, only EC with the curve P-256 is"
        );
    }

    /// The public key of RFC 7515 appendix A.3; its thumbprint was computed apart, with `sha256sum`.
    #[test]
    fn the_key_of_rfc_7515_reads_and_is_named_by_its_thumbprint() {
        let text = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
        let keys = verifying_keys_from_json(text).unwrap();
        assert_eq!(keys[0].kid(), "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U");
    }
}
