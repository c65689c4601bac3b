//! A scratch PostgreSQL cluster, reached over loopback TCP and over a socket in its folder, that trusts everybody.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::cluster::Cluster;
use crate::data_folder::DataFolder;
use crate::distribution::{Distribution, Installation};
use crate::error::Error;
use crate::free_port::on_free_port;
use crate::program::Running;
use crate::psql;
use crate::readiness::Ready;
use crate::setting::Setting;

/// The postmaster says so of a primary; of a standby it says "read-only connections".
const READY: &str = "ready to accept ";
/// After `kill -9` of a postmaster its backends need a moment to notice; until then no other may start.
const IN_USE: &str = "pre-existing shared memory block";
/// A fast stop writes a checkpoint, and a start may replay much.
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// Between two questions whether it still recovers.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
const START_LIMIT: Duration = Duration::from_secs(60);
/// The postmaster itself kills what is left of its processes after five seconds.
const DROP_LIMIT: Duration = Duration::from_secs(8);

/// Which PostgreSQL to start, and how.
#[derive(Debug, Clone, Default)]
pub struct PostgresOptions {
    /// Whose programs to run.
    pub distribution: Distribution,
    /// Settings besides those of the testbed, which they beat.
    pub settings: Vec<Setting>,
    /// Environment variables of the server, which `archive_command` and `restore_command` get as well.
    pub environment: Vec<(String, String)>,
    /// Load `pg_stat_statements`, so that `create extension pg_stat_statements` works.
    pub has_statement_statistics: bool,
}

impl PostgresOptions {
    /// Adds a setting.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.settings.push(Setting::new(name, value));
        self
    }

    /// Adds an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.environment.push((name.to_owned(), value.to_string()));
        self
    }

    /// Durability is off unless a test asks for it: the cluster goes with its owner anyway.
    fn all_settings(&self, folder: &Path) -> Vec<Setting> {
        let mut settings = vec![
            Setting::new("listen_addresses", "127.0.0.1"),
            Setting::new("unix_socket_directories", folder.display()),
            Setting::new("max_connections", 50),
            Setting::new("fsync", "off"),
        ];
        if self.has_statement_statistics {
            settings.push(Setting::new("shared_preload_libraries", "pg_stat_statements"));
        }
        settings.extend(self.settings.iter().cloned());
        settings
    }
}

/// How to stop a server, as `pg_ctl stop --mode` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Sessions are cut off, then a checkpoint is written.
    Fast,
    /// As a crash: nothing is written, the next start recovers.
    Immediate,
}

/// A running PostgreSQL. Dropped, it is killed, and its data removed.
#[derive(Debug)]
pub struct Postgres {
    // Dropped before the files it works on.
    postmaster: Option<Running>,
    cluster: Cluster,
    port: u16,
}

impl Postgres {
    /// Makes a cluster and starts it; it accepts connections when this returns.
    pub fn start(options: &PostgresOptions) -> Result<Self, Error> {
        let folder = DataFolder::make()?;
        let installation = Installation::find(options.distribution, &folder)?;
        let settings = options.all_settings(folder.path());
        let cluster = Cluster { folder, installation, environment: options.environment.clone() };
        cluster.init()?;
        Self::launch(cluster, &settings)
    }

    /// Starts a server on data that some other program has restored to [`DataFolder::data`], with its own port and
    /// socket; where it ends instead, the error has its log.
    ///
    /// The settings are added to `postgresql.conf`, so those of the restored `postgresql.auto.conf` beat them. It takes
    /// connections when this returns, but may still recover: see [`wait_for_recovery`](Self::wait_for_recovery). It also
    /// archives as its original did, unless `archive_mode` is set to `off`.
    pub fn adopt(folder: DataFolder, options: &PostgresOptions) -> Result<Self, Error> {
        let installation = Installation::find(options.distribution, &folder)?;
        let settings = options.all_settings(folder.path());
        Self::launch(Cluster { folder, installation, environment: options.environment.clone() }, &settings)
    }

    /// Copies this cluster into a standby that follows it by streaming replication, through a physical slot.
    ///
    /// The client programs make the copy, so a server newer than Debian's has none. The slot stays when the standby
    /// goes.
    pub fn standby(&self, settings: &[Setting]) -> Result<Self, Error> {
        let environment = self.cluster.environment.clone();
        let installation = self.cluster.installation.clone();
        let cluster = Cluster { folder: DataFolder::make()?, installation, environment };
        cluster.copy(&self.url("postgres"))?;
        let mut all = vec![Setting::new("unix_socket_directories", cluster.folder.path().display())];
        all.extend(settings.iter().cloned());
        Self::launch(cluster, &all)
    }

    fn launch(cluster: Cluster, settings: &[Setting]) -> Result<Self, Error> {
        cluster.configure(settings)?;
        let (port, postmaster) = on_free_port(|port| {
            cluster.configure(&[Setting::new("port", port)])?;
            Ok((port, start_postmaster(&cluster)?))
        })?;
        Ok(Self { postmaster: Some(postmaster), cluster, port })
    }

    /// `postgres://postgres@127.0.0.1:PORT/DATABASE`.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// The port, which stays the same when it is started again.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address of its port.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The folder of its socket, which may stand for the host in a connection string.
    pub fn socket(&self) -> &Path {
        self.cluster.folder.path()
    }

    /// The folder of its data.
    pub fn data(&self) -> PathBuf {
        self.cluster.data()
    }

    /// The user it runs as, by number.
    pub fn runs_as(&self) -> Result<u32, Error> {
        self.cluster.folder.owner()
    }

    /// A command that runs the program as the server's user, in the server's folder; see [`DataFolder::command`].
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        self.cluster.folder.command(program)
    }

    /// A path by which the server can run a program of the caller's; see [`DataFolder::lend`].
    pub fn lend(&self, program: &Path) -> Result<PathBuf, Error> {
        self.cluster.folder.lend(program)
    }

    /// The postmaster's process id; 0 when it is stopped.
    pub fn pid(&self) -> i32 {
        self.postmaster.as_ref().map_or(0, Running::pid)
    }

    /// Every line that the server has logged since it was last started.
    pub fn log(&self) -> Vec<String> {
        self.postmaster.as_ref().map(Running::output).unwrap_or_default()
    }

    /// A client program, such as `pgbench`.
    pub fn program(&self, name: &str) -> PathBuf {
        self.cluster.installation.client(name)
    }

    /// Runs statements by `psql`, as `postgres`; the rows, fields parted by `|`, without a line break at the end.
    ///
    /// Each statement is a transaction of its own unless they say otherwise; the first error ends them.
    pub fn sql(&self, database: &str, sql: &str) -> Result<String, Error> {
        psql::run(&self.program("psql"), &self.url(database), sql)
    }

    /// Makes an empty database; its address.
    pub fn create_database(&self, name: &str) -> Result<String, Error> {
        self.sql("postgres", &format!("create database \"{}\"", name.replace('"', "\"\"")))?;
        Ok(self.url(name))
    }

    /// Stops the server and keeps its data.
    pub fn stop(&mut self, stop: Stop) -> Result<(), Error> {
        self.stop_within(stop, STOP_LIMIT)
    }

    fn stop_within(&mut self, stop: Stop, limit: Duration) -> Result<(), Error> {
        let Some(mut postmaster) = self.postmaster.take() else { return Ok(()) };
        // The signals of pg_ctl (<https://www.postgresql.org/docs/15/server-shutdown.html>).
        let signal = match stop {
            Stop::Fast => Signal::INT,
            Stop::Immediate => Signal::QUIT,
        };
        // One that has ended already takes no signal, and one that does not end is told below.
        let _ = postmaster.signal(signal);
        postmaster.wait(limit).map(drop)
    }

    /// Starts the server on the same port and data; one that still runs is stopped as by a crash.
    pub fn start_again(&mut self) -> Result<(), Error> {
        self.stop(Stop::Immediate)?;
        let deadline = Instant::now() + START_LIMIT;
        loop {
            match start_postmaster(&self.cluster) {
                Err(Error::Ended { output, .. }) if output.contains(IN_USE) && Instant::now() < deadline => {}
                started => {
                    self.postmaster = Some(started?);
                    return Ok(());
                }
            }
        }
    }

    /// Waits until the server has left recovery and takes writes; where it ends instead, the error has its log.
    ///
    /// That it takes connections is not enough: a server whose target is never reached takes them until it finds out.
    pub fn wait_for_recovery(&mut self, limit: Duration) -> Result<(), Error> {
        let awaited = || "the end of its recovery".to_owned();
        let deadline = Instant::now() + limit;
        loop {
            let answer = self.sql("postgres", "select pg_is_in_recovery()");
            let Some(postmaster) = &mut self.postmaster else { return answer.map(drop) };
            if let Ok(code) = postmaster.wait(LOOK_AGAIN) {
                let output = postmaster.tail();
                return Err(Error::Ended {
                    program: "postgres".to_owned(),
                    code,
                    awaited: awaited(),
                    output,
                });
            }
            if answer.is_ok_and(|answer| answer == "f") {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let output = postmaster.tail();
                return Err(Error::TimedOut {
                    program: "postgres".to_owned(),
                    awaited: awaited(),
                    limit,
                    output,
                });
            }
        }
    }

    /// The process, unless it is stopped.
    pub(crate) fn postmaster(&mut self) -> Option<&mut Running> {
        self.postmaster.as_mut()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // The postmaster ends its own children better than a killer does: none is left for init to reap.
        let _ = self.stop_within(Stop::Immediate, DROP_LIMIT);
    }
}

fn start_postmaster(cluster: &Cluster) -> Result<Running, Error> {
    let postmaster = cluster.folder.program(cluster.installation.server("postgres")).args(["-D", "data"]);
    let postmaster =
        cluster.environment.iter().fold(postmaster, |program, (name, value)| program.env(name, value));
    postmaster.ready(Ready::Line(READY.to_owned())).within(START_LIMIT).start()
}
