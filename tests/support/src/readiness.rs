//! How a program tells that it is ready: by a line it prints, by an answer over HTTP, or by an open port.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::output::{Output, Waited};

/// Between two looks at a port; a program that ends meanwhile is noticed at once.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// One look may take this long: a server may accept early and answer when it has warmed up.
const ONE_LOOK: Duration = Duration::from_secs(2);

/// What a program must show before it counts as started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ready {
    /// Nothing: it counts as started once it runs.
    Started,
    /// A line on stdout or stderr that holds this text.
    Line(String),
    /// A 2xx answer to `GET` of this `http://HOST:PORT/PATH`.
    Http(String),
    /// A port that accepts connections.
    Tcp(SocketAddr),
}

impl Ready {
    /// For messages: what is waited for.
    pub(crate) fn awaited(&self) -> String {
        match self {
            Self::Started => "it started".to_owned(),
            Self::Line(text) => format!("a line with {text:?}"),
            Self::Http(url) => format!("a good answer from {url}"),
            Self::Tcp(address) => format!("an open port at {address}"),
        }
    }

    /// Waits for it; the line comes back where a line was waited for.
    pub(crate) fn wait(&self, output: &Output, deadline: Instant) -> Result<Waited<Option<String>>, Error> {
        Ok(match self {
            Self::Started => Waited::Came(None),
            Self::Line(text) => match output.wait_for_line(text, deadline) {
                Waited::Came(line) => Waited::Came(Some(line)),
                Waited::StreamsClosed => Waited::StreamsClosed,
                Waited::TimedOut => Waited::TimedOut,
            },
            Self::Http(url) => {
                let target = HttpTarget::parse(url)?;
                look_until(output, deadline, || target.is_good())
            }
            Self::Tcp(address) => {
                look_until(output, deadline, || TcpStream::connect_timeout(address, ONE_LOOK).is_ok())
            }
        })
    }
}

fn look_until(output: &Output, deadline: Instant, is_ready: impl Fn() -> bool) -> Waited<Option<String>> {
    loop {
        if is_ready() {
            return Waited::Came(None);
        }
        if Instant::now() >= deadline {
            return Waited::TimedOut;
        }
        if output.wait_until_closed(deadline.min(Instant::now() + LOOK_AGAIN)) == Waited::StreamsClosed {
            return Waited::StreamsClosed;
        }
    }
}

/// Host with port, and path.
struct HttpTarget<'a> {
    authority: &'a str,
    path: &'a str,
}

impl<'a> HttpTarget<'a> {
    fn parse(url: &'a str) -> Result<Self, Error> {
        let refuse = || Error::Url { url: url.to_owned() };
        let rest = url.strip_prefix("http://").ok_or_else(refuse)?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if !authority.contains(':') {
            return Err(refuse());
        }
        Ok(Self { authority, path: if path.is_empty() { "/" } else { path } })
    }

    fn is_good(&self) -> bool {
        self.status().is_some_and(|status| (200..300).contains(&status))
    }

    /// One request by hand (RFC 9112), so that a test crate needs no HTTP client.
    fn status(&self) -> Option<u16> {
        let address = self.authority.to_socket_addrs().ok()?.next()?;
        let mut stream = TcpStream::connect_timeout(&address, ONE_LOOK).ok()?;
        stream.set_read_timeout(Some(ONE_LOOK)).ok()?;
        write!(stream, "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.path, self.authority)
            .ok()?;
        let mut status_line = String::new();
        BufReader::new(stream).read_line(&mut status_line).ok()?;
        status_line.split(' ').nth(1)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_addresses_with_and_without_a_path() {
        let target = HttpTarget::parse("http://127.0.0.1:80/a/b").unwrap();
        assert_eq!((target.authority, target.path), ("127.0.0.1:80", "/a/b"));
        assert_eq!(HttpTarget::parse("http://localhost:1").unwrap().path, "/");
    }

    #[test]
    fn refuses_what_it_cannot_ask() {
        for url in ["https://127.0.0.1:1/", "http://example.org/", "127.0.0.1:1"] {
            assert!(HttpTarget::parse(url).is_err(), "{url}");
        }
    }
}
