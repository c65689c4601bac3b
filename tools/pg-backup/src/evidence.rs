//! What a verification has found: stored beside the backup, never changed, and the only thing that objectives are
//! answered from.
//!
//! It names the manifest by its SHA-256, so that it proves nothing about any other bytes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::counts::Difference;
use crate::document::{self, DocumentError};
use crate::layout::BackupId;
use crate::manifest::RowTotals;

/// How far a verification went; each does what those before it do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Every object is there and has the recorded size and SHA-256
    Checksum,
    /// Every object decrypts and decompresses, and pg_restore reads the archive to its end
    Decode,
    /// It is restored into a scratch cluster; rows are counted, the schema compared, indexes checked
    Restore,
}

/// What came out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// All that this level looks at is as recorded.
    Good,
    /// The backup is damaged or incomplete.
    Bad,
    /// This machine cannot tell, for example because an extension is not installed on it.
    Inconclusive,
}

/// One verification.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// [`document::FORMAT`].
    pub format: u32,
    /// Of which backup.
    pub id: BackupId,
    /// The SHA-256 of the manifest that was verified.
    pub manifest_sha256: String,
    /// How far it went.
    pub level: Level,
    /// What came out.
    pub verdict: Verdict,
    /// Why, unless it is good.
    pub reason: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// How the restore went; none unless there was one.
    pub restore: Option<RestoreCheck>,
    /// This program's version.
    pub pg_backup: String,
}

/// What a restore into a scratch cluster has shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RestoreCheck {
    /// `server_version_num` of the scratch cluster.
    pub server_version: u32,
    /// Seconds from the first byte fetched until the last index was built.
    pub restore_s: f64,
    /// Bytes of the restored database on disk.
    pub database_bytes: u64,
    /// Tables that were restored at a time.
    pub jobs: u8,
    /// The rows of the snapshot.
    pub expected: RowTotals,
    /// The rows after the restore.
    pub found: RowTotals,
    /// The tables that differ, at most the first hundred.
    pub differing: Vec<Difference>,
    /// How the schema compares.
    pub schema: SchemaCheck,
    /// What `pg_amcheck --heapallindexed` said; none when it cannot run there, with the reason beside it.
    pub indexes: Option<IndexCheck>,
    /// Why there is no [`RestoreCheck::indexes`].
    pub indexes_skipped: Option<String>,
}

/// How `pg_dump -s` of the restored database compares with that of the snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaCheck {
    /// SHA-256 of the snapshot's schema, comments and blank lines left out.
    pub expected_sha256: String,
    /// The same of the restored one.
    pub found_sha256: String,
    /// The lines that differ, at most the first hundred, `-` for missing and `+` for added.
    pub differing: Vec<String>,
}

/// What `pg_amcheck` said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexCheck {
    /// Whether it found nothing.
    pub is_clean: bool,
    /// The last that it said, if it did.
    pub findings: String,
}

impl Evidence {
    /// The bytes to store, and their SHA-256.
    ///
    /// # Errors
    /// Never for evidence that was read or made here; JSON has no other way to say so.
    pub fn encode(&self) -> Result<(Vec<u8>, String), serde_json::Error> {
        document::encode(self)
    }

    /// Reads what [`Evidence::encode`] wrote.
    ///
    /// # Errors
    /// When it cannot be believed.
    pub fn decode(bytes: &[u8]) -> Result<Evidence, DocumentError> {
        document::decode(bytes).map(|(evidence, _)| evidence)
    }

    /// Whether it proves that this backup restores: with rows and schema compared, and nothing that differs.
    pub fn proves(&self, id: &BackupId, manifest_sha256: &str) -> bool {
        let is_same = self.id == *id && self.manifest_sha256 == manifest_sha256;
        let is_whole = self.restore.as_ref().is_some_and(|restore| {
            restore.expected == restore.found
                && restore.differing.is_empty()
                && restore.schema.expected_sha256 == restore.schema.found_sha256
                && restore.schema.differing.is_empty()
                && restore.indexes.as_ref().is_none_or(|indexes| indexes.is_clean)
        });
        is_same && self.level == Level::Restore && self.verdict == Verdict::Good && is_whole
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Evidence, Level, RestoreCheck, SchemaCheck, Verdict};
    use crate::document::FORMAT;
    use crate::manifest::RowTotals;
    use crate::manifest::tests::sample as manifest;

    /// A good restore of the sample manifest.
    pub(crate) fn sample() -> Evidence {
        let manifest = manifest();
        let rows = RowTotals { tables: 1, rows: 3 };
        Evidence {
            format: FORMAT,
            id: manifest.id.clone(),
            manifest_sha256: manifest.encode().unwrap().1,
            level: Level::Restore,
            verdict: Verdict::Good,
            reason: None,
            started_at: "2026-11-23T11:00:00Z".parse().unwrap(),
            finished_at: "2026-11-23T11:01:00Z".parse().unwrap(),
            restore: Some(RestoreCheck {
                server_version: 150_018,
                restore_s: 12.5,
                database_bytes: 8192,
                jobs: 1,
                expected: rows,
                found: rows,
                differing: Vec::new(),
                schema: SchemaCheck {
                    expected_sha256: "aa".repeat(32),
                    found_sha256: "aa".repeat(32),
                    differing: Vec::new(),
                },
                indexes: None,
                indexes_skipped: Some("pg_amcheck is not installed".to_owned()),
            }),
            pg_backup: "0.1.0".to_owned(),
        }
    }

    /// Whether the sample still proves its backup after a change.
    fn check(change: impl FnOnce(&mut Evidence), expected: bool) {
        let mut evidence = sample();
        let (id, sha256) = (evidence.id.clone(), evidence.manifest_sha256.clone());
        change(&mut evidence);
        assert_eq!(evidence.proves(&id, &sha256), expected);
    }

    #[test]
    fn only_a_whole_restore_of_the_same_bytes_proves_a_backup() {
        check(|_| {}, true);
        check(|evidence| evidence.level = Level::Decode, false);
        check(|evidence| evidence.verdict = Verdict::Inconclusive, false);
        check(|evidence| evidence.manifest_sha256 = "00".repeat(32), false);
        check(|evidence| evidence.restore = None, false);
        let restore = |change: fn(&mut RestoreCheck)| {
            move |evidence: &mut Evidence| change(evidence.restore.as_mut().unwrap())
        };
        check(restore(|restore| restore.found.rows = 2), false);
        check(restore(|restore| restore.schema.found_sha256 = "bb".repeat(32)), false);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let (bytes, _) = sample().encode().unwrap();
        assert_eq!(Evidence::decode(&bytes).unwrap(), sample());
    }
}
