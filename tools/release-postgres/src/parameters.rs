//! What an address or a service says about a connection, before the environment fills the gaps.
//!
//! Follows the PostgreSQL manual, 34.1.1.2 "Connection URIs" and 34.1.2 "Parameter Key Words". The driver gets a text
//! that is built from known parameters only: it logs the value of one that it does not know, and a misspelled
//! `passwrod=` holds a password.

use std::fmt;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use sqlx::postgres::PgConnectOptions;
use thiserror::Error;
use url::{Url, form_urlencoded};

/// The variables of the process, by name; those that are empty count as missing.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Parameters that lead somewhere, by the client library's names.
const KNOWN: [&str; 14] = [
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "passfile",
    "service",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "application_name",
    "options",
];
/// The driver's names for some of them.
const ALIASES: [(&str, &str); 5] = [
    ("ssl-mode", "sslmode"),
    ("ssl-root-cert", "sslrootcert"),
    ("ssl-ca", "sslrootcert"),
    ("ssl-cert", "sslcert"),
    ("ssl-key", "sslkey"),
];
/// Prisma's addresses carry parameters of its own; the last two are the client library's and the driver's, which are
/// set here for all.
const FOREIGN: [&str; 7] = [
    "schema",
    "connection_limit",
    "pool_timeout",
    "pgbouncer",
    "socket_timeout",
    "connect_timeout",
    "statement-cache-capacity",
];
/// What the driver must not be handed: it would read the password file itself, or does not know the name.
const OURS: [&str; 3] = ["password", "passfile", "service"];

/// Names and values, the later of two for one name being the one that holds.
#[derive(Clone, Default)]
pub(crate) struct Parameters(Vec<(String, String)>);

/// Why a text is no address; no value of it is repeated, since any may be a part of the password.
#[derive(Debug, Error)]
pub(crate) enum AddressError {
    #[error("the scheme is neither postgres nor postgresql")]
    Scheme,
    #[error(transparent)]
    Url(#[from] url::ParseError),
    #[error("an @ or # stands where none may: in a password write @ / ? # as %40 %2F %3F %23")]
    Torn,
    #[error("it is not UTF-8")]
    Text(#[from] std::str::Utf8Error),
}

impl Parameters {
    /// What an address such as `postgres://user@host:5432/database?sslmode=require` says.
    pub(crate) fn of_address(address: &str) -> Result<Parameters, AddressError> {
        let is_postgres = ["postgres://", "postgresql://"].iter().any(|scheme| address.starts_with(scheme));
        // The driver takes any scheme for its own.
        if !is_postgres {
            return Err(AddressError::Scheme);
        }
        let url = Url::parse(address)?;
        // A password that is not escaped ends up as host, path or query, which messages would show.
        let is_torn = url.path().contains('@')
            || url.fragment().is_some()
            || url.query_pairs().any(|(key, _)| key.contains('@'));
        if is_torn {
            return Err(AddressError::Torn);
        }
        let port = url.port().map(|port| port.to_string());
        let mut parameters = Parameters::default();
        for (name, value) in [
            ("host", url.host_str()),
            ("port", port.as_deref()),
            ("user", Some(url.username())),
            ("password", url.password()),
            ("dbname", Some(url.path().trim_start_matches('/'))),
        ] {
            let value = percent_decode_str(value.unwrap_or_default()).decode_utf8()?;
            if !value.is_empty() {
                parameters.add(name, &value);
            }
        }
        url.query_pairs().for_each(|(name, value)| parameters.add(&name, &value));
        Ok(parameters)
    }

    /// Adds one by any of its names; what nobody knows is left out.
    pub(crate) fn add(&mut self, name: &str, value: &str) {
        let name = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, name)| name);
        let is_option = name == "options" || name.starts_with("options[");
        if !is_option && !KNOWN.contains(&name) {
            if !FOREIGN.contains(&name) {
                tracing::warn!(name, "ignoring a connection parameter that is not known");
            }
            return;
        }
        // Options add up.
        if !is_option {
            self.0.retain(|(other, _)| other != name);
        }
        self.0.push((name.to_owned(), value.to_owned()));
    }

    /// The value of a parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// These, with what only `others` say.
    pub(crate) fn or(self, others: Parameters) -> Parameters {
        self.0.iter().fold(others, |mut all, (name, value)| {
            all.add(name, value);
            all
        })
    }

    /// What the driver makes of them and of the environment; without a password.
    pub(crate) fn options(&self) -> Result<PgConnectOptions, sqlx::Error> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in self.0.iter().filter(|(name, _)| !OURS.contains(&name.as_str())) {
            // An address of version 6 stands in brackets only where a port may follow.
            let is_host = name == "host";
            query.append_pair(name, if is_host { value.trim_matches(['[', ']']) } else { value });
        }
        // With a password, if only an empty one, the driver does not look for one.
        query.append_pair("password", "");
        PgConnectOptions::from_str(&format!("postgres:///?{}", query.finish()))
    }
}

impl fmt::Debug for Parameters {
    /// The names: a value may be a password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}
