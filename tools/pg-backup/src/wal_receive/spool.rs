//! The folder in which WAL lies between the server and the store.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::error::Error;
use crate::wal_name::WalName;

/// Held for as long as a run lasts; the kernel gives it back when the run ends in any way.
const LOCK: &str = ".pg-backup.lock";

/// A spool that no other run works in.
#[derive(Debug)]
pub(super) struct Spool {
    path: PathBuf,
    _lock: File,
    pushed: BTreeSet<WalName>,
}

impl Spool {
    /// Opens the folder, and makes it.
    ///
    /// # Errors
    /// When another run works in it, or the system refuses.
    pub(super) fn open(path: &Path) -> Result<Spool, Error> {
        let failed = |doing| move |source| Error::File { path: path.to_owned(), doing, source };
        std::fs::create_dir_all(path).map_err(failed("making it"))?;
        let lock = File::create(path.join(LOCK)).map_err(failed("locking it"))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| Error::Busy {
            what: format!("{}: another wal-receive works in it", path.display()),
        })?;
        Ok(Spool { path: path.to_owned(), _lock: lock, pushed: BTreeSet::new() })
    }

    /// The files that are whole, in the order in which they were written.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub(super) fn whole(&self) -> Result<Vec<(WalName, PathBuf)>, Error> {
        let failed = |source| Error::File { path: self.path.clone(), doing: "listing it", source };
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.path).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
            if let Some(name @ (WalName::Segment(_) | WalName::History(_))) = name {
                found.push((name, path));
            }
        }
        // The history of a timeline is written before its first segment.
        found.sort_by_key(|(name, _)| (name.timeline(), name.segment()));
        Ok(found)
    }

    /// Whether this run has pushed it already.
    pub(super) fn is_pushed(&self, name: &WalName) -> bool {
        self.pushed.contains(name)
    }

    /// Notes that a file is in the store. It stays until a later segment is there too; histories stay for good.
    ///
    /// # Errors
    /// When an older segment cannot be removed.
    pub(super) fn forget(&mut self, name: WalName) -> Result<(), Error> {
        self.pushed.insert(name);
        let Some(newest) = self.pushed.iter().filter_map(WalName::segment).max() else { return Ok(()) };
        let older = |name: &&WalName| name.segment().is_some_and(|segment| segment < newest);
        for name in self.pushed.iter().filter(older).copied().collect::<Vec<_>>() {
            let path = self.path.join(name.to_string());
            match std::fs::remove_file(&path) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::File { path, doing: "removing it", source });
                }
                _ => drop(self.pushed.remove(&name)),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Spool;
    use crate::wal_name::WalName;

    fn names(spool: &Spool) -> Vec<String> {
        spool.whole().unwrap().into_iter().map(|(name, _)| name.to_string()).collect()
    }

    #[test]
    fn all_but_the_newest_segment_goes_once_it_is_pushed() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path()).unwrap();
        let all = [
            "000000010000000000000002",
            "000000010000000000000003",
            "00000002.history",
            "000000020000000000000003",
        ];
        for name in all.iter().chain(&["000000020000000000000004.partial", "notes.txt"]) {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(names(&spool), all);
        for name in &all[..2] {
            spool.forget(name.parse::<WalName>().unwrap()).unwrap();
        }
        assert_eq!(names(&spool), all[1..]);
        spool.forget(all[2].parse().unwrap()).unwrap();
        spool.forget(all[3].parse().unwrap()).unwrap();
        assert_eq!(names(&spool), all[2..]);
        assert!(spool.is_pushed(&all[3].parse().unwrap()));
    }

    #[test]
    fn two_runs_do_not_work_in_one_folder() {
        let folder = tempfile::tempdir().unwrap();
        let first = Spool::open(folder.path()).unwrap();
        assert!(Spool::open(folder.path()).is_err());
        drop(first);
        assert!(Spool::open(folder.path()).is_ok());
    }
}
