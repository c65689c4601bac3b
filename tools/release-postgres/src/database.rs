//! Where the database is: what an address or a service leaves out, the environment and the password file fill in.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection, PgConnection};

use crate::error::{DatabaseError, understood};
use crate::parameters::{Environment, Parameters};
use crate::passfile::{self, Wanted};
use crate::postgres::Session;
use crate::secret::Secret;
use crate::service;

/// A server that does not answer a connection attempt by then is unreachable.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Files of certificates: the parameter, and the variable that stands in for it.
const CERTIFICATES: [(&str, &str); 3] =
    [("sslrootcert", "PGSSLROOTCERT"), ("sslcert", "PGSSLCERT"), ("sslkey", "PGSSLKEY")];

/// Where the database is and how a tool introduces itself.
#[derive(Clone)]
pub struct Database {
    options: PgConnectOptions,
    /// Again, because the driver gives none of these back.
    password: Option<Secret>,
    certificates: Vec<(&'static str, String)>,
}

impl Database {
    /// The address in `file`, else in `DATABASE_URL`, else what the service in `PGSERVICE`, the `PG*` variables and
    /// `~/.pgpass` say (libpq, 34.15 to 34.17). `application_name` is what `pg_stat_activity` shows.
    ///
    /// # Errors
    /// When the address cannot be read.
    pub fn from_environment(file: Option<&Path>, application_name: &str) -> Result<Database, DatabaseError> {
        let address = match file {
            Some(path) => {
                let read = std::fs::read_to_string(path);
                Some(read.map_err(|source| DatabaseError::AddressFile { path: path.to_owned(), source })?)
            }
            None => variable("DATABASE_URL"),
        };
        Database::read(address.as_deref(), &variable, application_name)
    }

    /// The address `dsn`, with the gaps filled as [`Database::from_environment`] does.
    ///
    /// # Errors
    /// When it is no address, or names a service that no file describes.
    pub fn from_dsn(dsn: &str, application_name: &str) -> Result<Database, DatabaseError> {
        Database::read(Some(dsn), &variable, application_name)
    }

    fn read(
        address: Option<&str>,
        environment: Environment<'_>,
        application_name: &str,
    ) -> Result<Database, DatabaseError> {
        let given = match address {
            Some(address) => Parameters::of_address(address.trim())
                .map_err(|error| DatabaseError::Address(Box::new(error)))?,
            None => Parameters::default(),
        };
        // An address says where to go; a service of the environment is for those who gave none.
        let of_environment = || environment("PGSERVICE").filter(|_| address.is_none());
        let service = given.get("service").map(str::to_owned).or_else(of_environment);
        let parameters = match service {
            Some(name) => given.or(service::look_up(&name, environment)?),
            None => given,
        };
        let options = parameters.options().map_err(|error| match error {
            sqlx::Error::Configuration(source) => DatabaseError::Address(source),
            other => DatabaseError::Address(Box::new(other)),
        })?;
        // PgBouncer refuses start-up parameters that it does not know.
        let options = options.extra_float_digits(None).statement_cache_capacity(0);
        let options = options.application_name(application_name).disable_statement_logging();
        let certificates = CERTIFICATES.iter().filter_map(|(parameter, variable)| {
            let value = parameters.get(parameter).map(str::to_owned).or_else(|| environment(variable));
            value.map(|value| (*variable, value))
        });
        let database = Database { options, password: None, certificates: certificates.collect() };
        Ok(database.with_password_of(&parameters, environment))
    }

    fn with_password_of(mut self, parameters: &Parameters, environment: Environment<'_>) -> Database {
        let given = parameters.get("password").map(str::to_owned).or_else(|| environment("PGPASSWORD"));
        let given = given.filter(|password| !password.is_empty()).map(Secret::new);
        self.password = given.or_else(|| self.password_of_file(parameters, environment));
        if let Some(password) = &self.password {
            self.options = self.options.password(password.reveal());
        }
        self
    }

    fn password_of_file(&self, parameters: &Parameters, environment: Environment<'_>) -> Option<Secret> {
        let named = parameters.get("passfile").map(str::to_owned).or_else(|| environment("PGPASSFILE"));
        let users = environment("HOME").map(|home| Path::new(&home).join(".pgpass"));
        let host = self.host();
        let (port, database, user) = (self.port(), self.database(), self.user());
        let wanted = Wanted { host: &host, port, database, user };
        named.map(PathBuf::from).into_iter().chain(users).find_map(|path| passfile::look_up(&path, wanted))
    }

    /// The same database under another name in `pg_stat_activity`.
    #[must_use]
    pub fn named(&self, application_name: &str) -> Database {
        // PostgreSQL keeps 63 bytes, and a letter may have several.
        let cut = application_name.floor_char_boundary(63);
        let name = application_name.get(..cut).unwrap_or_default();
        Database { options: self.options.clone().application_name(name), ..self.clone() }
    }

    /// Another database of the same server, as the same user: a password belongs to the user.
    #[must_use]
    pub fn with_database(&self, name: &str) -> Database {
        Database { options: self.options.clone().database(name), ..self.clone() }
    }

    /// The database; the user's name where none was given.
    pub fn database(&self) -> &str {
        self.options.get_database().unwrap_or_else(|| self.user())
    }

    /// The user.
    pub fn user(&self) -> &str {
        self.options.get_username()
    }

    /// The host, or the folder of the socket.
    pub fn host(&self) -> String {
        match self.options.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => self.options.get_host().to_owned(),
        }
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.options.get_port()
    }

    /// For messages: host, port and database, never a password.
    pub fn shown(&self) -> String {
        format!("{}:{}/{}", self.host(), self.port(), self.database())
    }

    pub(crate) fn password(&self) -> Option<&Secret> {
        self.password.as_ref()
    }

    /// By variable; each is a path, or the text of a certificate or key itself.
    pub(crate) fn certificates(&self) -> &[(&'static str, String)] {
        &self.certificates
    }

    /// As `PGSSLMODE` has it.
    pub(crate) fn ssl_mode(&self) -> &'static str {
        match self.options.get_ssl_mode() {
            PgSslMode::Disable => "disable",
            PgSslMode::Allow => "allow",
            PgSslMode::Prefer => "prefer",
            PgSslMode::Require => "require",
            PgSslMode::VerifyCa => "verify-ca",
            PgSslMode::VerifyFull => "verify-full",
        }
    }

    pub(crate) fn application_name(&self) -> Option<&str> {
        self.options.get_application_name()
    }

    /// As `PGOPTIONS` has it.
    pub(crate) fn server_options(&self) -> Option<&str> {
        self.options.get_options()
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// When there is none within ten seconds, or the server refuses it.
    pub async fn connect(&self) -> Result<Session, DatabaseError> {
        let connecting = tokio::time::timeout(CONNECT_TIMEOUT, PgConnection::connect_with(&self.options));
        match connecting.await {
            Ok(connected) => connected.map(Session::over).map_err(understood),
            Err(_) => Err(DatabaseError::Late(CONNECT_TIMEOUT)),
        }
    }
}

impl fmt::Debug for Database {
    /// The driver's own would show the password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = (self.user(), self.shown());
        formatter.debug_struct("Database").field("place", &place).field("password", &self.password).finish()
    }
}

/// A variable of this process; one that is empty counts as missing. The home folder is known without its variable too.
fn variable(name: &str) -> Option<String> {
    if name == "HOME" {
        return std::env::home_dir()?.to_str().map(str::to_owned);
    }
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
#[path = "database_tests.rs"]
mod tests;
