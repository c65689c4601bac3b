//! The WAL that no base backup needs any longer, and its removal.

use std::collections::BTreeMap;

use crate::error::Error;
use crate::layout::{self, BackupId, Name, Series};
use crate::opened;
use crate::retention::wal::{Segment, Start, expendable as judge};
use crate::store::{Listed, Store};
use crate::wal_archive;
use crate::wal_name::{Lsn, WalName};
use crate::wal_record::WalPlace;

/// What may go, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Expendable {
    pub(super) segments: Vec<Doomed>,
    pub(super) warnings: Vec<String>,
}

/// The objects of one segment, its document first.
#[derive(Debug)]
pub(super) struct Doomed(Vec<Listed>);

impl Expendable {
    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().map(Doomed::bytes).sum()
    }
}

impl Doomed {
    pub(super) fn bytes(&self) -> u64 {
        self.0.iter().map(|object| object.bytes).sum()
    }
}

/// What no base backup that stays needs.
///
/// # Errors
/// When the store fails.
pub(super) async fn expendable(
    store: &Store,
    cluster: &Name,
    stays: impl Fn(&BackupId) -> bool,
) -> Result<Expendable, Error> {
    let mut found = Expendable::default();
    let bases = opened::backups(store, &Series::Bases { cluster: cluster.clone() }).await?;
    if let Some((id, _)) = bases.unreadable.first() {
        let why =
            format!("{id}: its manifest cannot be used, so nobody knows which WAL it needs: all WAL stays");
        found.warnings.push(why);
        return Ok(found);
    }
    let kept = bases.good.iter().map(|base| &base.manifest).filter(|manifest| stays(&manifest.id));
    let starts: Vec<_> = kept
        .map(|manifest| Start {
            system_id: manifest.cluster.system_id.clone(),
            at: manifest.wal.as_ref().and_then(|wal| wal.start_lsn.parse().ok()),
        })
        .collect();
    for system_id in store.folders(&layout::wal_root(cluster)).await? {
        let place = WalPlace { cluster: cluster.clone(), system_id };
        found.segments.extend(of_system(store, &place, &starts).await?);
    }
    Ok(found)
}

async fn of_system(store: &Store, place: &WalPlace, starts: &[Start]) -> Result<Vec<Doomed>, Error> {
    if !starts.iter().any(|start| start.system_id == place.system_id) {
        return Ok(Vec::new());
    }
    let size = wal_archive::stored(store, place).await?.archive.size;
    let mut objects: BTreeMap<(Lsn, u32), Vec<Listed>> = BTreeMap::new();
    for object in store.list(&place.folder()).await? {
        // Histories of timelines, and whatever has no name of a segment, stay.
        let stem = object.key.filename().and_then(|file| file.split('.').next());
        let Some(Ok(WalName::Segment(segment))) = stem.map(str::parse) else { continue };
        let Some(number) = size.number(segment) else { continue };
        let end = Lsn((number + 1).saturating_mul(size.bytes()));
        objects.entry((end, segment.timeline)).or_default().push(object);
    }
    let all: Vec<_> = objects
        .keys()
        .map(|(end, timeline)| Segment { system_id: place.system_id.clone(), timeline: *timeline, end: *end })
        .collect();
    let gone = judge(&all, starts);
    let doomed = gone.iter().filter_map(|segment| objects.remove(&(segment.end, segment.timeline)));
    Ok(doomed.map(document_first).collect())
}

/// A file of WAL exists while its document does.
fn document_first(mut objects: Vec<Listed>) -> Doomed {
    objects.sort_by_key(|object| !object.key.as_ref().ends_with(".json"));
    Doomed(objects)
}

/// Removes one segment.
///
/// # Errors
/// When the store fails or refuses.
pub(super) async fn remove(store: &Store, segment: &Doomed) -> Result<(), Error> {
    for object in &segment.0 {
        store.delete(&object.key).await?;
        release_common::fault::point("delete-wal");
    }
    Ok(())
}
