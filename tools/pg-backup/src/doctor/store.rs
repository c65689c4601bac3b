//! Whether the store can be written, keeps what must not be overwritten, lets go what is deleted, and what time it has.

use jiff::{SignedDuration, Timestamp};
use release_common::Failure;

use super::finding::Finding;
use crate::cli::StoreArgs;
use crate::error::Error;
use crate::probe::Probe;
use crate::store::{Location, Store};
use crate::{answer, opened};

/// Clocks that differ by more make ages wrong that people act on.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// Looks.
///
/// # Errors
/// When it cannot be reached.
pub(super) async fn look(args: &StoreArgs, now: Timestamp, findings: &mut Vec<Finding>) -> Result<(), Error> {
    let store = match opened::store(args) {
        Ok(store) => store,
        Err(Error::NotFound { what, .. }) => {
            let hint = "the first backup makes it; --store or PG_BACKUP_STORE name another store";
            findings.push(Finding::warn("store", what, hint));
            return Ok(());
        }
        Err(error) => return judge(error, "store", findings),
    };
    match store.is_claimed().await {
        Ok(true) => {
            findings.push(Finding::ok("store", format!("{} holds backups of pg-backup", store.shown())))
        }
        Ok(false) => match store.is_empty().await {
            Ok(true) => findings.push(Finding::ok(
                "store",
                format!("{} is empty; the first backup makes it ours", store.shown()),
            )),
            Ok(false) => {
                findings.push(Finding::fail(
                    "store",
                    format!("{} is not empty and holds no backups of pg-backup", store.shown()),
                    "give backups a prefix of their own: --store s3://BUCKET/PREFIX",
                ));
                return Ok(());
            }
            Err(error) => return judge(error, "store", findings),
        },
        Err(error) => return judge(error, "store", findings),
    }
    match probe(&store, now, findings).await {
        Ok(()) => {}
        Err(error) => return judge(error, "store_writable", findings),
    }
    if args.store.as_ref().is_some_and(|location| matches!(location, Location::Bucket { .. })) {
        findings.push(Finding::ok(
            "store_rules",
            "let a rule of the bucket end uploads that were never finished (AbortIncompleteMultipartUpload): no \
             program can list them everywhere",
        ));
    }
    Ok(())
}

async fn probe(store: &Store, now: Timestamp, findings: &mut Vec<Finding>) -> Result<(), Error> {
    let probe = Probe::write(store).await?;
    findings.push(Finding::ok("store_writable", "an object can be written"));
    let asked = about(store, &probe, now, findings).await;
    match probe.remove(store).await {
        Ok(()) => findings.push(Finding::ok("store_deletes", "an object can be deleted")),
        // Who may only write can back up; retention needs more.
        Err(error) if crate::deletion::is_denied(&error) => findings.push(Finding::warn(
            "store_deletes",
            format!("an object cannot be deleted: {}", answer::with_causes(&error)),
            "`retain apply` and `gc` need the right to delete; a small object named probe is left behind",
        )),
        Err(error) => return Err(error),
    }
    asked
}

async fn about(
    store: &Store,
    probe: &Probe,
    now: Timestamp,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    findings.push(if probe.is_kept(store).await? {
        Finding::ok("store_creates", "what exists is not overwritten (If-None-Match)")
    } else {
        Finding::fail(
            "store_creates",
            "the store overwrites what must only be created: it does not know If-None-Match",
            "use a store that does; two runs could overwrite each other's manifests and WAL here",
        )
    });
    let written_at = probe.written_at(store).await?;
    let ahead = written_at.duration_since(now);
    let apart = format!("the store's clock differs from this machine's by {}", seconds(ahead));
    findings.push(if ahead.abs() > SKEW {
        Finding::fail("store_clock", apart, "set this machine's clock right")
    } else {
        Finding::ok("store_clock", apart)
    });
    Ok(())
}

/// A store out of reach is no finding; one that refuses is.
fn judge(error: Error, name: &'static str, findings: &mut Vec<Finding>) -> Result<(), Error> {
    if error.exit() == release_common::Exit::Temporary {
        return Err(error);
    }
    let hint = error.hint().unwrap_or_default();
    findings.push(Finding::fail(name, answer::with_causes(&error), hint));
    Ok(())
}

/// A difference for people.
pub(super) fn seconds(difference: SignedDuration) -> String {
    format!("{:.1} s", difference.abs().as_secs_f64())
}
