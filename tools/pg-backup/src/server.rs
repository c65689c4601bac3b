//! A PostgreSQL server: the way to it, and what it tells of itself and of a database.

use std::process::{Command, Stdio};

use jiff::Timestamp;
use release_postgres::{ClientEnvironment, Database, DatabaseError, Session, rows};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::cli::ConnectArgs;
use crate::error::Error;
use crate::manifest::{Extension, Locale};

/// An open session, and the way to open others.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) database: Database,
    pub(crate) session: Session,
}

/// What the server and the database tell of themselves.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Facts {
    /// No two clusters share it.
    pub(crate) system_id: String,
    /// Such as 150018.
    pub(crate) server_version: u32,
    /// The database's name.
    pub(crate) database: String,
    /// Its bytes on disk.
    pub(crate) database_bytes: u64,
    /// The bytes of its tables without indexes: about what a dump reads.
    pub(crate) table_bytes: u64,
    /// Whether it follows another server.
    pub(crate) is_standby: bool,
    /// The server's clock.
    pub(crate) now: Timestamp,
    /// How it sorts and writes.
    pub(crate) locale: Locale,
    /// What it needs to be restored.
    pub(crate) extensions: Vec<Extension>,
    /// Roles that own or may use something in it.
    pub(crate) roles: Vec<String>,
}

impl Server {
    /// Connects to the database that flags and environment name.
    ///
    /// # Errors
    /// When there is no address, or the server is out of reach.
    pub(crate) async fn open(args: &ConnectArgs) -> Result<Server, Error> {
        let file = args.database_url_file.as_deref();
        let database = Database::from_environment(file, "pg-backup")
            .map_err(|source| Error::Address(Box::new(source)))?;
        Server::connect(database).await
    }

    /// Connects to this database.
    ///
    /// # Errors
    /// When it is out of reach.
    pub(crate) async fn connect(database: Database) -> Result<Server, Error> {
        let connected = database.connect().await;
        let session = connected.map_err(|source| Error::database("connecting", &database.shown(), source))?;
        Ok(Server { database, session })
    }

    /// The rows of one query.
    ///
    /// # Errors
    /// When it fails; `doing` says for what it was.
    pub(crate) async fn read<T: DeserializeOwned>(
        &mut self,
        doing: &str,
        query: &str,
    ) -> Result<Vec<T>, Error> {
        let found = self.session.read(query).await;
        found.map_err(|source| self.error(doing, source))
    }

    /// Sends statements as they are, within the open transaction if there is one.
    ///
    /// # Errors
    /// When they fail.
    pub(crate) async fn send<T: DeserializeOwned>(
        &mut self,
        doing: &str,
        statements: &str,
    ) -> Result<Vec<T>, Error> {
        let sent = self.session.send(statements).await;
        let read = sent.and_then(|answer| rows(&answer));
        read.map_err(|source| self.error(doing, source))
    }

    /// What a failed statement means.
    pub(crate) fn error(&self, doing: &str, source: DatabaseError) -> Error {
        Error::database(doing, &self.database.shown(), source)
    }

    /// What it tells of itself.
    ///
    /// # Errors
    /// When it does not.
    pub(crate) async fn facts(&mut self) -> Result<Facts, Error> {
        let version: Vec<Version> = self.read("asking for the version", VERSION).await?;
        let version = version.first().map_or(0, |version| version.server_version);
        let found: Vec<Facts> = self.read("asking what the database is", &facts_query(version)).await?;
        let absent = || self.error("asking what the database is", DatabaseError::Row("no row".to_owned()));
        found.into_iter().next().ok_or_else(absent)
    }

    /// A client program that connects to this database, asks for no password and gets none in its arguments.
    ///
    /// # Errors
    /// When the password cannot be handed over.
    pub(crate) fn client(&self, program: &std::path::Path) -> Result<Client, Error> {
        client(&self.database, program)
    }
}

/// A command with the way to the database. The environment must live until the command has been started, and no longer.
pub(crate) struct Client {
    pub(crate) command: Command,
    pub(crate) environment: Option<ClientEnvironment>,
}

/// A client program that connects to `database`.
///
/// # Errors
/// When the password cannot be handed over.
pub(crate) fn client(database: &Database, program: &std::path::Path) -> Result<Client, Error> {
    let environment = ClientEnvironment::new(database).map_err(|source| Error::Refused {
        what: format!("{}: {source}", database.shown()),
        reason: "database_address",
        hint: String::new(),
    })?;
    let mut command = crate::child::command(program);
    command.arg("--no-password").stdin(Stdio::null()).stdout(Stdio::null());
    environment.apply(&mut command);
    // Messages are kept as evidence, and compared: they must not depend on who runs this.
    command.env("LC_MESSAGES", "C");
    Ok(Client { command, environment: Some(environment) })
}

impl Client {
    /// A program that connects to nothing.
    pub(crate) fn unconnected(command: Command) -> Client {
        Client { command, environment: None }
    }

    /// Starts it; nothing of ours that is started later inherits the password.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(self) -> Result<crate::child::Child, Error> {
        let started = crate::child::Child::start(self.command);
        drop(self.environment);
        started
    }
}

#[derive(Deserialize)]
struct Version {
    server_version: u32,
}

const VERSION: &str = "select current_setting('server_version_num')::int as server_version";

/// Columns of `pg_database` changed their names with PostgreSQL 17; before 15 there was no locale of ICU here.
fn facts_query(server_version: u32) -> String {
    let icu_locale = match server_version {
        170_000.. => "d.datlocale",
        150_000.. => "d.daticulocale",
        _ => "null",
    };
    let provider = match server_version {
        150_000.. => "case d.datlocprovider when 'i' then 'icu' when 'b' then 'builtin' else 'libc' end",
        _ => "'libc'",
    };
    format!(
        "select (select system_identifier::text from pg_control_system()) as system_id,
            current_setting('server_version_num')::int as server_version,
            d.datname as database, pg_database_size(d.oid) as database_bytes,
            (select coalesce(sum(pg_table_size(c.oid)), 0)::bigint from pg_class c
              where c.relkind in ('r', 'm') and c.oid >= 16384) as table_bytes,
            pg_is_in_recovery() as is_standby, clock_timestamp() as now,
            json_build_object('encoding', pg_encoding_to_char(d.encoding), 'provider', {provider},
              'collate', d.datcollate, 'ctype', d.datctype, 'icu_locale', {icu_locale}) as locale,
            (select coalesce(json_agg(json_build_object('name', e.extname, 'version', e.extversion)
               order by e.extname), '[]') from pg_extension e where e.extname <> 'plpgsql') as extensions,
            (select coalesce(json_agg(r.rolname order by r.rolname), '[]') from pg_roles r
              where r.oid = d.datdba or exists (select from pg_shdepend s
                where s.refclassid = 'pg_authid'::regclass and s.refobjid = r.oid
                  and (s.dbid = d.oid or s.classid = 'pg_database'::regclass and s.objid = d.oid))) as roles
         from pg_database d where d.datname = current_database()"
    )
}
