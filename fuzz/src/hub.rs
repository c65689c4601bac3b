//! The parsers of `sw-force-refresh`: signed events, keys, frames, state files and labels.

use std::sync::LazyLock;

use jiff::Timestamp;
use sw_force_refresh::audience::{Audience, LabelChoice, MAX_LABEL_CHARS, MAX_LABELS};
use sw_force_refresh::event::{Event, MAX_SEQ};
use sw_force_refresh::http_address::HttpAddress;
use sw_force_refresh::keys::{SigningKey, verifying_keys_from_json};
use sw_force_refresh::record::Record;
use sw_force_refresh::wire::{self, ClientFrame, HubFrame, MAX_ID_CHARS};
use sw_force_refresh::{jws as signatures, subject};

/// The key pair whose private number is one, so its public point is the generator of P-256 (FIPS 186-5): no secret.
const KEY: &str = r#"{"kty":"EC","crv":"P-256","kid":"one",
    "x":"axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY","y":"T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU",
    "d":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"}"#;
const EVENT: &str = r#"{"type":"FORCE_REFRESH","id":"01JZZZZZZZZZZZZZZZZZZZZZZZ","seq":42,
    "manifest_hash":"sha256:5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e","severity":"critical",
    "deadline":900,"jitter_ms":5000,"audience":{},"rollout":100,"issued_at":1800000000,"expires_at":1800003600}"#;

/// The trusted key and the one event that it has signed.
static SIGNED: LazyLock<Option<(SigningKey, Event, String)>> = LazyLock::new(|| {
    let (key, event) = (SigningKey::from_json(KEY).ok()?, serde_json::from_str(EVENT).ok()?);
    let jws = signatures::sign(&key, &event).ok()?;
    Some((key, event, jws))
});

/// One key has signed one event: no other event is accepted, and that one is.
pub fn jws(text: &str) {
    let Some((key, event, signed)) = &*SIGNED else { unreachable!("the key and the event are good") };
    match signatures::verify(&[key.public()], text) {
        Ok(accepted) => assert_eq!(accepted, *event, "another event is accepted"),
        Err(error) => assert_ne!(text, signed, "the signed event is refused: {error}"),
    }
}

/// An event prints as one that reads as itself; judging it never fails, at any time and after any number.
pub fn event(text: &str) {
    let Ok(event) = serde_json::from_str::<Event>(text) else { return };
    let printed = serde_json::to_string(&event).unwrap_or_default();
    assert_eq!(serde_json::from_str::<Event>(&printed).ok().as_ref(), Some(&event));
    let issued = Timestamp::from_second(event.issued_at).unwrap_or(Timestamp::MAX);
    for now in [Timestamp::MIN, issued, Timestamp::UNIX_EPOCH, Timestamp::MAX] {
        let is_accepted = event.check(now, 41).is_ok();
        assert!(!is_accepted || (42..=MAX_SEQ).contains(&event.seq) && !event.is_expired(now.as_second()));
    }
    if let Some((key, _, _)) = &*SIGNED
        && let Ok(jws) = signatures::sign(key, &event)
    {
        assert_eq!(signatures::verify(&[key.public()], &jws).ok().as_ref(), Some(&event));
    }
}

/// A key prints as one that reads as itself, and a private key is never taken for a public one.
pub fn jwk(text: &str) {
    if let Ok(key) = SigningKey::from_json(text) {
        let printed = serde_json::to_string(&key.to_private_jwk()).unwrap_or_default();
        assert_eq!(SigningKey::from_json(&printed).map(|again| again.kid() == key.kid()).ok(), Some(true));
        assert!(verifying_keys_from_json(text).is_err(), "a private key is accepted as a public one");
    }
    for key in verifying_keys_from_json(text).into_iter().flatten() {
        let printed = serde_json::to_string(&key.to_jwk()).unwrap_or_default();
        let again = verifying_keys_from_json(&printed).ok();
        let kid = again.as_deref().and_then(|keys| keys.first()).map(|again| again.kid());
        assert_eq!(kid, Some(key.kid()));
    }
}

/// What a client may say stays within its limits; what a hub says reads back as itself.
pub fn wire(text: &str) {
    if let Ok(ClientFrame::Hello(hello)) = wire::parse(text) {
        let is_id = |id: &String| !id.is_empty() && id.chars().count() <= MAX_ID_CHARS;
        assert!(hello.v == 1 && is_id(&hello.client) && is_id(&hello.install));
        let is_short = |text: &String| text.chars().count() <= MAX_LABEL_CHARS;
        assert!(hello.labels.len() <= MAX_LABELS);
        assert!(hello.labels.iter().all(|(key, value)| is_short(key) && is_short(value)));
    }
    if let Ok(frame) = serde_json::from_str::<HubFrame>(text) {
        assert_eq!(serde_json::from_str(&frame.to_text()).ok(), Some(frame));
    }
}

/// A state file reads back as itself.
pub fn record(text: &str) {
    let Ok(record) = Record::from_json(text.as_bytes()) else { return };
    let printed = record.to_json().unwrap_or_default();
    assert_eq!(Record::from_json(&printed).ok(), Some(record));
}

/// One label per line: an audience knows each pair once and prints all of them. The whole text may name a version.
pub fn label(text: &str) {
    let choices: Vec<LabelChoice> = text.lines().filter_map(|line| line.parse().ok()).collect();
    let audience = Audience::of(choices.clone());
    assert_eq!(audience, Audience::of(choices.iter().rev().cloned()));
    assert_eq!(audience.to_string() == "everybody", choices.is_empty());
    if let Ok(hash) = subject::parse(text) {
        assert_eq!(subject::parse(&hash.to_string()), Ok(hash));
    }
}

/// An address prints as itself.
pub fn http_address(text: &str) {
    let Ok(address) = text.parse::<HttpAddress>() else { return };
    assert_eq!(address.to_string().parse(), Ok(address));
}
