//! What killed runs have left in a series, told from a listing alone.
//!
//! A backup without a manifest does not exist. If nobody is at work on it and it is not young, its objects are garbage,
//! and so is what refers to it. A backup with an intent to delete is to be deleted to its end. Everything else, and
//! everything that has no name of ours, stays.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use object_store::path::Path;

use crate::layout::{BackupId, Series};
use crate::store::Listed;

/// What may go, and what stays for what reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Garbage {
    /// Backups with an intent to delete.
    pub(crate) deletions: Vec<BackupId>,
    /// Backups that were never finished, with their objects, evidence and holds.
    pub(crate) unfinished: BTreeMap<BackupId, Vec<Listed>>,
    /// Evidence and holds of backups that are not there.
    pub(crate) orphans: BTreeMap<BackupId, Vec<Listed>>,
    /// Unfinished backups that stay because they are young.
    pub(crate) young: Vec<BackupId>,
    /// Unfinished backups that stay because somebody is at work on them.
    pub(crate) in_use: Vec<BackupId>,
    /// Objects that have no name of ours.
    pub(crate) unknown: Vec<Path>,
}

/// What is there under one id.
#[derive(Debug, Default)]
struct Found {
    has_manifest: bool,
    has_tombstone: bool,
    objects: Vec<Listed>,
    about: Vec<Listed>,
}

/// Sorts a listing of the whole series. `busy` are the backups that somebody has a lease for.
pub(crate) fn sort(
    listed: &[Listed],
    series: &Series,
    busy: &BTreeSet<BackupId>,
    now: Timestamp,
    grace: SignedDuration,
) -> Garbage {
    let mut garbage = Garbage::default();
    let mut found: BTreeMap<BackupId, Found> = BTreeMap::new();
    for object in listed {
        if !place(object, series, &mut found) {
            garbage.unknown.push(object.key.clone());
        }
    }
    let limit = now.saturating_sub(grace).unwrap_or(Timestamp::MIN);
    for (id, one) in found {
        let all = || one.objects.iter().chain(&one.about);
        if one.has_tombstone {
            garbage.deletions.push(id);
        } else if one.has_manifest {
        } else if busy.contains(&id) {
            garbage.in_use.push(id);
        } else if id.time().is_some_and(|time| time > limit) || all().any(|object| object.modified_at > limit)
        {
            garbage.young.push(id);
        } else if one.objects.is_empty() {
            garbage.orphans.insert(id, one.about);
        } else {
            let all = all().cloned().collect();
            garbage.unfinished.insert(id, all);
        }
    }
    garbage
}

/// Whether the object has a name of ours.
fn place(object: &Listed, series: &Series, found: &mut BTreeMap<BackupId, Found>) -> bool {
    let folder = series.folder();
    let Some(parts) = object.key.prefix_match(&folder) else { return false };
    let parts: Vec<String> = parts.map(|part| part.as_ref().to_owned()).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let (kind, id) = match parts.as_slice() {
        [kind @ "tombstones", file] => (*kind, file.strip_suffix(".json")),
        [kind @ ("verify" | "holds"), id, file] if file.ends_with(".json") => (*kind, Some(*id)),
        [kind @ "backups", id, _, ..] => (*kind, Some(*id)),
        _ => return false,
    };
    let Some(id) = id.and_then(|id| id.parse().ok()) else { return false };
    let one = found.entry(id).or_default();
    match (kind, parts.as_slice()) {
        ("tombstones", _) => one.has_tombstone = true,
        ("backups", [_, _, "manifest.json"]) => one.has_manifest = true,
        ("backups", _) => one.objects.push(object.clone()),
        _ => one.about.push(object.clone()),
    }
    true
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jiff::{SignedDuration, Timestamp};
    use object_store::path::Path;

    use super::{Garbage, sort};
    use crate::layout::Series;
    use crate::store::Listed;

    const ID: &str = "20261101T000000Z-0000000000000001";
    const YOUNG: &str = "20261124T000000Z-0000000000000002";

    /// Sorts objects that are ten days old, and those whose name begins with `!`, which are of this hour.
    fn sorted(names: &[&str], busy: &[&str]) -> Garbage {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let series = Series::Dumps { cluster: "erp".parse().unwrap(), database: "erp".to_owned() };
        let listed = |name: &&str| {
            let (name, age) = name.strip_prefix('!').map_or((*name, 240), |name| (name, 0));
            let key = Path::from(format!("{}/{name}", series.folder()));
            Listed { key, bytes: 1, modified_at: now - SignedDuration::from_hours(age) }
        };
        let listed: Vec<_> = names.iter().map(listed).collect();
        let busy: BTreeSet<_> = busy.iter().map(|id| id.parse().unwrap()).collect();
        sort(&listed, &series, &busy, now, SignedDuration::from_hours(24))
    }

    #[test]
    fn a_backup_stays_with_all_that_is_about_it() {
        let names =
            ["backups/ID/dump.pgc.zst", "backups/ID/manifest.json", "verify/ID/a.json", "holds/ID/h.json"];
        let names = names.map(|name| name.replace("ID", ID));
        assert_eq!(sorted(&names.each_ref().map(String::as_str), &[]), Garbage::default());
    }

    #[test]
    fn one_without_a_manifest_goes_when_it_is_old_and_nobody_is_at_work() {
        let object = format!("backups/{ID}/files/toc.dat.zst");
        let found = sorted(&[&object, &format!("holds/{ID}/h.json")], &[]);
        assert_eq!(found.unfinished.values().map(Vec::len).collect::<Vec<_>>(), [2]);
        assert_eq!(sorted(&[&object], &[ID]).in_use.len(), 1);
        assert_eq!(sorted(&[&object, &format!("!backups/{ID}/b")], &[]).young.len(), 1);
        assert_eq!(sorted(&[&format!("backups/{YOUNG}/b")], &[]).young.len(), 1, "by its name");
    }

    #[test]
    fn what_is_about_nothing_goes_and_an_intent_is_carried_out() {
        let found = sorted(&[&format!("verify/{ID}/a.json"), &format!("tombstones/{YOUNG}.json")], &[]);
        assert_eq!(found.orphans.len(), 1);
        assert_eq!(found.deletions.len(), 1);
        let found =
            sorted(&[&format!("backups/{ID}/manifest.json"), &format!("!tombstones/{ID}.json")], &[ID]);
        assert_eq!(found.deletions.len(), 1);
    }

    #[test]
    fn what_has_no_name_of_ours_is_left_alone() {
        let names =
            ["notes.txt", "backups/readme", "backups/old/dump", "verify/x/a.json", "tombstones/x.json"];
        let found = sorted(&names, &[]);
        assert_eq!(found.unknown.len(), names.len());
        assert!(found.unfinished.is_empty() && found.orphans.is_empty() && found.deletions.is_empty());
    }
}
