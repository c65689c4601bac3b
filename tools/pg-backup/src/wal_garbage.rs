//! What killed pushes of WAL have left, told from a listing alone.
//!
//! A file of WAL exists once its document does. Data without one, and data beside those that the document names, were
//! left by a push that was killed or was slower than another; they go when they are not young.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use object_store::path::Path;

use crate::store::Listed;
use crate::wal_name::WalName;
use crate::wal_record::WalPlace;

/// What may go, and what stays for what reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct WalGarbage {
    /// Data of files that have no document.
    pub(crate) alone: Vec<(WalName, Listed)>,
    /// Data of files that have one, and more than one object: all but the one that it names may go.
    pub(crate) doubtful: Vec<(WalName, Vec<Listed>)>,
    /// Data without a document that are too young to judge.
    pub(crate) young: usize,
    /// Objects that have no name of ours.
    pub(crate) unknown: Vec<Path>,
}

/// Sorts a listing of all WAL of one system.
pub(crate) fn sort(listed: &[Listed], place: &WalPlace, now: Timestamp, grace: SignedDuration) -> WalGarbage {
    let mut garbage = WalGarbage::default();
    let mut files: BTreeMap<String, (WalName, bool, Vec<Listed>)> = BTreeMap::new();
    for object in listed {
        let record = place.name_of(&object.key);
        let Some(name) = record.or_else(|| data_of(object, place)) else {
            garbage.unknown.push(object.key.clone());
            continue;
        };
        let file = files.entry(name.to_string()).or_insert((name, false, Vec::new()));
        if record.is_some() {
            file.1 = true;
        } else {
            file.2.push(object.clone());
        }
    }
    let limit = now.saturating_sub(grace).unwrap_or(Timestamp::MIN);
    for (name, has_record, data) in files.into_values() {
        let (young, old): (Vec<_>, Vec<_>) = data.into_iter().partition(|object| object.modified_at > limit);
        match (has_record, young.len() + old.len()) {
            (true, 2..) => garbage.doubtful.push((name, old)),
            (true, _) => {}
            (false, _) => {
                garbage.young += young.len();
                garbage.alone.extend(old.into_iter().map(|object| (name, object)));
            }
        }
    }
    garbage
}

/// The file whose data an object is: `<name>.<random>.zst`, with `.age` when it is encrypted.
fn data_of(object: &Listed, place: &WalPlace) -> Option<WalName> {
    let file = object.key.filename()?;
    let stem = file.strip_suffix(".age").unwrap_or(file).strip_suffix(".zst")?;
    let (name, random) = stem.rsplit_once('.')?;
    let is_random = random.len() == 16 && random.bytes().all(|byte| byte.is_ascii_hexdigit());
    let name: WalName = name.parse().ok()?;
    let is_here = place.object(&name, file) == object.key;
    (is_random && is_here).then_some(name)
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};
    use object_store::path::Path;

    use super::{WalGarbage, sort};
    use crate::store::Listed;
    use crate::wal_record::WalPlace;

    const SEGMENT: &str = "000000010000000000000003";

    /// Sorts objects of timeline 1 that are ten days old, and those whose name begins with `!`, which are of this hour.
    fn sorted(names: &[&str]) -> WalGarbage {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let place = WalPlace { cluster: "erp".parse().unwrap(), system_id: "73".to_owned() };
        let listed = |name: &&str| {
            let (name, age) = name.strip_prefix('!').map_or((*name, 240), |name| (name, 0));
            let name = name.replace('S', SEGMENT).replace('R', "0123456789abcdef");
            let key = Path::from(format!("{}/00000001/{name}", place.folder()));
            Listed { key, bytes: 1, modified_at: now - SignedDuration::from_hours(age) }
        };
        let listed: Vec<_> = names.iter().map(listed).collect();
        sort(&listed, &place, now, SignedDuration::from_hours(24))
    }

    #[test]
    fn a_file_stays_with_its_document() {
        for names in [["S.json", "S.R.zst"], ["S.partial.json", "S.partial.R.zst.age"]] {
            assert_eq!(sorted(&names), WalGarbage::default());
        }
    }

    #[test]
    fn data_without_a_document_go_when_they_are_old() {
        assert_eq!(sorted(&["S.R.zst", "!S.fedcba9876543210.zst.age"]).alone.len(), 1);
        assert_eq!(sorted(&["S.R.zst", "!S.fedcba9876543210.zst.age"]).young, 1);
        assert_eq!(sorted(&["S.00000028.backup.R.zst"]).alone.len(), 1);
    }

    #[test]
    fn of_several_data_the_document_tells_which_stay() {
        let found = sorted(&["S.json", "S.R.zst", "S.fedcba9876543210.zst"]);
        assert_eq!(found.doubtful.iter().map(|(_, old)| old.len()).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn what_has_no_name_of_ours_is_left_alone() {
        let names = ["S", "S.zst", "S.R", "notes.R.zst", "S.json.R", "00000002.history.R.zst"];
        let found = sorted(&names);
        assert_eq!((found.unknown.len(), found.alone.len()), (names.len(), 0), "{found:?}");
    }
}
