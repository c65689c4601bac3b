//! Names and documents of `pg-backup`: in the bucket, on the command line and in the WAL.

use object_store::path::Path;
use pg_backup::document;
use pg_backup::evidence::Evidence;
use pg_backup::layout::{BackupId, Name, Series};
use pg_backup::manifest::Manifest;
use pg_backup::store::Location;
use pg_backup::wal_history;
use pg_backup::wal_name::{Lsn, SegmentSize, WalName};

/// An id or a name reads back as itself; whatever a database is called, its objects stay in its folder.
pub fn backup_name(text: &str) {
    if let Ok(id) = text.parse::<BackupId>() {
        assert_eq!(id.to_string(), text);
    }
    if let Ok(name) = text.parse::<Name>() {
        assert_eq!(name.as_str(), text);
        assert!(!text.contains(['/', '\'', '"', ' ', '$', '%']), "{text}");
    }
    let Ok(cluster) = "erp".parse() else { return };
    let folder = Series::Dumps { cluster, database: text.to_owned() }.folder();
    let expected = if text.is_empty() { 3 } else { 4 };
    assert_eq!(folder.parts().count(), expected, "{folder}");
}

/// An address is shown as it leads, never with a key, and reads back as itself.
pub fn location(text: &str) {
    let Ok(location) = text.parse::<Location>() else { return };
    let shown = location.to_string();
    assert_eq!(shown.parse().as_ref(), Ok(&location), "{shown}");
    assert!(location.folder().is_some() || !shown.contains('@'), "{shown}");
}

/// A document is believed only byte by byte.
pub fn backup_document(text: &str) {
    if let Ok((manifest, sha256)) = Manifest::decode(text.as_bytes()) {
        let again = manifest.encode().map_err(|error| error.to_string());
        assert_eq!(again, Ok((text.as_bytes().to_vec(), sha256)));
    }
    if let Ok(evidence) = Evidence::decode(text.as_bytes()) {
        let again = document::encode(&evidence).map(|(bytes, _)| bytes).map_err(|error| error.to_string());
        assert_eq!(again, Ok(text.as_bytes().to_vec()));
    }
}

/// A name of WAL reads back as itself and is one part of a key; a segment has the neighbors that it is the neighbor of.
pub fn wal_name(text: &str) {
    if let Ok(lsn) = text.parse::<Lsn>() {
        assert_eq!(lsn.to_string().parse(), Ok(lsn));
    }
    let Ok(name) = text.parse::<WalName>() else { return };
    assert_eq!(name.to_string(), text);
    assert_eq!(Path::from(text).parts().count(), 1, "{text}");
    let Some(segment) = name.segment() else { return };
    for bytes in [1 << 20, 16 << 20, 1 << 30] {
        let Ok(size) = SegmentSize::new(bytes) else { continue };
        if size.number(segment).is_none() {
            continue;
        }
        if let Some(next) = segment.next(size) {
            assert_eq!(next.previous(size), Some(segment), "{text}");
        }
    }
}

/// A history tells its ancestors in their order.
pub fn wal_history(text: &str) {
    if let Ok(switches) = wal_history::parse(text) {
        assert!(switches.is_sorted_by(|one, next| one.timeline < next.timeline), "{switches:?}");
    }
}
