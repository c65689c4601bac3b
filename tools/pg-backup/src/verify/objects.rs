//! The levels `checksum` and `decode`: what is stored, and what is in it.

use std::process::Stdio;

use futures_util::StreamExt;
use futures_util::stream;

use super::Finding;
use super::blame::Blame;
use crate::archive::Archive;
use crate::child::{self, Ended};
use crate::cli::VerifyArgs;
use crate::counts::Counts;
use crate::error::Error;
use crate::manifest::{Kind, Manifest, Role, StoredObject};
use crate::server::Client;
use crate::spool::Spool;

/// Objects read at one time: more would not fill the line better, and memory is counted in them.
const AT_ONCE: usize = 3;
/// More names say no more.
const NAMED: usize = 3;

/// Every object is there with its size and hash.
///
/// # Errors
/// When there is no answer.
pub(super) async fn checksum(archive: &Archive<'_>) -> Result<Finding, Error> {
    if let Some(missing) = missing(archive.manifest) {
        return Ok(Finding::bad("incomplete", missing));
    }
    let checks = archive.manifest.objects.iter().map(|object| archive.check_stored(object));
    let results: Vec<_> = stream::iter(checks).buffer_unordered(AT_ONCE).collect().await;
    together(results)
}

/// Every object decrypts and decompresses to what was recorded, and `pg_restore` reads the archive to its end.
///
/// # Errors
/// When there is no answer.
pub(super) async fn decode(args: &VerifyArgs, archive: &Archive<'_>) -> Result<Finding, Error> {
    if let Some(missing) = missing(archive.manifest) {
        return Ok(Finding::bad("incomplete", missing));
    }
    let others = archive.manifest.objects.iter().filter(|object| !is_archive(object));
    let mut results: Vec<_> =
        stream::iter(others.map(|object| drain(archive, object))).buffer_unordered(AT_ONCE).collect().await;
    let is_archived = archive.manifest.kind != Kind::Base;
    // One that is damaged elsewhere is BAD whatever pg_restore says: then reading the archive is enough.
    let ended = if is_archived && results.iter().all(Result::is_ok) {
        Some(list(args, archive).await)
    } else {
        for object in archive.manifest.objects.iter().filter(|object| is_archive(object)) {
            results.push(drain(archive, object).await);
        }
        None
    };
    match ended {
        Some(Ok(ended)) if ended.status.success() => {
            let finding = together(results)?;
            let said = (!ended.stderr.is_empty()).then(|| format!("pg_restore said: {}", ended.last_words()));
            Ok(Finding { notes: said.into_iter().collect(), ..counts(archive, finding).await? })
        }
        Some(Ok(ended)) => match together(results)? {
            finding if finding.reason.is_some() => Ok(finding),
            _ => Blame::of(ended).finding("the archive cannot be read to its end"),
        },
        Some(Err(error)) => {
            results.push(Err(error));
            together(results)
        }
        None => together(results),
    }
}

/// Reads the content of an object to its end.
///
/// # Errors
/// When it is damaged, no identity fits, or the store fails.
pub(super) async fn drain(archive: &Archive<'_>, object: &StoredObject) -> Result<(), Error> {
    let drained = archive.copy(object, std::io::sink(), true).await.map(drop);
    told_apart(archive, object, drained).await
}

/// An identity that does not fit is only blamed for an object that is as it was stored: in a damaged one it may be the
/// head that does not fit.
async fn told_apart(
    archive: &Archive<'_>,
    object: &StoredObject,
    read: Result<(), Error>,
) -> Result<(), Error> {
    match read {
        Err(Error::Refused { reason: "wrong_identity", .. }) => {
            archive.check_stored(object).await?;
            read
        }
        read => read,
    }
}

/// Has the whole archive read by `pg_restore`, which writes it as SQL to nowhere.
async fn list(args: &VerifyArgs, archive: &Archive<'_>) -> Result<Ended, Error> {
    let programs = archive.programs(args.pg_bin.as_deref(), 0)?;
    let mut command = child::command(&programs.require("pg_restore")?);
    command.args(["--file", "/dev/null"]).env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::null());
    let client = Client::unconnected(command);
    if archive.manifest.kind == Kind::DumpDirectory {
        let spool = Spool::make(args.scratch.as_deref(), archive.plain_bytes())?;
        let files = archive.spool(spool.path()).await?;
        return Archive::read_files(client, &files).await;
    }
    let fed = archive.feed(client, true).await;
    match (fed, archive.manifest.object(Role::Dump)) {
        (Err(error), Some(object)) => {
            told_apart(archive, object, Err(error)).await?;
            Err(Error::Source { reason: "the archive cannot be read".to_owned() })
        }
        (fed, _) => fed,
    }
}

/// The counts are there and are those that the manifest tells.
async fn counts(archive: &Archive<'_>, finding: Finding) -> Result<Finding, Error> {
    if finding.reason.is_some() {
        return Ok(finding);
    }
    match expected_counts(archive).await? {
        Ok(_) => Ok(finding),
        Err(what) => Ok(Finding::bad("counts", what)),
    }
}

/// The rows that the snapshot had, or why they cannot be believed.
///
/// # Errors
/// When they cannot be read.
pub(super) async fn expected_counts(archive: &Archive<'_>) -> Result<Result<Counts, String>, Error> {
    let bytes = archive.content(Role::Counts).await?;
    let Ok(counts) = serde_json::from_slice::<Counts>(&bytes) else {
        return Ok(Err("counts.json holds no counts".to_owned()));
    };
    if archive.manifest.rows == Some(counts.totals()) {
        return Ok(Ok(counts));
    }
    Ok(Err("counts.json has other totals than the manifest".to_owned()))
}

const fn is_archive(object: &StoredObject) -> bool {
    matches!(object.role, Role::Dump | Role::DumpFile)
}

/// What a backup of this kind must have and this one has not.
fn missing(manifest: &Manifest) -> Option<String> {
    let needed: &[Role] = match manifest.kind {
        Kind::Dump => &[Role::Dump, Role::Globals, Role::Schema, Role::Counts],
        Kind::DumpDirectory => &[Role::DumpFile, Role::Globals, Role::Schema, Role::Counts],
        Kind::Base => &[Role::Tar, Role::BaseManifest],
    };
    let missing = needed.iter().find(|role| manifest.object(**role).is_none());
    missing.map(|role| format!("the manifest names no object of the role {role:?}"))
}

/// One answer from those of all objects: no answer if any has none, unless another is damaged.
fn together(results: Vec<Result<(), Error>>) -> Result<Finding, Error> {
    let (mut damaged, mut other) = (Vec::new(), None);
    for error in results.into_iter().filter_map(Result::err) {
        match Finding::of(error) {
            Ok(finding) => damaged.push(finding.text),
            Err(error) => other = other.or(Some(error)),
        }
    }
    damaged.sort();
    match (damaged.len(), other) {
        (0, None) => Ok(Finding::good()),
        (0, Some(error)) => Err(error),
        (count, _) => {
            let named = damaged.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ");
            let more = count.checked_sub(NAMED).filter(|more| *more > 0);
            let more = more.map(|more| format!("; and {more} more")).unwrap_or_default();
            Ok(Finding::bad("damaged", format!("{named}{more}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{missing, together};
    use crate::error::Error;
    use crate::evidence::Verdict;
    use crate::manifest::tests::sample;
    use crate::store::StoreError;

    fn damaged(key: &str) -> Error {
        let source = StoreError::Damaged("the object is missing".to_owned());
        Error::Store { store: "s3://b".to_owned(), doing: key.to_owned(), source }
    }

    fn gone() -> Error {
        Error::Source { reason: "no answer".to_owned() }
    }

    #[test]
    fn damage_is_an_answer_and_a_silent_store_is_none() {
        let finding = together(vec![Ok(()), Err(damaged("b")), Err(gone()), Err(damaged("a"))]).unwrap();
        assert_eq!(finding.verdict, Verdict::Bad);
        assert_eq!(finding.text, "a: the object is missing; b: the object is missing");
        assert!(together(vec![Ok(()), Err(gone())]).is_err());
        assert_eq!(together(vec![Ok(())]).unwrap().verdict, Verdict::Good);
    }

    #[test]
    fn a_manifest_that_leaves_out_an_object_is_seen() {
        assert!(missing(&sample()).unwrap().contains("Globals"));
    }
}
