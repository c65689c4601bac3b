//! PgBouncer in front of a scratch cluster, pooling by transaction (<https://www.pgbouncer.org/config.html>).
//!
//! A pooled session forgets what it was told: `set`, advisory locks of the session and `listen` do not hold from one
//! transaction to the next, which is what tests want to meet.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::data_folder::DataFolder;
use crate::error::Error;
use crate::free_port::{TAKEN, on_free_port};
use crate::postgres::Postgres;
use crate::program::Running;
use crate::psql;
use crate::readiness::Ready;
use crate::setting::Setting;

/// Not in the `PATH` of every user.
const DEBIAN: &str = "/usr/sbin/pgbouncer";
/// Printed when all sockets listen.
const READY: &str = "process up: PgBouncer";
/// Its own users; others are looked up in the cluster (`auth_user`).
const USERS: &str = "\"postgres\" \"\"\n";

/// A running PgBouncer. Dropped, it is killed.
#[derive(Debug)]
pub struct PgBouncer {
    // Dropped before the folder of its configuration.
    running: Running,
    folder: DataFolder,
    port: u16,
    psql: PathBuf,
}

impl PgBouncer {
    /// Starts it in front of every database of a cluster, with more settings if wanted.
    pub fn start(postgres: &Postgres, settings: &[Setting]) -> Result<Self, Error> {
        let folder = DataFolder::make()?;
        write(folder.path().join("users.txt"), USERS)?;
        let (port, running) = on_free_port(|port| {
            let configuration = configuration(postgres.port(), port, folder.path(), settings);
            write(folder.path().join("pgbouncer.ini"), &configuration)?;
            Ok((port, launch(&folder)?))
        })?;
        Ok(Self { running, folder, port, psql: postgres.program("psql") })
    }

    /// `postgres://postgres@127.0.0.1:PORT/DATABASE`; the database `pgbouncer` is its console.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address of its port.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The folder of its socket.
    pub fn socket(&self) -> &Path {
        self.folder.path()
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.running.pid()
    }

    /// Runs statements by `psql` through it, or on its console; see [`Postgres::sql`].
    pub fn sql(&self, database: &str, sql: &str) -> Result<String, Error> {
        psql::run(&self.psql, &self.url(database), sql)
    }
}

fn launch(folder: &DataFolder) -> Result<Running, Error> {
    let program = if Path::new(DEBIAN).exists() { DEBIAN } else { "pgbouncer" };
    let running =
        folder.program(program).args(["pgbouncer.ini"]).ready(Ready::Line(READY.to_owned())).start()?;
    // It goes on without TCP where it can listen on its socket.
    if running.output().iter().any(|line| line.contains(TAKEN)) {
        return Err(Error::PortTaken { program: "pgbouncer".to_owned() });
    }
    Ok(running)
}

/// Of two lines for one name the later holds.
fn configuration(server_port: u16, port: u16, folder: &Path, settings: &[Setting]) -> String {
    let folder = folder.display();
    let defaults = [
        Setting::new("listen_addr", "127.0.0.1"),
        Setting::new("listen_port", port),
        Setting::new("unix_socket_dir", &folder),
        Setting::new("pool_mode", "transaction"),
        Setting::new("auth_type", "trust"),
        Setting::new("auth_file", format!("{folder}/users.txt")),
        Setting::new("auth_user", "postgres"),
        Setting::new("admin_users", "postgres"),
        Setting::new("max_client_conn", 500),
        // The server has room for 50 sessions, and tests use some without the pooler.
        Setting::new("default_pool_size", 20),
        // Drivers send it unasked, and pooled sessions cannot keep it.
        Setting::new("ignore_startup_parameters", "extra_float_digits"),
    ];
    let lines: String = defaults.iter().chain(settings).map(Setting::plain).collect();
    format!("[databases]\n* = host=127.0.0.1 port={server_port}\n\n[pgbouncer]\n{lines}")
}

fn write(path: PathBuf, text: &str) -> Result<(), Error> {
    fs::write(&path, text).map_err(|source| Error::File { path, source })
}
