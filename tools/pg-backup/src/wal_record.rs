//! What is known of a stored file of WAL: the document that is written last and makes it exist.

use jiff::Timestamp;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::document;
use crate::layout::{self, Name};
use crate::manifest::StoredObject;
use crate::wal_history::Switch;
use crate::wal_name::WalName;

/// A file of WAL in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalRecord {
    /// [`document::FORMAT`].
    pub format: u32,
    /// The file's name.
    pub name: WalName,
    /// The cluster that wrote it.
    pub system_id: String,
    /// The object with its content, beside this document.
    pub object: StoredObject,
    /// Whom it is encrypted to; empty when it is not.
    pub recipients: Vec<String>,
    /// When it was last written, by the clock of the machine that pushed it.
    ///
    /// A file of WAL is written to its end before the next is begun. So what was committed before this moment is in this
    /// file or an earlier one.
    pub written_at: Timestamp,
    /// When it was stored, by the same clock.
    pub pushed_at: Timestamp,
    /// The ancestors, if it is the history of a timeline: what is in the file, for whoever cannot decrypt it.
    pub history: Option<Vec<Switch>>,
    /// The version of this program.
    pub pg_backup: String,
}

impl WalRecord {
    /// Everything that was committed until then is in this file or an earlier one.
    pub fn until(&self) -> Timestamp {
        self.written_at.min(self.pushed_at)
    }

    /// The bytes to store.
    ///
    /// # Errors
    /// Never for a record that was read or made here; JSON has no other way to say so.
    pub fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        document::encode(self).map(|(bytes, _)| bytes)
    }

    /// Reads what [`WalRecord::encode`] wrote.
    ///
    /// # Errors
    /// When it cannot be believed.
    pub fn decode(bytes: &[u8]) -> Result<WalRecord, document::DocumentError> {
        document::decode(bytes).map(|(record, _)| record)
    }
}

/// Where a cluster's WAL lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalPlace {
    /// The cluster's name in the store.
    pub cluster: Name,
    /// Its system identifier.
    pub system_id: String,
}

impl WalPlace {
    /// Everything.
    pub fn folder(&self) -> Path {
        layout::wal_folder(&self.cluster, &self.system_id)
    }

    /// The document of a file.
    pub fn record(&self, name: &WalName) -> Path {
        self.object(name, &format!("{name}.json"))
    }

    /// An object beside it.
    pub fn object(&self, name: &WalName, object: &str) -> Path {
        self.folder().join(format!("{:08X}", name.timeline())).join(object)
    }

    /// The file whose document has this key.
    pub fn name_of(&self, key: &Path) -> Option<WalName> {
        let name: WalName = key.filename()?.strip_suffix(".json")?.parse().ok()?;
        Some(name).filter(|name| self.record(name) == *key)
    }
}

#[cfg(test)]
mod tests {
    use super::{WalPlace, WalRecord};
    use crate::document::FORMAT;
    use crate::manifest::{Role, StoredObject};
    use crate::wal_history::Switch;
    use crate::wal_name::{Lsn, WalName};

    #[test]
    fn what_is_written_is_read_back() {
        let record = WalRecord {
            format: FORMAT,
            name: WalName::History(2),
            system_id: "7300000000000000001".to_owned(),
            object: StoredObject {
                name: "00000002.history.0123456789abcdef.zst".to_owned(),
                role: Role::Wal,
                bytes: 10,
                sha256: "ab".repeat(32),
                plain_bytes: 20,
                plain_sha256: "cd".repeat(32),
            },
            recipients: Vec::new(),
            written_at: "2026-11-24T10:00:00Z".parse().unwrap(),
            pushed_at: "2026-11-24T10:00:01Z".parse().unwrap(),
            history: Some(vec![Switch { timeline: 1, lsn: Lsn(0x500_0148) }]),
            pg_backup: "0.1.0".to_owned(),
        };
        assert_eq!(WalRecord::decode(&record.encode().unwrap()).unwrap(), record);
    }

    #[test]
    fn a_document_is_told_from_what_lies_beside_it() {
        let place = WalPlace { cluster: "erp".parse().unwrap(), system_id: "7".to_owned() };
        let name: WalName = "00000001000000000000000A".parse().unwrap();
        let key = place.record(&name);
        assert_eq!(key.as_ref(), "v1/erp/wal/7/00000001/00000001000000000000000A.json");
        assert_eq!(place.name_of(&key), Some(name));
        for other in ["00000001000000000000000A.0123.zst", "x.json", "00000002000000000000000A.json"] {
            assert_eq!(place.name_of(&place.object(&name, other)), None, "{other}");
        }
    }
}
