//! From flags to an open store, the series that is meant, and the backup that is meant in it.

use std::io::Read;

use release_common::Context;

use crate::cli::{IdArg, SeriesArgs, StoreArgs};
use crate::error::Error;
use crate::layout::{self, BackupId, Name, Series};
use crate::manifest::Manifest;
use crate::store::{Location, Store};

/// More than an id and a line break is no id.
const ID_LIMIT: u64 = 4096;

/// Opens the store for reading: one that was never written to holds nothing, and that is an answer.
///
/// # Errors
/// When it cannot be used. Whether it answers shows with the first request.
pub(crate) fn store(args: &StoreArgs) -> Result<Store, Error> {
    let location = args.store.clone().unwrap_or_else(Location::fallback);
    if let Some(folder) = location.folder()
        && !folder.is_dir()
    {
        return Err(Error::NotFound {
            what: format!("{}: there is no such folder", folder.display()),
            hint: "name the store with --store or PG_BACKUP_STORE".to_owned(),
        });
    }
    Store::open(&location, args.timeout.0)
}

/// Opens the store for writing and makes it ours if it is empty; a local folder is made.
///
/// # Errors
/// When it cannot be used, or belongs to somebody else.
pub(crate) async fn store_for_writing(args: &StoreArgs, context: &Context) -> Result<Store, Error> {
    let location = args.store.clone().unwrap_or_else(Location::fallback);
    if let Some(folder) = location.folder() {
        let made = std::fs::create_dir_all(folder);
        made.map_err(|source| Error::Folder { path: folder.to_owned(), source })?;
        if args.store.is_none() {
            context.console.note(format_args!(
                "no store is named: backups go to {}, which dies with this machine",
                folder.display()
            ));
        }
    }
    let store = Store::open(&location, args.timeout.0)?;
    store.claim(context.clock.now()).await?;
    Ok(store)
}

/// The cluster that is meant: the named one, else the only one.
///
/// # Errors
/// When there is none, or several and none is named.
pub(crate) async fn cluster(store: &Store, named: Option<&Name>) -> Result<Name, Error> {
    if let Some(name) = named {
        return Ok(name.clone());
    }
    let found = store.folders(&layout::root()).await?;
    let name = only(found, "cluster", "--cluster", store)?;
    name.parse().map_err(|_| Error::NotFound {
        what: format!("{}: `{name}` is no name of a cluster", store.shown()),
        hint: "name the cluster with --cluster".to_owned(),
    })
}

/// The name under which a cluster's backups are stored: the one that was given, else its system identifier, which no
/// other cluster has.
///
/// # Errors
/// When the identifier is none.
pub(crate) fn named(given: Option<&Name>, system_id: &str) -> Result<Name, Error> {
    let own = || {
        system_id
            .parse()
            .map_err(|error: crate::layout::NameError| Error::Source { reason: error.to_string() })
    };
    given.cloned().map_or_else(own, Ok)
}

/// The series that is meant.
///
/// # Errors
/// When there is none, or several and none is named.
pub(crate) async fn series(store: &Store, args: &SeriesArgs) -> Result<Series, Error> {
    let cluster = cluster(store, args.store.cluster.as_ref()).await?;
    if args.base {
        return Ok(Series::Bases { cluster });
    }
    if let Some(database) = &args.database {
        return Ok(Series::Dumps { cluster, database: database.clone() });
    }
    let found = store.folders(&layout::databases_folder(&cluster)).await?;
    let folder = only(found, "database", "--database", store)?;
    let database = decoded(&folder);
    Ok(Series::Dumps { cluster, database })
}

/// The series that is meant; none when the store holds no backup at all, which is an answer to some questions.
///
/// # Errors
/// When there are several and none is named.
pub(crate) async fn series_if_any(store: &Store, args: &SeriesArgs) -> Result<Option<Series>, Error> {
    let error = match series(store, args).await {
        Ok(series) => return Ok(Some(series)),
        Err(error @ Error::NotFound { .. }) => error,
        Err(error) => return Err(error),
    };
    let clusters = store.folders(&layout::root()).await?;
    let is_empty = match (&args.store.cluster, clusters.as_slice()) {
        (None, []) => true,
        (None, [_, _, ..]) => false,
        (Some(_), _) | (None, [_]) => {
            let cluster = cluster(store, args.store.cluster.as_ref()).await?;
            store.folders(&layout::databases_folder(&cluster)).await?.is_empty()
        }
    };
    if is_empty { Ok(None) } else { Err(error) }
}

fn only(mut found: Vec<String>, what: &str, flag: &str, store: &Store) -> Result<String, Error> {
    match (found.pop(), found.as_slice()) {
        (Some(one), []) => Ok(one),
        (None, _) => Err(Error::NotFound {
            what: format!("{}: holds no backup of any {what}", store.shown()),
            hint: "`pg-backup create` makes one; --store names another store".to_owned(),
        }),
        (Some(last), others) => Err(Error::NotFound {
            what: format!("{}: holds several {what}s: {}, {last}", store.shown(), others.join(", ")),
            hint: format!("name one with {flag}"),
        }),
    }
}

/// A folder's name back to the database's: the store quotes what its keys must not hold, by `%` and two digits.
fn decoded(folder: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = folder.as_bytes();
    while let [first, tail @ ..] = rest {
        let quoted = match (first, tail) {
            (b'%', [high, low, ..]) => std::str::from_utf8(&[*high, *low])
                .ok()
                .and_then(|digits| u8::from_str_radix(digits, 16).ok()),
            _ => None,
        };
        bytes.push(quoted.unwrap_or(*first));
        rest = tail.get(if quoted.is_some() { 2 } else { 0 }..).unwrap_or_default();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The id that is meant; none for "the newest".
///
/// # Errors
/// When stdin brings none, more than one, or something else.
pub(crate) fn id(argument: Option<&IdArg>) -> Result<Option<BackupId>, Error> {
    match argument {
        None => Ok(None),
        Some(IdArg::Id(id)) => Ok(Some(id.clone())),
        Some(IdArg::Stdin) => id_from(std::io::stdin().lock()).map(Some),
    }
}

/// The id that must be given.
///
/// # Errors
/// When stdin brings none, more than one, or something else.
pub(crate) fn id_given(argument: &IdArg) -> Result<BackupId, Error> {
    match argument {
        IdArg::Id(id) => Ok(id.clone()),
        IdArg::Stdin => id_from(std::io::stdin().lock()),
    }
}

fn id_from(reader: impl Read) -> Result<BackupId, Error> {
    let wrong = |what: String| Error::Stdin { what };
    let mut text = String::new();
    reader
        .take(ID_LIMIT)
        .read_to_string(&mut text)
        .map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let mut words = text.split_whitespace();
    match (words.next(), words.next()) {
        (None, _) => Err(wrong("holds no backup id".to_owned())),
        (Some(_), Some(_)) => Err(wrong("holds more than one backup id".to_owned())),
        (Some(word), None) => {
            word.parse().map_err(|error: crate::layout::NameError| wrong(error.to_string()))
        }
    }
}

/// A backup that exists, with the SHA-256 of its manifest.
#[derive(Clone, Debug)]
pub(crate) struct Backup {
    pub(crate) manifest: Manifest,
    pub(crate) manifest_sha256: String,
}

/// One backup; none when it does not exist, or is marked to be deleted.
///
/// # Errors
/// When the store fails, or its manifest cannot be believed.
pub(crate) async fn backup(store: &Store, series: &Series, id: &BackupId) -> Result<Option<Backup>, Error> {
    if store.read(&series.tombstone(id)).await?.is_some() {
        return Ok(None);
    }
    committed(store, series, id).await
}

/// What a manifest says, whatever else is known of the backup.
///
/// # Errors
/// When the store fails, or the manifest cannot be believed.
pub(crate) async fn committed(
    store: &Store,
    series: &Series,
    id: &BackupId,
) -> Result<Option<Backup>, Error> {
    let Some(bytes) = store.read(&series.manifest(id)).await? else { return Ok(None) };
    let unusable = |source| Error::Manifest { id: id.to_string(), source };
    let (manifest, manifest_sha256) = Manifest::decode(&bytes).map_err(unusable)?;
    if manifest.id != *id {
        return Err(unusable(crate::document::DocumentError::Checksum));
    }
    Ok(Some(Backup { manifest, manifest_sha256 }))
}

/// The backup that is meant: the named one, else the newest by the time of its snapshot.
///
/// # Errors
/// When there is none.
pub(crate) async fn chosen(store: &Store, series: &Series, id: Option<&BackupId>) -> Result<Backup, Error> {
    let absent =
        |what: String| Error::NotFound { what, hint: "`pg-backup list` shows what there is".to_owned() };
    match id {
        Some(id) => {
            let found = backup(store, series, id).await?;
            found.ok_or_else(|| absent(format!("{}: there is no backup {id} of {series}", store.shown())))
        }
        None => {
            let all = backups(store, series).await?.good;
            let newest = all
                .into_iter()
                .max_by_key(|backup| (backup.manifest.snapshot_at, backup.manifest.id.clone()));
            newest.ok_or_else(|| absent(format!("{}: there is no backup of {series}", store.shown())))
        }
    }
}

/// What a series holds.
#[derive(Debug, Default)]
pub(crate) struct Backups {
    /// Those that exist and can be read, oldest snapshot first.
    pub(crate) good: Vec<Backup>,
    /// Those whose manifest cannot be believed: kept, never counted.
    pub(crate) unreadable: Vec<(BackupId, Error)>,
}

/// All backups of a series: one listing, and one reading for each manifest.
///
/// # Errors
/// When the store fails.
pub(crate) async fn backups(store: &Store, series: &Series) -> Result<Backups, Error> {
    use futures_util::stream::{self, StreamExt, TryStreamExt};
    /// Manifests read at one time.
    const AT_ONCE: usize = 16;
    let mut found = Backups::default();
    let buried = store.list(&series.tombstones()).await?;
    let is_buried = |id: &BackupId| buried.iter().any(|object| object.key == series.tombstone(id));
    let ids = ids(store, series).await?.into_iter().filter(|id| !is_buried(id));
    let read = |id: BackupId| async move {
        match committed(store, series, &id).await {
            Ok(backup) => Ok((id, Ok(backup))),
            Err(error @ Error::Manifest { .. }) => Ok((id, Err(error))),
            Err(error) => Err(error),
        }
    };
    let all: Vec<_> = stream::iter(ids).map(read).buffered(AT_ONCE).try_collect().await?;
    for (id, result) in all {
        match result {
            Ok(Some(backup)) => found.good.push(backup),
            Ok(None) => {}
            Err(error) => found.unreadable.push((id, error)),
        }
    }
    found.good.sort_by_key(|backup| (backup.manifest.snapshot_at, backup.manifest.id.clone()));
    Ok(found)
}

/// The ids that have a manifest, whatever it holds.
async fn ids(store: &Store, series: &Series) -> Result<Vec<BackupId>, Error> {
    let listed = store.list(&series.backups()).await?;
    let with_manifest = listed.iter().filter(|object| object.key.filename() == Some("manifest.json"));
    let ids = with_manifest.filter_map(|object| {
        let parts: Vec<_> = object.key.parts().collect();
        parts.len().checked_sub(2).and_then(|index| parts.get(index)?.as_ref().parse().ok())
    });
    Ok(ids.collect())
}

#[cfg(test)]
mod tests {
    use super::{decoded, id_from};

    #[test]
    fn an_empty_pipe_is_no_id() {
        for text in
            ["", " \n", "nonsense\n", "20261123T104046Z-0123456789abcdef 20261123T104046Z-0123456789abcdef"]
        {
            assert!(id_from(text.as_bytes()).is_err(), "{text:?}");
        }
        let id = id_from(&b"20261123T104046Z-0123456789abcdef\n"[..]).unwrap();
        assert_eq!(id.as_str(), "20261123T104046Z-0123456789abcdef");
    }

    #[test]
    fn the_name_of_a_database_is_read_back_from_its_folder() {
        for name in ["erp", "we\"ird/na%me", "名", "..", "%41"] {
            let folder = object_store::path::PathPart::from(name);
            assert_eq!(decoded(folder.as_ref()), name);
        }
    }
}
