//! What is stored of a cluster's WAL, read from the store, and what it is good for.
//!
//! Names alone are listed; a file counts when its document is there. Of the documents only those that decide something
//! are read: the histories of timelines, and the last segment of each way.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::error::Error;
use crate::layout::{self, BackupId, Name, Series};
use crate::manifest::{Kind, Manifest, WalRange};
use crate::opened;
use crate::store::Store;
use crate::wal_chain::{Archive, Reach};
use crate::wal_name::{Lsn, Segment, SegmentSize, WalName};
use crate::wal_record::{WalPlace, WalRecord};

/// The WAL of one cluster.
#[derive(Debug)]
pub(crate) struct Stored {
    /// Where it lies.
    pub(crate) place: WalPlace,
    /// Whole segments and histories.
    pub(crate) archive: Archive,
    /// Every file, whatever it is.
    pub(crate) names: Vec<WalName>,
}

/// What the stored WAL is good for, without having read it.
#[derive(Debug)]
pub(crate) struct WalState {
    /// What is stored.
    pub(crate) stored: Stored,
    /// What each base backup can be brought to, oldest first.
    pub(crate) windows: Vec<Window>,
}

/// The moments that a base backup can be restored to.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    /// The base backup.
    pub(crate) base: Manifest,
    /// The timeline that is followed.
    pub(crate) timeline: u32,
    /// Where replay begins and its data are consistent.
    pub(crate) from: Timestamp,
    /// Everything that was committed until then can be restored; none when no stored segment adds to the base.
    pub(crate) until: Option<Timestamp>,
    /// How far replay gets.
    pub(crate) reach: Reach,
}

impl WalState {
    /// Everything that was committed until then can be restored from a base backup and WAL without a gap.
    ///
    /// It is the moment at which the last of these segments was filled, not a moment of today: a server that writes
    /// nothing fills no segment, and `archive_timeout` makes none of nothing. So a quiet server looks older than it is,
    /// and never younger.
    pub(crate) fn until(&self) -> Option<(Timestamp, &BackupId)> {
        let all = self.windows.iter().filter_map(|window| Some((window.until?, &window.base.id)));
        all.max_by_key(|(until, _)| *until)
    }
}

/// The system identifier that is meant: the named one, else the only one with WAL.
///
/// # Errors
/// When there is none, or several and none is named.
pub(crate) async fn place(
    store: &Store,
    cluster: Option<&Name>,
    system_id: Option<&str>,
) -> Result<WalPlace, Error> {
    let cluster = opened::cluster(store, cluster).await?;
    if let Some(system_id) = system_id {
        return Ok(WalPlace { cluster, system_id: system_id.to_owned() });
    }
    let mut found = store.folders(&layout::wal_root(&cluster)).await?;
    let refuse = |what: String, hint: &str| Error::NotFound { what, hint: hint.to_owned() };
    match (found.pop(), found.as_slice()) {
        (Some(system_id), []) => Ok(WalPlace { cluster, system_id }),
        (None, _) => Err(refuse(
            format!("{}: holds no WAL of {cluster}", store.shown()),
            "set archive_command to `pg-backup wal-push %p`, or run `pg-backup wal-receive`",
        )),
        (Some(last), others) => Err(refuse(
            format!(
                "{}: holds WAL of several clusters of {cluster}: {}, {last}",
                store.shown(),
                others.join(", ")
            ),
            "name the cluster's system identifier with --system-id",
        )),
    }
}

/// The document of a file; none when a store that answers says that it is not there.
///
/// # Errors
/// When the store fails, or the document cannot be believed.
pub(crate) async fn record(
    store: &Store,
    place: &WalPlace,
    name: &WalName,
) -> Result<Option<WalRecord>, Error> {
    let key = place.record(name);
    let Some(bytes) = store.read(&key).await? else { return Ok(None) };
    let unusable = |source| Error::Manifest { id: key.to_string(), source };
    let record = WalRecord::decode(&bytes).map_err(unusable)?;
    if record.name != *name || record.system_id != place.system_id {
        return Err(unusable(crate::document::DocumentError::Checksum));
    }
    Ok(Some(record))
}

/// Lists everything and reads the histories.
///
/// # Errors
/// When the store fails, or a history cannot be believed.
pub(crate) async fn stored(store: &Store, place: &WalPlace) -> Result<Stored, Error> {
    let listed = store.list(&place.folder()).await?;
    let names: Vec<WalName> = listed.iter().filter_map(|object| place.name_of(&object.key)).collect();
    let (mut histories, mut size) = (BTreeMap::new(), SegmentSize::USUAL);
    for name in &names {
        if let WalName::History(timeline) = name
            && let Some(record) = record(store, place, name).await?
        {
            histories.insert(*timeline, record.history.unwrap_or_default());
        }
    }
    let segments: std::collections::BTreeSet<Segment> = names.iter().filter_map(WalName::segment).collect();
    // All segments of a cluster have one size, and any of them tells it.
    if let Some(newest) = segments.last()
        && let Some(record) = record(store, place, &WalName::Segment(*newest)).await?
    {
        size = SegmentSize::new(record.object.plain_bytes).unwrap_or(size);
    }
    Ok(Stored { place: place.clone(), archive: Archive { size, segments, histories }, names })
}

/// What is stored, and what each base backup can be brought to by it.
///
/// # Errors
/// When the store fails, or a document cannot be believed.
pub(crate) async fn wal_state(
    store: &Store,
    cluster: &Name,
    system_id: Option<&str>,
) -> Result<WalState, Error> {
    let place = place(store, Some(cluster), system_id).await?;
    let stored = stored(store, &place).await?;
    let bases = opened::backups(store, &Series::Bases { cluster: cluster.clone() }).await?;
    let mut windows = Vec::new();
    for base in bases.good {
        if base.manifest.kind == Kind::Base && base.manifest.cluster.system_id == place.system_id {
            windows.push(window(store, &stored, base.manifest, None).await?);
        }
    }
    Ok(WalState { stored, windows })
}

/// What a base backup can be brought to, on this timeline or on the newest that comes from it.
///
/// # Errors
/// When the store fails, or the manifest tells no WAL.
pub(crate) async fn window(
    store: &Store,
    stored: &Stored,
    base: Manifest,
    timeline: Option<u32>,
) -> Result<Window, Error> {
    let range = range(&base)?;
    let start = lsn(&base, &range.start_lsn)?;
    let stop = lsn(&base, &range.stop_lsn)?;
    let timeline = timeline.unwrap_or_else(|| stored.archive.newest_timeline(range.timeline, stop));
    let reach = stored.archive.reach(start, timeline);
    let until = match reach.end {
        Some(end) => record(store, &stored.place, &WalName::Segment(end)).await?.map(|record| record.until()),
        None => None,
    };
    // Segments that end before the base backup did add nothing to it.
    let until = until.filter(|until| *until >= base.snapshot_at);
    Ok(Window { timeline, from: range.stop_at, until, reach, base })
}

/// The WAL of a base backup.
///
/// # Errors
/// When its manifest tells none.
pub(crate) fn range(base: &Manifest) -> Result<WalRange, Error> {
    base.wal.clone().ok_or_else(|| Error::Failed {
        what: format!("{}: its manifest tells no WAL", base.id),
        reason: "manifest",
        hint: "make a new one by `pg-backup base`".to_owned(),
    })
}

fn lsn(base: &Manifest, text: &str) -> Result<Lsn, Error> {
    text.parse().map_err(|error| Error::Failed {
        what: format!("{}: {error}", base.id),
        reason: "manifest",
        hint: "make a new one by `pg-backup base`".to_owned(),
    })
}
