//! The one moment at which a backup begins to exist.

use jiff::Timestamp;
use release_common::fault;

use crate::error::Error;
use crate::holds;
use crate::layout::{Name, Series};
use crate::manifest::Manifest;
use crate::store::{Created, Store};

/// Writes the manifest of a backup whose objects are all stored. A hold that it is to have is there before it.
///
/// # Errors
/// When the store fails. Then the backup does not exist, unless the answer was lost.
pub(crate) async fn commit(
    store: &Store,
    series: &Series,
    manifest: &Manifest,
    hold: Option<&Name>,
    now: Timestamp,
) -> Result<(), Error> {
    if let Some(name) = hold {
        let hold = holds::from_now(&manifest.id, name, now, None, Some("placed when it was made"));
        holds::write(store, series, &hold).await?;
        fault::point("held");
    }
    let (bytes, _) = manifest.encode().map_err(Error::Json)?;
    fault::point("commit");
    match store.create(&series.manifest(&manifest.id), bytes).await? {
        Created::New => {
            fault::point("committed");
            Ok(())
        }
        Created::Existed => Err(Error::Failed {
            what: format!("{}: somebody else has written a manifest of {}", store.shown(), manifest.id),
            reason: "id_taken",
            hint: "run it again: a new backup gets a new id".to_owned(),
        }),
    }
}
