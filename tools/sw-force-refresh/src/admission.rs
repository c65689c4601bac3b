//! Who may open a socket: the rules of the handshake, before any WebSocket exists.
//!
//! Follows RFC 6455 section 4.2 and section 10.2 (Origin), RFC 6454 (what an origin is). Browsers do not let a page
//! set `Origin`, so an exact list keeps foreign pages out; other programs may say what they like.

use std::str::FromStr;

use hyper::HeaderMap;
use hyper::header::{ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use thiserror::Error;

use crate::wire::{SOCKET_PATH, SUBPROTOCOL};

/// One origin as browsers spell it: `scheme://host` or `scheme://host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

/// A text that no browser sends as an origin.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum OriginError {
    /// Every sandboxed frame and local file has it.
    #[error("the origin `null` stands for every sandboxed page, it cannot be allowed")]
    Null,
    /// Something else than scheme, host and port.
    #[error("`{0}` is not an origin such as https://app.example or capacitor://localhost")]
    Shape(String),
}

/// Which origins may connect.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Exactly these.
    pub origins: Vec<Origin>,
    /// Also programs that send none: no browser.
    pub allow_no_origin: bool,
}

/// Why a handshake is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    /// Another path.
    #[error("clients connect to {SOCKET_PATH}")]
    Path,
    /// A secret in the address ends in every log on the way.
    #[error("a token does not belong into the address")]
    TokenInAddress,
    /// No `Origin` where one is needed.
    #[error("the Origin header is missing or repeated")]
    NoOrigin,
    /// An `Origin` that is not on the list.
    #[error("this origin may not connect")]
    Origin,
    /// The subprotocol is missing.
    #[error("the subprotocol {SUBPROTOCOL} is required")]
    Subprotocol,
}

impl Refusal {
    /// The HTTP status that tells it.
    pub fn status(&self) -> u16 {
        match self {
            Refusal::Path => 404,
            Refusal::TokenInAddress | Refusal::Subprotocol => 400,
            Refusal::NoOrigin | Refusal::Origin => 403,
        }
    }
}

/// Judges a handshake by its address and headers.
///
/// # Errors
/// The first rule that it breaks.
pub fn admit(policy: &Policy, path: &str, query: Option<&str>, headers: &HeaderMap) -> Result<(), Refusal> {
    if path != SOCKET_PATH {
        return Err(Refusal::Path);
    }
    if query.is_some_and(names_a_secret) {
        return Err(Refusal::TokenInAddress);
    }
    let origins: Vec<_> = headers.get_all(ORIGIN).iter().collect();
    match origins.as_slice() {
        [] if policy.allow_no_origin => {}
        [origin] => {
            if !policy.origins.iter().any(|allowed| allowed.0.as_bytes() == origin.as_bytes()) {
                return Err(Refusal::Origin);
            }
        }
        _ => return Err(Refusal::NoOrigin),
    }
    let protocols = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    if protocols.flat_map(|list| list.split(',')).any(|name| name.trim() == SUBPROTOCOL) {
        Ok(())
    } else {
        Err(Refusal::Subprotocol)
    }
}

fn names_a_secret(query: &str) -> bool {
    const NAMES: [&str; 4] = ["token", "access_token", "jwt", "authorization"];
    let mut keys = query.split('&').map(|pair| pair.split('=').next().unwrap_or_default());
    keys.any(|key| NAMES.iter().any(|name| key.eq_ignore_ascii_case(name)))
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Origin, OriginError> {
        if text == "null" {
            return Err(OriginError::Null);
        }
        let shape = || OriginError::Shape(text.to_owned());
        let lower = text.to_ascii_lowercase();
        let (scheme, host) = lower.split_once("://").ok_or_else(shape)?;
        let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        let is_host = |byte: u8| byte.is_ascii_graphic() && !b"/?#@*\\".contains(&byte);
        if scheme.is_empty()
            || host.is_empty()
            || !scheme.bytes().all(is_scheme)
            || !host.bytes().all(is_host)
        {
            return Err(shape());
        }
        // Browsers leave the default port out (RFC 6454 section 6.2), so with it nothing would ever match.
        let host = match scheme {
            "http" => host.strip_suffix(":80").unwrap_or(host),
            "https" => host.strip_suffix(":443").unwrap_or(host),
            _ => host,
        };
        Ok(Origin(format!("{scheme}://{host}")))
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use hyper::HeaderMap;

    use super::{Origin, OriginError, Policy, Refusal, admit};

    fn check(path: &str, headers: &[(&'static str, &'static str)], expected: Result<(), Refusal>) {
        check_with(false, path, headers, expected);
    }

    fn check_with(
        allow_no_origin: bool,
        path: &str,
        headers: &[(&'static str, &'static str)],
        expected: Result<(), Refusal>,
    ) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let policy = Policy { origins: vec!["https://app.example".parse().unwrap()], allow_no_origin };
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        assert_eq!(admit(&policy, path, query, &map), expected, "{path} {headers:?}");
    }

    const GOOD: (&str, &str) = ("origin", "https://app.example");
    const V1: (&str, &str) = ("sec-websocket-protocol", "sw-force-refresh.v1");

    #[test]
    fn only_listed_origins_enter() {
        check("/v1/ws", &[GOOD, V1], Ok(()));
        for evil in [
            "https://evil.example",
            "null",
            "https://app.example.evil.example",
            "http://app.example",
            "https://app.example:8443",
            "https://sub.app.example",
            "",
        ] {
            check("/v1/ws", &[("origin", evil), V1], Err(Refusal::Origin));
        }
        check("/v1/ws", &[GOOD, GOOD, V1], Err(Refusal::NoOrigin));
    }

    #[test]
    fn programs_without_an_origin_enter_only_when_allowed() {
        check("/v1/ws", &[V1], Err(Refusal::NoOrigin));
        check_with(true, "/v1/ws", &[V1], Ok(()));
        check_with(true, "/v1/ws", &[("origin", "https://evil.example"), V1], Err(Refusal::Origin));
    }

    #[test]
    fn the_subprotocol_is_required() {
        let protocol = |list| ("sec-websocket-protocol", list);
        check("/v1/ws", &[GOOD, protocol("other, sw-force-refresh.v1")], Ok(()));
        check("/v1/ws", &[GOOD, protocol("other"), V1], Ok(()));
        check("/v1/ws", &[GOOD], Err(Refusal::Subprotocol));
        check("/v1/ws", &[GOOD, protocol("sw-force-refresh.v2")], Err(Refusal::Subprotocol));
    }

    #[test]
    fn a_token_in_the_address_is_refused() {
        check("/v1/ws?token=secret", &[GOOD, V1], Err(Refusal::TokenInAddress));
        check("/v1/ws?a=b&Access_Token=secret", &[GOOD, V1], Err(Refusal::TokenInAddress));
        check("/v1/ws?a=token", &[GOOD, V1], Ok(()));
        check("/", &[GOOD, V1], Err(Refusal::Path));
    }

    #[test]
    fn origins_are_read_as_browsers_spell_them() {
        for (text, spelled) in [
            ("https://App.Example", "https://app.example"),
            ("https://app.example:443", "https://app.example"),
            ("http://localhost:5173", "http://localhost:5173"),
            ("http://[::1]:80", "http://[::1]"),
            ("capacitor://localhost", "capacitor://localhost"),
        ] {
            assert_eq!(text.parse::<Origin>().unwrap().to_string(), spelled);
        }
        assert_eq!("null".parse::<Origin>(), Err(OriginError::Null));
        for text in ["app.example", "https://", "https://a/", "https://*.example", "https://u@a", "ht tp://a"]
        {
            assert_eq!(text.parse::<Origin>(), Err(OriginError::Shape(text.into())));
        }
    }
}
