//! Holds: names under which a backup is kept whatever retention says, until they are lifted or end by themselves.
//!
//! A hold is placed in two steps, and so is the intent to delete: each writes its own document first and looks for the
//! other's then. So of two that meet at least one gives way, and no backup is deleted under a hold.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use release_common::{Context, Outcome};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::cli::{HoldArgs, ReleaseArgs};
use crate::document::{self, FORMAT};
use crate::error::Error;
use crate::layout::{BackupId, Name, Series};
use crate::store::Store;
use crate::{answer, opened};

/// A reason to keep one backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hold {
    /// [`FORMAT`].
    pub(crate) format: u32,
    /// Which backup.
    pub(crate) id: BackupId,
    /// The hold's name.
    pub(crate) name: Name,
    /// When it was placed.
    pub(crate) placed_at: Timestamp,
    /// When it ends by itself, if it does.
    pub(crate) expires_at: Option<Timestamp>,
    /// Why, for the record.
    pub(crate) reason: Option<String>,
}

/// The holds of a series.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Holds {
    by_backup: BTreeMap<BackupId, Vec<Hold>>,
    /// Keys of documents that lie where holds lie and cannot be read, by backup: they hold too.
    unreadable: BTreeMap<BackupId, Vec<String>>,
}

impl Hold {
    /// Whether it still keeps its backup.
    pub(crate) fn is_active(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

impl Holds {
    /// All holds on a backup that can be read, ended ones too.
    pub(crate) fn of(&self, id: &BackupId) -> &[Hold] {
        self.by_backup.get(id).map_or(&[], Vec::as_slice)
    }

    /// What keeps a backup now, by name. A document that cannot be read may be a hold, so it counts as one.
    pub(crate) fn active(&self, id: &BackupId, now: Timestamp) -> Vec<String> {
        let readable =
            self.of(id).iter().filter(|hold| hold.is_active(now)).map(|hold| hold.name.to_string());
        readable.chain(self.unreadable(id).iter().map(|key| format!("{key} (unreadable)"))).collect()
    }

    /// The keys of what cannot be read.
    pub(crate) fn unreadable(&self, id: &BackupId) -> &[String] {
        self.unreadable.get(id).map_or(&[], Vec::as_slice)
    }
}

/// All holds of a series: one listing, and one reading for each.
///
/// # Errors
/// When the store fails.
pub(crate) async fn holds(store: &Store, series: &Series) -> Result<Holds, Error> {
    let mut found = Holds::default();
    read_below(store, &series.holds(), &mut found).await?;
    Ok(found)
}

/// The holds on one backup.
///
/// # Errors
/// When the store fails.
pub(crate) async fn holds_of(store: &Store, series: &Series, id: &BackupId) -> Result<Holds, Error> {
    let mut found = Holds::default();
    read_below(store, &series.holds().join(id.as_str()), &mut found).await?;
    Ok(found)
}

async fn read_below(
    store: &Store,
    folder: &object_store::path::Path,
    found: &mut Holds,
) -> Result<(), Error> {
    for object in store.list(folder).await? {
        let parts: Vec<_> = object.key.parts().collect();
        let Some([id, file]) = parts.last_chunk() else { continue };
        let Ok(id) = id.as_ref().parse::<BackupId>() else { continue };
        // One that is lifted just now holds no longer.
        let Some(bytes) = store.read(&object.key).await? else { continue };
        match document::decode::<Hold>(&bytes) {
            Ok((hold, _)) if hold.id == id && file.as_ref() == format!("{}.json", hold.name) => {
                found.by_backup.entry(id).or_default().push(hold);
            }
            Ok(_) | Err(_) => found.unreadable.entry(id).or_default().push(object.key.to_string()),
        }
    }
    Ok(())
}

/// Places a hold; one of that name on that backup is replaced, so that its end can be moved.
///
/// # Errors
/// When there is no such backup or it is being deleted, and when the store fails.
pub(crate) async fn place(store: &Store, series: &Series, hold: &Hold) -> Result<(), Error> {
    let absent = |what: &str| Error::NotFound {
        what: format!("{}: backup {} of {series} {what}", store.shown(), hold.id),
        hint: "`pg-backup list` shows what there is".to_owned(),
    };
    if opened::backup(store, series, &hold.id).await?.is_none() {
        return Err(absent("does not exist"));
    }
    release_common::fault::point("hold-checked");
    write(store, series, hold).await?;
    release_common::fault::point("hold-placed");
    if opened::backup(store, series, &hold.id).await?.is_none() {
        store.delete(&series.hold(&hold.id, &hold.name)).await?;
        return Err(absent("is being deleted"));
    }
    Ok(())
}

/// Writes a hold, of a backup that may not exist yet: it is then held from its first moment on.
///
/// # Errors
/// When the store fails.
pub(crate) async fn write(store: &Store, series: &Series, hold: &Hold) -> Result<(), Error> {
    let (bytes, _) = document::encode(hold).map_err(Error::Json)?;
    store.replace(&series.hold(&hold.id, &hold.name), bytes).await
}

/// A hold from now on, for this long if it is to end by itself.
pub(crate) fn from_now(
    id: &BackupId,
    name: &Name,
    now: Timestamp,
    expires: Option<Duration>,
    reason: Option<&str>,
) -> Hold {
    let end = |span: Duration| {
        let span = SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX);
        now.saturating_add(span).unwrap_or(Timestamp::MAX)
    };
    Hold {
        format: FORMAT,
        id: id.clone(),
        name: name.clone(),
        placed_at: now,
        expires_at: expires.map(end),
        reason: reason.map(str::to_owned),
    }
}

pub(crate) fn hold(args: &HoldArgs, context: &mut Context) -> Result<Outcome, Error> {
    let now = context.clock.now();
    let expires = args.expires.map(|span| span.0);
    if expires.is_some_and(|span| span.is_zero()) {
        return Err(Error::Refused {
            what: "--expires 0: a hold that has ended keeps nothing".to_owned(),
            reason: "usage",
            hint: "leave --expires away to hold until `pg-backup release`".to_owned(),
        });
    }
    let id = opened::id_given(&args.id)?;
    let hold = from_now(&id, &args.name, now, expires, args.reason.as_deref());
    crate::runtime()?.block_on(async {
        let store = opened::store(&args.series.store)?;
        let series = opened::series(&store, &args.series).await?;
        place(&store, &series, &hold).await
    })?;
    let until = hold.expires_at.map_or_else(|| "it is released".to_owned(), |end| format!("{end:.0}"));
    let summary = json!({
        "type": "summary", "result": "good", "reason": "held", "id": hold.id, "name": hold.name,
        "placed_at": hold.placed_at, "expires_at": hold.expires_at,
    });
    answer::tell(
        context,
        args.report.format(),
        &summary,
        &format!("{id} is held as {} until {until}", hold.name),
    )?;
    Ok(Outcome::Good)
}

pub(crate) fn release(args: &ReleaseArgs, context: &mut Context) -> Result<Outcome, Error> {
    let id = opened::id_given(&args.id)?;
    crate::runtime()?.block_on(async {
        let store = opened::store(&args.series.store)?;
        let series = opened::series(&store, &args.series).await?;
        let key = series.hold(&id, &args.name);
        if store.size(&key).await?.is_none() {
            return Err(Error::NotFound {
                what: format!("{}: {id} of {series} has no hold {}", store.shown(), args.name),
                hint: format!("`pg-backup show {id}` lists its holds"),
            });
        }
        store.delete(&key).await
    })?;
    let summary =
        json!({"type": "summary", "result": "good", "reason": "released", "id": id, "name": args.name});
    answer::tell(
        context,
        args.report.format(),
        &summary,
        &format!("{id} is no longer held as {}", args.name),
    )?;
    Ok(Outcome::Good)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::{from_now, holds, place};
    use crate::error::Error;
    use crate::layout::{BackupId, Series};
    use crate::manifest::tests::sample;
    use crate::store::Store;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    /// Runs what is done with a store that holds the sample backup.
    fn check<F: Future<Output = ()>>(test: impl Fn(Store, Series, BackupId) -> F) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (store, manifest) = (Store::in_memory(), sample());
            let series = Series::Dumps { cluster: "erp".parse().unwrap(), database: "erp".to_owned() };
            store.create(&series.manifest(&manifest.id), manifest.encode().unwrap().0).await.unwrap();
            test(store, series, manifest.id).await;
        });
    }

    #[test]
    fn a_hold_keeps_until_its_end_and_can_be_prolonged() {
        check(|store, series, id| async move {
            let name = "v1".parse().unwrap();
            let minute = Some(Duration::from_secs(60));
            place(&store, &series, &from_now(&id, &name, at(0), minute, None)).await.unwrap();
            let found = holds(&store, &series).await.unwrap();
            assert_eq!(found.active(&id, at(59)), ["v1"]);
            assert!(found.active(&id, at(60)).is_empty());
            place(&store, &series, &from_now(&id, &name, at(30), minute, None)).await.unwrap();
            assert_eq!(holds(&store, &series).await.unwrap().active(&id, at(60)), ["v1"]);
        });
    }

    #[test]
    fn what_is_absent_or_to_be_deleted_is_not_held() {
        check(|store, series, id| async move {
            let other: BackupId = "20261123T104046Z-ffffffffffffffff".parse().unwrap();
            let hold = from_now(&other, &"v1".parse().unwrap(), at(0), None, None);
            assert!(matches!(place(&store, &series, &hold).await, Err(Error::NotFound { .. })));
            store.create(&series.tombstone(&id), &b"{}"[..]).await.unwrap();
            let hold = from_now(&id, &"v1".parse().unwrap(), at(0), None, None);
            assert!(matches!(place(&store, &series, &hold).await, Err(Error::NotFound { .. })));
            assert!(store.list(&series.holds()).await.unwrap().is_empty());
        });
    }

    #[test]
    fn a_hold_that_cannot_be_read_holds() {
        check(|store, series, id| async move {
            let key = series.hold(&id, &"v1".parse().unwrap());
            store.replace(&key, &b"rubbish"[..]).await.unwrap();
            let found = holds(&store, &series).await.unwrap();
            assert_eq!(found.active(&id, at(0)), [format!("{key} (unreadable)")]);
        });
    }
}
