//! Where everything lies in the bucket, and how its names are read.
//!
//! ```text
//! <prefix>/v1/store.json                                       what this bucket is; written once
//! <prefix>/v1/<cluster>/databases/<database>/backups/<id>/     dump.pgc.zst[.age] ... manifest.json (last)
//! <prefix>/v1/<cluster>/databases/<database>/verify/<id>/<time>.json
//! <prefix>/v1/<cluster>/databases/<database>/holds/<id>/<name>.json
//! <prefix>/v1/<cluster>/databases/<database>/tombstones/<id>.json
//! <prefix>/v1/<cluster>/base/{backups,verify,holds,tombstones}/...
//! <prefix>/v1/<cluster>/wal/<system id>/<timeline>/<segment>.<random>.zst[.age] and <segment>.json (last)
//! <prefix>/v1/<cluster>/leases/<name>.json
//! ```
//!
//! Databases have a folder of their own, so that one called `base` or `wal` collides with nothing. WAL lies below its
//! system identifier, because a cluster that was upgraded keeps its name and starts to count segments anew. A segment's
//! data have a random number in their name, which its document tells: the server and `wal-receive` may push the same
//! segment at the same moment, and neither may write over what the other has been promised.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use object_store::path::{Path, PathPart};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// How many random bytes end an id: no two backups of one second meet.
const RANDOM_BYTES: usize = 8;
/// The time in an id, in UTC.
const TIME_FORMAT: &str = "%Y%m%dT%H%M%SZ";

/// A name in the bucket that cannot be read.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum NameError {
    /// Not an id.
    #[error("`{0}` is not a backup id such as 20261123T104046Z-0123456789abcdef")]
    Id(String),
    /// Not a name of a cluster, a hold or a release.
    #[error("`{0}` is not a name: 1 to 100 letters, digits, `.`, `_` and `-`, with a letter or digit first")]
    Name(String),
}

/// The name of one backup, never used again: when it was begun, and a random number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackupId(String);

impl BackupId {
    /// A new id of this moment.
    pub fn new(now: Timestamp, random: [u8; RANDOM_BYTES]) -> BackupId {
        let random: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        BackupId(format!("{}-{random}", now.strftime(TIME_FORMAT)))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// When it was begun.
    pub fn time(&self) -> Option<Timestamp> {
        let (time, _) = self.0.split_once('-')?;
        let time = jiff::civil::DateTime::strptime(TIME_FORMAT, time).ok()?;
        jiff::tz::TimeZone::UTC.to_timestamp(time).ok()
    }
}

impl FromStr for BackupId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<BackupId, NameError> {
        let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let is_id = text.split_once('-').is_some_and(|(time, random)| {
            let read = jiff::civil::DateTime::strptime(TIME_FORMAT, time);
            time.len() == 16
                && read.is_ok_and(|read| read.strftime(TIME_FORMAT).to_string() == time)
                && random.len() == 2 * RANDOM_BYTES
                && is_hex(random)
        });
        if is_id { Ok(BackupId(text.to_owned())) } else { Err(NameError::Id(text.to_owned())) }
    }
}

impl fmt::Display for BackupId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Serialize for BackupId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for BackupId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<BackupId, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The name of a cluster, a hold or a release: one that needs no quoting anywhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Name, NameError> {
        let is_inner =
            |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-');
        let is_name = text.starts_with(|first: char| first.is_ascii_alphanumeric())
            && text.len() <= 100
            && text.chars().all(is_inner);
        if is_name { Ok(Name(text.to_owned())) } else { Err(NameError::Name(text.to_owned())) }
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;

    fn try_from(text: String) -> Result<Name, NameError> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Backups that replace each other: those of one database, or the base backups of one cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Series {
    /// Dumps of a database.
    Dumps {
        /// The cluster's name.
        cluster: Name,
        /// The database, as PostgreSQL names it.
        database: String,
    },
    /// Base backups of a cluster.
    Bases {
        /// The cluster's name.
        cluster: Name,
    },
}

impl Series {
    /// The cluster.
    pub fn cluster(&self) -> &Name {
        match self {
            Series::Dumps { cluster, .. } | Series::Bases { cluster } => cluster,
        }
    }

    /// Its folder, with backups, evidence, holds and tombstones.
    pub fn folder(&self) -> Path {
        match self {
            Series::Dumps { cluster, database } => {
                databases_folder(cluster).join(PathPart::from(database.as_str()))
            }
            Series::Bases { cluster } => cluster_folder(cluster).join("base"),
        }
    }

    /// The folder of all its backups.
    pub fn backups(&self) -> Path {
        self.folder().join("backups")
    }

    /// The folder of one backup.
    pub fn backup(&self, id: &BackupId) -> Path {
        self.backups().join(id.as_str())
    }

    /// What makes a backup exist.
    pub fn manifest(&self, id: &BackupId) -> Path {
        self.backup(id).join("manifest.json")
    }

    /// One object of a backup; `name` may have folders.
    pub fn object(&self, id: &BackupId, name: &str) -> Path {
        name.split('/').fold(self.backup(id), |folder, part| folder.join(part))
    }

    /// The folder of all evidence about its backups.
    pub fn all_evidence(&self) -> Path {
        self.folder().join("verify")
    }

    /// What a verification that ended at `time` says.
    pub fn evidence(&self, id: &BackupId, time: Timestamp) -> Path {
        let time = time.strftime("%Y%m%dT%H%M%S%.9fZ").to_string();
        self.all_evidence().join(id.as_str()).join(format!("{time}.json"))
    }

    /// The folder of all holds.
    pub fn holds(&self) -> Path {
        self.folder().join("holds")
    }

    /// One hold.
    pub fn hold(&self, id: &BackupId, name: &Name) -> Path {
        self.holds().join(id.as_str()).join(format!("{name}.json"))
    }

    /// The folder of the intents to delete.
    pub fn tombstones(&self) -> Path {
        self.folder().join("tombstones")
    }

    /// The intent to delete one backup.
    pub fn tombstone(&self, id: &BackupId) -> Path {
        self.tombstones().join(format!("{id}.json"))
    }
}

impl fmt::Display for Series {
    /// As messages name it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Series::Dumps { cluster, database } => write!(formatter, "{cluster}/{database}"),
            Series::Bases { cluster } => write!(formatter, "{cluster} (base backups)"),
        }
    }
}

/// Everything of ours, below the user's prefix.
pub fn root() -> Path {
    Path::from("v1")
}

/// What says that a bucket is ours.
pub fn marker() -> Path {
    root().join("store.json")
}

/// The folder of a cluster.
pub fn cluster_folder(cluster: &Name) -> Path {
    root().join(cluster.as_str())
}

/// The folder of a cluster's databases.
pub fn databases_folder(cluster: &Name) -> Path {
    cluster_folder(cluster).join("databases")
}

/// The folder of a cluster's WAL, with a folder for each system identifier.
pub fn wal_root(cluster: &Name) -> Path {
    cluster_folder(cluster).join("wal")
}

/// The folder of a cluster's WAL under one system identifier.
pub fn wal_folder(cluster: &Name, system_id: &str) -> Path {
    wal_root(cluster).join(system_id)
}

/// A lease: who works on what, so that no other does.
pub fn lease(cluster: &Name, name: &str) -> Path {
    leases(cluster).join(format!("{name}.json"))
}

/// The folder of a cluster's leases.
pub fn leases(cluster: &Name) -> Path {
    cluster_folder(cluster).join("leases")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::{BackupId, Name, Series};

    #[test]
    fn an_id_tells_its_time_and_is_read_back() {
        let now: Timestamp = "2026-11-23T10:40:46.9Z".parse().unwrap();
        let id = BackupId::new(now, [0, 1, 2, 3, 0xfc, 0xfd, 0xfe, 0xff]);
        assert_eq!(id.to_string(), "20261123T104046Z-00010203fcfdfeff");
        assert_eq!(id.time(), "2026-11-23T10:40:46Z".parse().ok());
        assert_eq!(id.to_string().parse::<BackupId>(), Ok(id));
    }

    #[test]
    fn what_is_no_id_is_refused() {
        let wrong = [
            "",
            "-",
            "20261123T104046Z",
            "20261123T104046Z-0123456789abcde",
            "20261123T104046Z-0123456789abcdeg",
            "20261123T104046Z-0123456789ABCDEF",
            "20261332T104046Z-0123456789abcdef",
            "20261123T104046Z-0123456789abcdef/..",
        ];
        for text in wrong {
            assert!(text.parse::<BackupId>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_database_may_have_any_name_and_stays_in_its_folder() {
        let cluster: Name = "erp".parse().unwrap();
        let database = "../we\"ird/名".to_owned();
        let folder = Series::Dumps { cluster, database }.folder();
        assert_eq!(folder.parts().count(), 4, "{folder}");
        assert!(folder.as_ref().starts_with("v1/erp/databases/"), "{folder}");
    }

    proptest! {
        #[test]
        fn a_name_that_is_taken_needs_no_quoting(text in ".{0,12}") {
            if let Ok(name) = text.parse::<Name>() {
                prop_assert_eq!(name.as_str(), text.as_str());
                prop_assert!(!text.contains(['/', '\'', '"', ' ', '$', '%']));
            }
        }
    }
}
