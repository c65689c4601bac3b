//! The `testbed` command: for scripts and Node tests what the library is for Rust tests.

use std::ffi::OsString;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Map, json};

use crate::chromium::Chromium;
use crate::distribution::Distribution;
use crate::error::Error;
use crate::owner::{Owner, Watch};
use crate::postgres::{Postgres, PostgresOptions};
use crate::program::Program;
use crate::readiness::Ready;
use crate::s3_server::S3Server;
use crate::setting::Setting;
use crate::site::{Site, SiteOptions};

/// Start a real program and keep it for as long as its owner lives
///
/// Prints one JSON line {"type":"ready",...} once the program is ready. The program is stopped, and its scratch
/// folder removed, when standard input closes (or process --owner ends), on a signal, and even after kill -9.
#[derive(Debug, clap::Parser)]
#[command(version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Live as long as this process instead of standard input: testbed --owner $$ http --root dist &
    #[arg(long, value_name = "PID")]
    owner: Option<i32>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Headless Chromium with an empty profile; "url" is its DevTools endpoint
    Chromium {
        /// More flags for Chromium, after --
        #[arg(last = true)]
        flags: Vec<OsString>,
    },
    /// A static web server; "url" is its address
    Http {
        /// The folder to serve; a symbolic link may be switched while it is served
        #[arg(long, value_name = "DIR")]
        root: PathBuf,
        /// The port
        #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
        port: u16,
        /// Answer unknown paths with index.html
        #[arg(long)]
        spa: bool,
        /// Write one JSON line per request to this file
        #[arg(long, value_name = "FILE")]
        log: Option<PathBuf>,
    },
    /// A PostgreSQL cluster with the superuser postgres; "url" is the address of its database
    Postgres {
        /// Whose programs to run
        #[arg(long, value_enum, default_value_t)]
        distribution: Distribution,
        /// A setting of postgresql.conf
        #[arg(long, value_name = "NAME=VALUE")]
        set: Vec<Setting>,
        /// Make this database
        #[arg(long, value_name = "NAME")]
        database: Option<String>,
    },
    /// An S3-compatible server; "environment" is what clients read to reach it
    S3 {
        /// The folder to serve, which stays: each bucket is a folder in it
        #[arg(value_name = "DIR")]
        root: PathBuf,
        /// The port
        #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
        port: u16,
    },
    /// Any program; "line" is the line that told its readiness. {scratch} in arguments is its scratch folder
    Run(Run),
}

#[derive(Debug, clap::Args)]
struct Run {
    /// Ready when it prints a line that holds this text
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["ready_http", "ready_tcp"])]
    ready_line: Option<String>,
    /// Ready when this address gives a good answer
    #[arg(long, value_name = "URL", conflicts_with = "ready_tcp")]
    ready_http: Option<String>,
    /// Ready when this port accepts connections
    #[arg(long, value_name = "ADDRESS:PORT")]
    ready_tcp: Option<SocketAddr>,
    /// Seconds until it must be ready
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    within: u64,
    /// Also write its output to this file
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// The program and its arguments, after --
    #[arg(last = true, required = true)]
    program: Vec<OsString>,
}

/// Runs the command until its owner is gone.
pub fn run(cli: Cli) -> ExitCode {
    let owner = cli.owner.map_or(Owner::Stdin, Owner::Process);
    match owner.watch().and_then(|owner| cli.command.run(&owner)) {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(code)) => ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)),
        Err(error) => {
            let _ = complain(&error);
            ExitCode::from(3)
        }
    }
}

impl Command {
    fn run(self, owner: &Watch) -> Result<Option<i32>, Error> {
        match self {
            Self::Chromium { flags } => chromium(&flags, owner),
            Self::Http { root, port, spa, log } => http(&SiteOptions { root, port, is_spa: spa, log }, owner),
            Self::Postgres { distribution, set, database } => {
                let options = PostgresOptions { distribution, settings: set, ..PostgresOptions::default() };
                postgres(&options, database.as_deref(), owner)
            }
            Self::S3 { root, port } => s3(root, port, owner),
            Self::Run(run) => run.start(owner),
        }
    }
}

fn chromium(flags: &[OsString], owner: &Watch) -> Result<Option<i32>, Error> {
    let mut chromium = Chromium::start(flags)?;
    let url = chromium.url();
    let pid = chromium.running().pid();
    announce(&json!({"type": "ready", "program": "chromium", "url": url, "pid": pid}))?;
    Ok(owner.outlive_or_end(chromium.running()))
}

fn http(options: &SiteOptions, owner: &Watch) -> Result<Option<i32>, Error> {
    let site = Site::start(options)?;
    announce(&json!({"type": "ready", "program": "http", "url": site.url(), "pid": std::process::id()}))?;
    owner.outlive();
    Ok(None)
}

fn postgres(options: &PostgresOptions, database: Option<&str>, owner: &Watch) -> Result<Option<i32>, Error> {
    let mut postgres = Postgres::start(options)?;
    let url = database.map_or_else(|| Ok(postgres.url("postgres")), |name| postgres.create_database(name))?;
    announce(&json!({
        "type": "ready", "program": "postgres", "url": url, "port": postgres.port(), "socket": postgres.socket(),
        "pid": postgres.pid(),
    }))?;
    Ok(postgres.postmaster().and_then(|postmaster| owner.outlive_or_end(postmaster)))
}

fn s3(root: PathBuf, port: u16, owner: &Watch) -> Result<Option<i32>, Error> {
    let server = S3Server::over(root, port)?;
    let environment: Map<_, _> =
        server.environment().into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    announce(&json!({
        "type": "ready", "program": "s3", "url": server.endpoint(), "bucket": server.bucket(),
        "environment": environment, "pid": std::process::id(),
    }))?;
    owner.outlive();
    Ok(None)
}

impl Run {
    fn start(self, owner: &Watch) -> Result<Option<i32>, Error> {
        let ready = match (self.ready_line, &self.ready_http, self.ready_tcp) {
            (Some(text), _, _) => Ready::Line(text),
            (_, Some(url), _) => Ready::Http(url.clone()),
            (_, _, Some(address)) => Ready::Tcp(address),
            _ => Ready::Started,
        };
        let mut words = self.program.into_iter();
        let mut program = Program::new(words.next().unwrap_or_default()).args(words).ready(ready);
        if let Some(log) = self.log {
            program = program.log(log);
        }
        let mut running = program.within(Duration::from_secs(self.within)).start()?;
        let line = running.ready_line();
        let url = self.ready_http.or_else(|| line.and_then(address_in).map(str::to_owned));
        announce(&json!({
            "type": "ready", "pid": running.pid(), "scratch": running.scratch(), "url": url, "line": line,
        }))?;
        Ok(owner.outlive_or_end(&mut running))
    }
}

/// The first `http://` or `https://` address in a line.
fn address_in(line: &str) -> Option<&str> {
    let start = line.find("http://").or_else(|| line.find("https://"))?;
    let rest = line.get(start..)?;
    rest.split(|letter: char| letter.is_whitespace() || matches!(letter, '"' | '\'' | ',' | ')' | '>')).next()
}

fn announce(line: &serde_json::Value) -> Result<(), Error> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).map_err(Error::Report)
}

fn complain(error: &dyn std::error::Error) -> io::Result<()> {
    let mut stderr = io::stderr().lock();
    writeln!(stderr, "error: {error}")?;
    let mut cause = error.source();
    while let Some(error) = cause {
        writeln!(stderr, "caused by: {error}")?;
        cause = error.source();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_address_in_a_ready_line() {
        assert_eq!(address_in("admin on http://127.0.0.1:9090, ok"), Some("http://127.0.0.1:9090"));
        assert_eq!(address_in(r#"{"url":"http://127.0.0.1:1/x"}"#), Some("http://127.0.0.1:1/x"));
        assert_eq!(address_in("no address"), None);
    }
}
