//! What a backup is: the document that is written last and makes it exist.
//!
//! It holds the size and SHA-256 of every object, so that the SHA-256 of the manifest names the backup with all that it
//! holds; see [`crate::document`] for how it is stored.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::document::{self, DocumentError};
use crate::layout::{BackupId, Name};

/// One backup.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`document::FORMAT`].
    pub format: u32,
    /// Its name.
    pub id: BackupId,
    /// What kind it is.
    pub kind: Kind,
    /// Where it comes from.
    pub cluster: Cluster,
    /// The database; none for a base backup.
    pub database: Option<String>,
    /// The release that it was made for.
    pub release: Option<Release>,
    /// The server's time just before the snapshot was taken: everything committed until then is in the backup.
    pub snapshot_at: Timestamp,
    /// When the work began.
    pub started_at: Timestamp,
    /// When everything but this manifest was stored.
    pub finished_at: Timestamp,
    /// With what it was made.
    pub tool: Tool,
    /// Its objects, in the order of their names.
    pub objects: Vec<StoredObject>,
    /// The extensions of the database, which a server needs to restore it.
    pub extensions: Vec<Extension>,
    /// The roles that own or may use something in it; of a base backup, the one that every cluster has.
    pub roles: Vec<String>,
    /// The database's encoding and locale.
    pub locale: Option<Locale>,
    /// Whom the objects are encrypted to; empty when they are not.
    pub recipients: Vec<String>,
    /// How many tables and rows the snapshot had; none for a base backup.
    pub rows: Option<RowTotals>,
    /// Where in the WAL a base backup begins and ends; none for a dump.
    pub wal: Option<WalRange>,
    /// The bytes of the database on the server's disk.
    pub database_bytes: u64,
    /// The last that the dump program said on stderr, which decides nothing.
    pub stderr_tail: String,
}

/// The kinds of backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `pg_dump`, custom format: one archive.
    Dump,
    /// `pg_dump`, directory format: an object for each file.
    DumpDirectory,
    /// `pg_basebackup`.
    Base,
}

/// Where a backup comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// As the bucket names it.
    pub name: Name,
    /// `pg_control_system().system_identifier`, which no two clusters share.
    pub system_id: String,
    /// `server_version_num`, such as 150018.
    pub server_version: u32,
}

/// What a backup was made for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// The release's name.
    pub name: Name,
    /// The commit.
    pub git: Option<String>,
    /// The image, with its digest.
    pub image: Option<String>,
    /// The newest migration in the database.
    pub migration: Option<String>,
}

/// The programs' versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// `pg_dump` or `pg_basebackup`, such as `15.18`.
    pub client: String,
    /// This program.
    pub pg_backup: String,
}

/// One object of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredObject {
    /// Its name below the backup's folder.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// Its size as stored.
    pub bytes: u64,
    /// The SHA-256 of what is stored, which `sha256sum` can check.
    pub sha256: String,
    /// Its size before compression and encryption.
    pub plain_bytes: u64,
    /// The SHA-256 of what comes out of `age -d` and `zstd -d`.
    pub plain_sha256: String,
}

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The archive of `pg_dump`, custom format.
    Dump,
    /// A file of the directory format.
    DumpFile,
    /// The archive's table of contents, `pg_restore -l`.
    Toc,
    /// Roles and tablespaces, `pg_dumpall --globals-only`.
    Globals,
    /// The schema, `pg_dump -s` of the same snapshot.
    Schema,
    /// The rows of each table in the same snapshot.
    Counts,
    /// A tar file of a base backup.
    Tar,
    /// `backup_manifest` of a base backup, for `pg_verifybackup`.
    BaseManifest,
    /// A file of WAL.
    Wal,
}

/// An extension of the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// How a database sorts and writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Locale {
    /// Such as `UTF8`.
    pub encoding: String,
    /// `libc`, `icu` or `builtin`.
    pub provider: String,
    /// `LC_COLLATE`.
    pub collate: String,
    /// `LC_CTYPE`.
    pub ctype: String,
    /// The locale of the provider, if it is not `libc`.
    pub icu_locale: Option<String>,
}

/// All tables together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowTotals {
    /// Tables that hold rows of their own.
    pub tables: u64,
    /// Their rows.
    pub rows: u64,
}

/// The WAL that makes a base backup consistent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalRange {
    /// The timeline.
    pub timeline: u32,
    /// The LSN at which replay begins, such as `0/2000028`.
    pub start_lsn: String,
    /// The LSN from which on the data are consistent.
    pub stop_lsn: String,
    /// The server's time after the backup ended: no earlier moment can be restored from it.
    pub stop_at: Timestamp,
    /// Bytes of a WAL segment.
    pub segment_bytes: u64,
}

impl Manifest {
    /// The bytes to store, and their SHA-256, by which evidence names them.
    ///
    /// # Errors
    /// Never for a manifest that was read or made here; JSON has no other way to say so.
    pub fn encode(&self) -> Result<(Vec<u8>, String), serde_json::Error> {
        document::encode(self)
    }

    /// Reads what [`Manifest::encode`] wrote, byte by byte; and the SHA-256 of these bytes.
    ///
    /// # Errors
    /// When it cannot be believed.
    pub fn decode(bytes: &[u8]) -> Result<(Manifest, String), DocumentError> {
        document::decode(bytes)
    }

    /// The object of this role, if there is one.
    pub fn object(&self, role: Role) -> Option<&StoredObject> {
        self.objects.iter().find(|object| object.role == role)
    }

    /// The bytes of all its objects in the bucket.
    pub fn stored_bytes(&self) -> u64 {
        self.objects.iter().map(|object| object.bytes).sum()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Cluster, Extension, Kind, Manifest, Release, Role, RowTotals, StoredObject, Tool};
    use crate::document::FORMAT;

    /// A small dump.
    pub(crate) fn sample() -> Manifest {
        Manifest {
            format: FORMAT,
            id: "20261123T104046Z-0123456789abcdef".parse().unwrap(),
            kind: Kind::Dump,
            cluster: Cluster {
                name: "erp".parse().unwrap(),
                system_id: "7300000000000000001".to_owned(),
                server_version: 150_018,
            },
            database: Some("erp".to_owned()),
            release: Some(Release {
                name: "v1.4.0".parse().unwrap(),
                git: Some("0f3c".to_owned()),
                image: None,
                migration: None,
            }),
            snapshot_at: "2026-11-23T10:40:46Z".parse().unwrap(),
            started_at: "2026-11-23T10:40:46Z".parse().unwrap(),
            finished_at: "2026-11-23T10:41:00Z".parse().unwrap(),
            tool: Tool { client: "15.18".to_owned(), pg_backup: "0.1.0".to_owned() },
            objects: vec![StoredObject {
                name: "dump.pgc.zst".to_owned(),
                role: Role::Dump,
                bytes: 10,
                sha256: "ab".repeat(32),
                plain_bytes: 20,
                plain_sha256: "cd".repeat(32),
            }],
            extensions: vec![Extension { name: "citext".to_owned(), version: "1.6".to_owned() }],
            roles: vec!["app".to_owned()],
            locale: None,
            recipients: Vec::new(),
            rows: Some(RowTotals { tables: 1, rows: 3 }),
            wal: None,
            database_bytes: 8192,
            stderr_tail: String::new(),
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let manifest = sample();
        let (bytes, sha256) = manifest.encode().unwrap();
        assert_eq!(Manifest::decode(&bytes).unwrap(), (manifest, sha256));
    }
}
