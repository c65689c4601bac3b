//! What PostgreSQL's own programs need to reach a [`Database`]: variables that anybody may read, and a password that
//! nobody sees.
//!
//! Follows the PostgreSQL manual, 34.15 "Environment Variables" and 34.16 "The Password File". Arguments and
//! environment of a process stand in `/proc`, and files stay behind after a crash; so the password is a line of a file
//! that exists in memory only, which the program inherits and opens by its descriptor.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Command;

use rustix::fs::{MemfdFlags, Mode, SealFlags, fchmod, fcntl_add_seals, memfd_create};
use thiserror::Error;

use crate::database::{CONNECT_TIMEOUT, Database};
use crate::passfile;

/// Variables that pass through: each only makes a connection stricter than the rest says, and the driver has no word
/// for it.
const STRICTER: [&str; 6] = [
    "PGCHANNELBINDING",
    "PGREQUIREAUTH",
    "PGSSLCRL",
    "PGSSLCRLDIR",
    "PGSSLMINPROTOCOLVERSION",
    "PGREQUIREPEER",
];

/// Why a program cannot be given the way to the database.
#[derive(Debug, Error)]
pub enum ClientEnvironmentError {
    /// The password file has one line for each password.
    #[error("a password with a line break cannot be handed to PostgreSQL's programs")]
    LineBreak,
    /// The system gives no file in memory.
    #[error("a file in memory for the password cannot be made")]
    Memory(#[source] io::Error),
}

/// The environment of a child that connects to one database.
///
/// Every child that this process starts inherits the file with the password, not only the one it is meant for, since no
/// safe call passes a descriptor to one child alone. So make it just before the child, and drop it when the child has
/// started: the child keeps its own descriptor.
#[derive(Debug)]
pub struct ClientEnvironment {
    variables: Vec<(&'static str, OsString)>,
    /// Held until the child has them.
    files: Vec<OwnedFd>,
}

impl ClientEnvironment {
    /// What leads to `database`.
    ///
    /// # Errors
    /// When the password has a line break, or there is no file in memory.
    pub fn new(database: &Database) -> Result<ClientEnvironment, ClientEnvironmentError> {
        let mut environment = ClientEnvironment { variables: Vec::new(), files: Vec::new() };
        environment.set("PGHOST", database.host());
        environment.set("PGPORT", database.port().to_string());
        environment.set("PGUSER", database.user());
        environment.set("PGDATABASE", database.database());
        environment.set("PGSSLMODE", database.ssl_mode());
        environment.set("PGCONNECT_TIMEOUT", CONNECT_TIMEOUT.as_secs().to_string());
        for (name, value) in
            [("PGAPPNAME", database.application_name()), ("PGOPTIONS", database.server_options())]
        {
            value.into_iter().for_each(|value| environment.set(name, value));
        }
        for (name, value) in database.certificates() {
            // The driver takes a certificate or key itself for the path to one; the client library knows paths only,
            // and a key is as secret as a password.
            match value.trim_start().starts_with("-----BEGIN") {
                true => environment.set_file(name, value)?,
                false => environment.set(name, value),
            }
        }
        if let Some(password) = database.password() {
            if password.reveal().contains(['\n', '\r', '\0']) {
                return Err(ClientEnvironmentError::LineBreak);
            }
            environment.set_file("PGPASSFILE", &passfile::line_for_all(password))?;
        }
        for name in STRICTER {
            std::env::var_os(name).into_iter().for_each(|value| environment.set(name, value));
        }
        Ok(environment)
    }

    /// The variables; the password is in none of them.
    pub fn variables(&self) -> &[(&'static str, OsString)] {
        &self.variables
    }

    /// Makes `command` one that connects to the database and nowhere else: variables of PostgreSQL's that it would
    /// inherit, or was given before, are taken from it. For tokio's command there is `as_std_mut`.
    ///
    /// The programs ask at the terminal when a password is missing; `--no-password` forbids it.
    pub fn apply(&self, command: &mut Command) {
        let inherited = std::env::vars_os().map(|(name, _)| name);
        let given = command.get_envs().map(|(name, _)| name.to_owned());
        let is_foreign =
            |name: &OsString| name.as_encoded_bytes().starts_with(b"PG") || name == "DATABASE_URL";
        let foreign: BTreeSet<OsString> = inherited.chain(given).filter(is_foreign).collect();
        for name in &foreign {
            command.env_remove(name);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
    }

    fn set(&mut self, name: &'static str, value: impl Into<OsString>) {
        self.variables.push((name, value.into()));
    }

    /// A variable that names a file with `content`.
    fn set_file(&mut self, name: &'static str, content: &str) -> Result<(), ClientEnvironmentError> {
        let file = in_memory(name, content).map_err(ClientEnvironmentError::Memory)?;
        // The child's own descriptor of the same number; opened again by every worker and at its beginning.
        self.set(name, format!("/proc/self/fd/{}", file.as_raw_fd()));
        self.files.push(file);
        Ok(())
    }
}

/// A file without a name in any folder. It is not closed when another program is executed: that is how a child gets it.
fn in_memory(name: &str, content: &str) -> io::Result<OwnedFd> {
    let mut file = File::from(memfd_create(name, MemfdFlags::ALLOW_SEALING)?);
    // The client library ignores a password file that others may read.
    fchmod(&file, Mode::RUSR | Mode::WUSR)?;
    file.write_all(content.as_bytes())?;
    fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    Ok(file.into())
}
