//! Addresses of plain HTTP services: `http://host:port/path`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use hyper::Uri;
use thiserror::Error;

/// An address of plain HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAddress(Arc<Uri>);

/// Why a text is no such address.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum HttpAddressError {
    /// Not an address of this kind.
    #[error("`{0}` is not an address such as http://127.0.0.1:9090")]
    Shape(String),
    /// TLS is not compiled in.
    #[error("`{0}` needs TLS, which this tool leaves to the ingress: give the plain address behind it")]
    Tls(String),
    /// Secrets come from files.
    #[error("an address with a password ends in logs: use a file for secrets")]
    Secret,
}

impl HttpAddress {
    /// Host name or address to connect to, without brackets.
    pub fn host(&self) -> &str {
        self.0.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
    }

    /// Port to connect to.
    pub fn port(&self) -> u16 {
        self.0.port_u16().unwrap_or(80)
    }

    /// What the `Host` header says.
    pub fn authority(&self) -> &str {
        self.0.authority().map_or("", |authority| authority.as_str())
    }

    /// Path and query of the address itself.
    pub fn path(&self) -> &str {
        self.0.path_and_query().map_or("/", |path| path.as_str())
    }
}

impl FromStr for HttpAddress {
    type Err = HttpAddressError;

    fn from_str(text: &str) -> Result<HttpAddress, HttpAddressError> {
        let shape = || HttpAddressError::Shape(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| shape())?;
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(HttpAddressError::Secret);
        }
        if uri.host().is_none_or(str::is_empty) {
            return Err(shape());
        }
        match uri.scheme_str() {
            Some("http") => Ok(HttpAddress(Arc::new(uri))),
            Some("https") => Err(HttpAddressError::Tls(text.to_owned())),
            _ => Err(shape()),
        }
    }
}

impl fmt::Display for HttpAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::{HttpAddress, HttpAddressError};

    #[test]
    fn an_address_is_taken_apart_and_prints_as_itself() {
        let address: HttpAddress = "http://[::1]:9090/version.json?x=1".parse().unwrap();
        assert_eq!((address.host(), address.port()), ("::1", 9090));
        assert_eq!((address.authority(), address.path()), ("[::1]:9090", "/version.json?x=1"));
        assert_eq!(address.to_string().parse(), Ok(address));
        let short: HttpAddress = "http://app.example".parse().unwrap();
        assert_eq!((short.port(), short.path()), (80, "/"));
    }

    #[test]
    fn other_texts_are_named() {
        let parse = |text: &str| text.parse::<HttpAddress>().unwrap_err();
        assert_eq!(parse("https://a/v.json"), HttpAddressError::Tls("https://a/v.json".into()));
        assert_eq!(parse("http://user:secret@a/"), HttpAddressError::Secret);
        for text in ["", "a", "/x", "ftp://a", "127.0.0.1:9090", "http://", "http://:80/"] {
            assert_eq!(parse(text), HttpAddressError::Shape(text.into()));
        }
    }
}
