//! Local disk for a dump in many files, given back whatever happens.

use std::path::{Path, PathBuf};

use release_common::units::ByteSize;
use rustix::process::{Pid, test_kill_process};

use crate::error::Error;

/// How a folder's name begins; the process id follows.
const PREFIX: &str = "pg-backup-spool-";

/// A private folder that goes with its owner.
#[derive(Debug)]
pub(crate) struct Spool(tempfile::TempDir);

impl Spool {
    /// Makes one in `parent`, which must have room for `needed` bytes; what a killed run has left there is removed.
    ///
    /// # Errors
    /// When there is no room, or no folder can be made.
    pub(crate) fn make(parent: Option<&Path>, needed: u64) -> Result<Spool, Error> {
        let parent = parent.map_or_else(std::env::temp_dir, Path::to_owned);
        let failed = |doing| {
            let path = parent.clone();
            move |source: std::io::Error| Error::File { path, doing, source }
        };
        sweep(&parent);
        let room = rustix::fs::statvfs(&parent).map_err(|error| failed("asking for room")(error.into()))?;
        let free = room.f_bavail.saturating_mul(room.f_frsize);
        if free < needed {
            return Err(Error::Refused {
                what: format!(
                    "{}: has room for {}, and the dump may need {}",
                    parent.display(),
                    ByteSize(free),
                    ByteSize(needed)
                ),
                reason: "no_room",
                hint: "name a larger folder with --spool, or use --layout custom, which needs no disk"
                    .to_owned(),
            });
        }
        let prefix = format!("{PREFIX}{}-", std::process::id());
        let made = tempfile::Builder::new().prefix(&prefix).tempdir_in(&parent);
        made.map(Spool).map_err(failed("making a folder"))
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

/// Removes folders whose owner is gone. One that cannot be removed harms nobody but the disk.
fn sweep(parent: &Path) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next()?.parse().ok());
        let is_dead = |pid| test_kill_process(pid) == Err(rustix::io::Errno::SRCH);
        if owner.and_then(Pid::from_raw).is_some_and(is_dead) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// The files of a folder, by name, sorted.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn files(folder: &Path) -> Result<Vec<(String, PathBuf)>, Error> {
    let failed = |source| Error::File { path: folder.to_owned(), doing: "listing it", source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if let Some(name) = path.file_name().and_then(|name| name.to_str()) {
            found.push((name.to_owned(), path));
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::Spool;

    #[test]
    fn what_a_killed_run_left_is_removed_and_what_lives_stays() {
        let parent = tempfile::tempdir().unwrap();
        // No process id is above 2^22 on Linux; the test itself is alive.
        let dead = parent.path().join("pg-backup-spool-2000000000-x");
        let alive = parent.path().join(format!("pg-backup-spool-{}-x", std::process::id()));
        for folder in [&dead, &alive] {
            std::fs::create_dir(folder).unwrap();
        }
        let spool = Spool::make(Some(parent.path()), 1).unwrap();
        assert_eq!((dead.exists(), alive.exists()), (false, true));
        let path = spool.path().to_owned();
        drop(spool);
        assert!(!path.exists());
    }

    #[test]
    fn a_disk_that_is_too_small_is_refused_before_the_dump() {
        let refused = Spool::make(Some(std::path::Path::new("/")), u64::MAX);
        assert!(refused.unwrap_err().to_string().contains("the dump may need"));
    }
}
