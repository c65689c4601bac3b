//! The frames between hub and browser: JSON in text frames, protocol version 1.
//!
//! Unknown members and unknown frame types are ignored, so that either side may learn new words first.

use precache_manifest::ManifestHash;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use ulid::Ulid;

use crate::audience::{Labels, MAX_LABEL_CHARS, MAX_LABELS};

/// The WebSocket subprotocol: a hub of another protocol version is refused in the handshake.
pub const SUBPROTOCOL: &str = "sw-force-refresh.v1";
/// Where clients connect.
pub const SOCKET_PATH: &str = "/v1/ws";
/// Longest message of a client. A hello with eight full labels of four-byte characters fits.
pub const MAX_CLIENT_BYTES: usize = 4 * 1024;
/// Longest `client` and `install`: 128 random bits in any usual spelling fit.
pub const MAX_ID_CHARS: usize = 64;

/// What a client says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientFrame {
    /// Who it is and what it runs: the first frame.
    Hello(Hello),
    /// How it fares with an event.
    Ack(Ack),
    /// It is alive.
    Pong,
    /// Something from a later version.
    Unknown,
}

/// Who a client is and what it runs.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Hello {
    /// Version of the protocol.
    pub v: u32,
    /// Random per tab; survives its reloads.
    pub client: String,
    /// Random per browser; decides about the rollout.
    pub install: String,
    /// The manifest hash of the build that the page runs.
    pub hash: ManifestHash,
    /// What the client says about itself.
    #[serde(default)]
    pub labels: Labels,
    /// Whether a service worker serves the page.
    #[serde(default)]
    pub sw: ServiceWorker,
}

/// Whether a service worker serves the page.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceWorker {
    /// One does.
    Controlled,
    /// None does (yet).
    None,
    /// The platform has none; such clients are counted apart.
    Unsupported,
    /// Something from a later version.
    #[default]
    #[serde(other)]
    Unknown,
}

/// How a client fares with an event.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub struct Ack {
    /// Of the event.
    pub id: Ulid,
    /// Where the client stands.
    pub state: AckState,
    /// Why it does not go on.
    #[serde(default)]
    pub why: Option<Why>,
}

/// Where a client stands with an event.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AckState {
    /// It has verified the event.
    Received,
    /// It waits for the user or for a better moment.
    Deferred,
    /// It activates the new version and reloads.
    Updating,
    /// It tried and could not.
    Failed,
    /// It does not accept the event.
    Refused,
    /// It has nothing to do.
    Skipped,
    /// Something from a later version.
    #[serde(other)]
    Unknown,
}

/// Why a client does not go on.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The signature does not verify.
    BadSignature,
    /// The event's time is over.
    Expired,
    /// The origin does not serve the wanted version.
    NotServed,
    /// Too many reloads already.
    Budget,
    /// The user is in the middle of something.
    UserBusy,
    /// The service worker failed.
    SwError,
    /// Something from a later version.
    #[serde(other)]
    Unknown,
}

/// Why a client is sent away with close code 4000.
#[derive(Debug, Error)]
pub enum BadFrame {
    /// Not the JSON of a known frame.
    #[error("not a frame of this protocol")]
    Json(#[source] serde_json::Error),
    /// Another protocol version.
    #[error("protocol version {0} is not spoken here")]
    Version(u32),
    /// An identifier that is empty or too long.
    #[error("`{0}` is empty or too long")]
    Identifier(&'static str),
    /// Too many labels, or too long ones.
    #[error("more than {MAX_LABELS} labels, or a label of more than {MAX_LABEL_CHARS} characters")]
    Labels,
}

/// Reads a client's text frame.
///
/// # Errors
/// When a later word cannot explain what it says: broken JSON, or a hello beyond its limits.
pub fn parse(text: &str) -> Result<ClientFrame, BadFrame> {
    #[derive(Deserialize)]
    struct Tag {
        t: String,
    }
    let tag: Tag = serde_json::from_str(text).map_err(BadFrame::Json)?;
    match tag.t.as_str() {
        "hello" => Ok(ClientFrame::Hello(parse_hello(text)?)),
        "ack" => serde_json::from_str(text).map(ClientFrame::Ack).map_err(BadFrame::Json),
        "pong" => Ok(ClientFrame::Pong),
        _ => Ok(ClientFrame::Unknown),
    }
}

fn parse_hello(text: &str) -> Result<Hello, BadFrame> {
    #[derive(Deserialize)]
    struct Version {
        v: u32,
    }
    let Version { v } = serde_json::from_str(text).map_err(BadFrame::Json)?;
    if v != 1 {
        return Err(BadFrame::Version(v));
    }
    let hello: Hello = serde_json::from_str(text).map_err(BadFrame::Json)?;
    for (name, value) in [("client", &hello.client), ("install", &hello.install)] {
        if value.is_empty() || value.chars().count() > MAX_ID_CHARS {
            return Err(BadFrame::Identifier(name));
        }
    }
    let is_long = |text: &String| text.chars().count() > MAX_LABEL_CHARS;
    if hello.labels.len() > MAX_LABELS
        || hello.labels.iter().any(|(key, value)| is_long(key) || is_long(value))
    {
        return Err(BadFrame::Labels);
    }
    Ok(hello)
}

/// What the hub says.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(tag = "t", rename_all = "snake_case")]
pub enum HubFrame {
    /// The answer to a hello: the current event for this client, if there is one.
    Welcome {
        /// Changes when a hub has lost its past.
        epoch: String,
        /// Of the hub's last event.
        seq: u64,
        /// Seconds between two pings.
        hb: u64,
        /// The current event, signed.
        event: Option<String>,
    },
    /// A new event, signed.
    Event {
        /// The signed event.
        jws: String,
    },
    /// Are you alive?
    Ping {
        /// Of the hub's last event.
        seq: u64,
    },
    /// The hub goes; come back after this time.
    Drain {
        /// Milliseconds to wait before the next connection.
        after_ms: u64,
    },
}

impl HubFrame {
    /// The text of the frame.
    pub fn to_text(&self) -> String {
        // Serializing these types to memory cannot fail: keys are strings and numbers are finite.
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{AckState, BadFrame, ClientFrame, HubFrame, ServiceWorker, Why, parse};

    fn hello(change: impl FnOnce(&mut serde_json::Value)) -> String {
        let mut frame = serde_json::json!({
            "t": "hello", "v": 1, "client": "c", "install": "i", "hash": format!("sha256:{}", "5e".repeat(32)),
            "labels": {"tenant": "a"}, "sw": "controlled", "last": {"epoch": "e", "seq": 41}
        });
        change(&mut frame);
        frame.to_string()
    }

    #[test]
    fn a_hello_is_read_and_later_words_are_ignored() {
        let text = hello(|frame| {
            frame["color"] = "green".into();
            frame["sw"] = "quantum".into();
        });
        let ClientFrame::Hello(read) = parse(&text).unwrap() else { panic!("no hello") };
        assert_eq!((read.client.as_str(), read.sw), ("c", ServiceWorker::Unknown));
        assert!(matches!(parse(r#"{"t":"telemetry","x":1}"#), Ok(ClientFrame::Unknown)));
    }

    #[test]
    fn an_ack_is_read_with_its_reason() {
        let text = r#"{"t":"ack","id":"01JZZZZZZZZZZZZZZZZZZZZZZZ","state":"failed","why":"not_served"}"#;
        let ClientFrame::Ack(ack) = parse(text).unwrap() else { panic!("no ack") };
        assert_eq!((ack.state, ack.why), (AckState::Failed, Some(Why::NotServed)));
    }

    #[test]
    fn a_hello_beyond_its_limits_is_named() {
        let cases = [
            (hello(|frame| frame["v"] = 2.into()), "protocol version 2 is not spoken here"),
            (hello(|frame| frame["client"] = "".into()), "`client` is empty or too long"),
            (hello(|frame| frame["install"] = "x".repeat(65).into()), "`install` is empty or too long"),
            (hello(|frame| frame["hash"] = "sha256:12".into()), "not a frame of this protocol"),
            (
                hello(|frame| frame["labels"]["x"] = "y".repeat(65).into()),
                "more than 8 labels, or a label of more than 64 characters",
            ),
        ];
        for (text, message) in cases {
            assert_eq!(parse(&text).unwrap_err().to_string(), message, "{text}");
        }
        assert!(matches!(parse("hello"), Err(BadFrame::Json(_))));
    }

    #[test]
    fn hub_frames_are_spelled_as_the_protocol_says() {
        let welcome = HubFrame::Welcome { epoch: "e".into(), seq: 42, hb: 25, event: None };
        assert_eq!(welcome.to_text(), r#"{"t":"welcome","epoch":"e","seq":42,"hb":25,"event":null}"#);
        assert_eq!(HubFrame::Ping { seq: 42 }.to_text(), r#"{"t":"ping","seq":42}"#);
        assert_eq!(HubFrame::Drain { after_ms: 7311 }.to_text(), r#"{"t":"drain","after_ms":7311}"#);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC*") {
            let _ = parse(&text);
        }

        #[test]
        fn no_cut_or_changed_frame_makes_the_parser_panic(cut in 0_usize..300, position in 0_usize..300, byte: u8) {
            let mut bytes = hello(|_| ()).into_bytes();
            bytes.truncate(cut);
            if let Some(place) = bytes.get_mut(position) {
                *place = byte;
            }
            let _ = parse(&String::from_utf8_lossy(&bytes));
        }
    }
}
