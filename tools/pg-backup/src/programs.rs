//! The client programs of PostgreSQL: where they are, how old they are, and which fit a server.
//!
//! `pg_dump` refuses a server that is newer than itself, and people find out on the night of the release. So the version
//! is compared before anything is begun, and among those installed the oldest that fits is taken: it writes archives
//! that most others can read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;

/// Where Debian keeps the programs of each major version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// A folder of client programs of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Programs {
    folder: PathBuf,
    version: Version,
}

/// A version as `pg_dump --version` tells it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    /// Such as 15.
    pub(crate) major: u32,
    /// Such as `15.18`.
    pub(crate) text: String,
}

impl Version {
    /// The major version of `server_version_num`.
    pub(crate) const fn major_of(server_version: u32) -> u32 {
        server_version / 10_000
    }

    /// Reads `pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
    fn read(line: &str) -> Option<Version> {
        let text = line.split_once("(PostgreSQL) ")?.1.split_whitespace().next()?;
        let major = text.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()?;
        Some(Version { major, text: text.to_owned() })
    }
}

impl Programs {
    /// The oldest programs that can work with a server of this version: those of `folder` if one is named, else
    /// Debian's and those in `PATH`.
    ///
    /// # Errors
    /// When there are none, or all are too old.
    pub(crate) fn for_server(folder: Option<&Path>, server_version: u32) -> Result<Programs, Error> {
        let needed = Version::major_of(server_version);
        let found = Programs::installed(folder);
        let newest = found.keys().next_back().cloned();
        match found.into_values().find(|programs| programs.version.major >= needed) {
            Some(programs) => Ok(programs),
            None => Err(Error::ClientVersion { needed, found: newest }),
        }
    }

    /// All that are installed, by version; of two folders of one version the first is taken.
    pub(crate) fn installed(folder: Option<&Path>) -> BTreeMap<(u32, String), Programs> {
        let mut found = BTreeMap::new();
        for folder in folder.map_or_else(usual_folders, |folder| vec![folder.to_owned()]) {
            if let Some(version) = version_of(&folder.join("pg_dump")) {
                let key = (version.major, version.text.clone());
                found.entry(key).or_insert(Programs { folder, version });
            }
        }
        found
    }

    /// A program, such as `pg_dump`.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The same, if it is installed: servers have programs that clients lack.
    ///
    /// # Errors
    /// When it is not, with the package that brings it.
    pub(crate) fn require(&self, name: &'static str) -> Result<PathBuf, Error> {
        let path = self.path(name);
        if path.is_file() { Ok(path) } else { Err(Error::NoProgram { name, major: self.version.major }) }
    }

    /// Their version.
    pub(crate) fn version(&self) -> &Version {
        &self.version
    }
}

fn usual_folders() -> Vec<PathBuf> {
    let debian =
        std::fs::read_dir(DEBIAN).into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian's pg_dump in PATH is a script that chooses a version by itself.
    let is_chooser = |folder: &PathBuf| folder.join("pg_wrapper").exists() || folder == Path::new("/usr/bin");
    let others: Vec<_> = std::env::split_paths(&path).collect();
    let has_debian = Path::new(DEBIAN).is_dir();
    debian.chain(others.into_iter().filter(|folder| !(has_debian && is_chooser(folder)))).collect()
}

fn version_of(pg_dump: &Path) -> Option<Version> {
    let mut command = Command::new(pg_dump);
    crate::child::keep_secrets_from(&mut command);
    let output = command.arg("--version").output().ok()?;
    Version::read(&String::from_utf8_lossy(&output.stdout))
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn the_version_is_read_from_what_the_program_says() {
        let read = |line| Version::read(line).map(|version| (version.major, version.text));
        let debian = read("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n");
        assert_eq!(debian, Some((15, "15.18".to_owned())));
        assert_eq!(read("pg_dump (PostgreSQL) 18beta1"), Some((18, "18beta1".to_owned())));
        assert_eq!(read("pg_dump: error"), None);
    }
}
