//! A cluster on disk: how one is made, copied from a primary, and configured
//! (<https://www.postgresql.org/docs/15/creating-cluster.html>).

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use crate::data_folder::DataFolder;
use crate::distribution::Installation;
use crate::error::Error;
use crate::setting::Setting;

/// One locale on every machine, and nobody asks for a password.
const INITDB: [&str; 8] = [
    "--username=postgres",
    "--auth=trust",
    "--locale=C.UTF-8",
    "--encoding=UTF8",
    "--no-sync",
    "--no-instructions",
    "--pgdata",
    "data",
];
/// With a slot of its own, so that the primary keeps what the standby has not read yet.
const BASE_BACKUP: [&str; 9] = [
    "--pgdata=data",
    "--write-recovery-conf",
    "--wal-method=stream",
    "--checkpoint=fast",
    "--no-sync",
    "--no-password",
    "--create-slot",
    "--slot",
    "--dbname",
];

/// The files of one cluster, in a folder that vanishes with its owner.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) folder: DataFolder,
    pub(crate) installation: Installation,
    /// Of the server, and of what it starts.
    pub(crate) environment: Vec<(String, String)>,
}

impl Cluster {
    /// Makes a cluster with the superuser `postgres`.
    pub(crate) fn init(&self) -> Result<(), Error> {
        self.folder.run(self.folder.program(self.installation.server("initdb")).args(INITDB))
    }

    /// Copies the cluster of the primary at `url` and makes it a standby with a physical slot on the primary.
    pub(crate) fn copy(&self, url: &str) -> Result<(), Error> {
        let [options @ .., dbname] = BASE_BACKUP;
        let slot = format!("standby_{}", self.folder.name());
        let backup = self.folder.program(self.installation.client("pg_basebackup"));
        self.folder.run(backup.args(options).args([slot.as_str(), dbname, url]))
    }

    /// Adds settings to its configuration; of two lines for one name the later holds.
    pub(crate) fn configure(&self, settings: &[Setting]) -> Result<(), Error> {
        let path = self.data().join("postgresql.conf");
        let lines: String = settings.iter().map(Setting::quoted).collect();
        let written =
            OpenOptions::new().append(true).open(&path).and_then(|mut file| file.write_all(lines.as_bytes()));
        written.map_err(|source| Error::File { path, source })
    }

    /// The folder of its data.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.data()
    }
}
