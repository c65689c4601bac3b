//! The HTTP client: GET over HTTP/1.1, rustls with ring, a time-out for each try, and tries again with back-off.
//!
//! It carries requests out and decides nothing about what the answers mean. Bodies pass through in pieces and are
//! never held. Compressed answers are asked for and unpacked as in a browser, because caches store them separately
//! and a stale compressed copy is a fault that only such a request can see.

use std::io::{self, Read};
use std::time::Duration;

use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, ResponseExt};

/// The wait before the first repetition; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Statuses that promise another answer later (RFC 9110 section 15, RFC 6585 section 4).
const PASSING_STATUSES: [u16; 7] = [408, 425, 429, 500, 502, 503, 504];

/// How to ask.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Time for one try, the body included.
    pub timeout: Duration,
    /// How often to try again.
    pub retries: u32,
    /// Certificate authorities in PEM to trust instead of Mozilla's.
    pub authorities: Option<Vec<u8>>,
    /// How many connections are kept for the next request.
    pub connections: usize,
}

/// Which copy of a file is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As a browser asks: compressed if the server has that.
    Compressed,
    /// The plain bytes (`identity`, RFC 9110 section 12.5.3).
    Plain,
}

/// The bytes of `--ca-file` hold no certificate.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// Not PEM.
    #[error("not PEM: {0}")]
    Malformed(String),
    /// PEM of something else.
    #[error("holds no certificate")]
    NoCertificate,
}

/// The head of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// `Content-Type`, if sent as text.
    pub content_type: Option<String>,
    /// `Content-Encoding` that is still on the body.
    pub content_encoding: Option<String>,
    /// Where redirects led, if there were any.
    pub redirected_to: Option<String>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Silence {
    /// Nobody can be asked at such an address.
    #[error("not an address: {0}")]
    NoAddress(String),
    /// No answer began.
    #[error("{0}")]
    NoAnswer(String),
    /// An answer began, but its body did not arrive whole.
    #[error("status {status}, but the body broke off after {received_bytes} bytes: {reason}")]
    BrokenBody {
        /// The status it began with.
        status: u16,
        /// How much of the body arrived.
        received_bytes: u64,
        /// What happened.
        reason: String,
    },
}

/// A client; clones share their connections.
#[derive(Debug, Clone)]
pub struct Client {
    agent: Agent,
    retries: u32,
}

impl Client {
    /// A client that has not connected to anything yet.
    pub fn new(settings: &Settings) -> Result<Self, AuthorityError> {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(5)
            .max_redirects_will_error(false)
            .timeout_global(Some(settings.timeout))
            .max_idle_connections(settings.connections)
            .max_idle_connections_per_host(settings.connections)
            .user_agent(concat!("precache-hash/", env!("CARGO_PKG_VERSION")));
        if let Some(pem) = &settings.authorities {
            let roots = RootCerts::new_with_certs(&certificates(pem)?);
            config = config.tls_config(TlsConfig::builder().root_certs(roots).build());
        }
        Ok(Client { agent: config.build().new_agent(), retries: settings.retries })
    }

    /// Fetches `address` and hands the body to a fresh sink of `new_sink` for each try.
    ///
    /// The last try's answer or silence counts.
    pub fn get<S: io::Write>(
        &self,
        address: &str,
        encoding: Encoding,
        new_sink: impl Fn() -> S,
    ) -> Result<(Answer, S), Silence> {
        let mut pause = FIRST_PAUSE;
        for _ in 0..self.retries {
            match self.try_once(address, encoding, new_sink()) {
                Ok((answer, _)) if PASSING_STATUSES.contains(&answer.status) => {}
                Ok(found) => return Ok(found),
                Err(_) => {}
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        self.try_once(address, encoding, new_sink())
    }

    fn try_once<S: io::Write>(
        &self,
        address: &str,
        encoding: Encoding,
        mut sink: S,
    ) -> Result<(Answer, S), Silence> {
        let request = match encoding {
            Encoding::Compressed => self.agent.get(address),
            Encoding::Plain => self.agent.get(address).header("accept-encoding", "identity"),
        };
        let mut response = request.call().map_err(|error| silence(&error))?;
        let header =
            |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(String::from);
        let final_address = response.get_uri().to_string();
        let answer = Answer {
            status: response.status().as_u16(),
            content_type: header("content-type"),
            content_encoding: header("content-encoding"),
            redirected_to: (final_address != address).then_some(final_address),
        };
        let mut body = response.body_mut().as_reader();
        let broken = |received_bytes, error: io::Error| Silence::BrokenBody {
            status: answer.status,
            received_bytes,
            reason: explain(&ureq::Error::from(error)),
        };
        let (mut buffer, mut received_bytes) = ([0; 16 * 1024], 0);
        loop {
            let count = body.read(&mut buffer).map_err(|error| broken(received_bytes, error))?;
            let Some(piece) = buffer.get(..count).filter(|piece| !piece.is_empty()) else { break };
            sink.write_all(piece).map_err(|error| broken(received_bytes, error))?;
            received_bytes += piece.len() as u64;
        }
        Ok((answer, sink))
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<Certificate<'static>>, AuthorityError> {
    let mut certificates = Vec::new();
    for item in parse_pem(pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => certificates.push(certificate),
            Ok(_) => {}
            Err(error) => return Err(AuthorityError::Malformed(error.to_string())),
        }
    }
    if certificates.is_empty() { Err(AuthorityError::NoCertificate) } else { Ok(certificates) }
}

fn silence(error: &ureq::Error) -> Silence {
    match error {
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => Silence::NoAddress(explain(error)),
        _ => Silence::NoAnswer(explain(error)),
    }
}

/// The words of the library, less its own prefixes.
fn explain(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => "timed out".into(),
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::HostNotFound => "host not found".into(),
        ureq::Error::Rustls(error) => format!("TLS: {error}"),
        other => other.to_string(),
    }
}
