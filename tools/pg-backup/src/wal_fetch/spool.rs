//! Segments that are fetched before they are asked for, since replay waits for the network otherwise.
//!
//! What lies here is believed no more than what lies in the store: each file is compared with its document again when it
//! is used. The folder is outside the data folder, whose files other programs count and copy.

use std::fs::File;
use std::path::{Path, PathBuf};

use futures_util::future::join_all;

use super::Fetcher;
use crate::error::Error;
use crate::wal_archive;
use crate::wal_name::{Segment, SegmentSize, WalName};
use crate::wal_push::plain_sha256;

/// A folder for segments that are fetched ahead.
#[derive(Debug)]
pub(super) struct Spool(PathBuf);

impl Spool {
    /// Opens the folder, and makes it.
    ///
    /// # Errors
    /// When it lies in the data folder that `path`, a file of its WAL, belongs to; or cannot be made.
    pub(super) fn open(folder: &Path, path: &Path) -> Result<Spool, Error> {
        let failed = |source| Error::File { path: folder.to_owned(), doing: "making it", source };
        std::fs::create_dir_all(folder).map_err(failed)?;
        let data = match path.parent().and_then(Path::parent) {
            Some(data) if !data.as_os_str().is_empty() => data,
            _ => Path::new("."),
        };
        let inside = match (folder.canonicalize(), data.canonicalize()) {
            (Ok(folder), Ok(data)) => data.join("global/pg_control").exists() && folder.starts_with(data),
            _ => false,
        };
        if inside {
            return Err(Error::Refused {
                what: format!("{}: lies in the data folder", folder.display()),
                reason: "spool",
                hint: "name a folder of its own with --spool".to_owned(),
            });
        }
        Ok(Spool(folder.to_owned()))
    }

    /// Takes the file from here, or fetches it and the next `ahead` ones; false when it is certain that this is the end.
    ///
    /// # Errors
    /// As [`Fetcher::fetch`]; that a later segment cannot be fetched is no error yet.
    pub(super) async fn fetch(
        &self,
        fetcher: &Fetcher<'_>,
        name: &WalName,
        path: &Path,
        ahead: u8,
    ) -> Result<bool, Error> {
        let Some(record) = fetcher.record(name).await? else { return Ok(false) };
        let size = SegmentSize::new(record.object.plain_bytes).unwrap_or(SegmentSize::USUAL);
        let Some(segment) = name.segment() else {
            return fetcher.fetch_recorded(&record, path).await.map(|()| true);
        };
        self.clean(fetcher, segment);
        let kept = self.file(fetcher, segment);
        let is_kept =
            File::open(&kept).and_then(plain_sha256).is_ok_and(|sha256| sha256 == record.object.plain_sha256);
        // The folder may be on another disk, where renaming does not go.
        if is_kept && move_file(&kept, path).is_ok() {
            return Ok(true);
        }
        let next =
            std::iter::successors(segment.next(size), |segment| segment.next(size)).take(usize::from(ahead));
        let ahead = join_all(next.map(|segment| self.prefetch(fetcher, segment)));
        let (fetched, _) = tokio::join!(fetcher.fetch_recorded(&record, path), ahead);
        fetched.map(|()| true)
    }

    async fn prefetch(&self, fetcher: &Fetcher<'_>, segment: Segment) -> Result<(), Error> {
        let (name, file) = (WalName::Segment(segment), self.file(fetcher, segment));
        if file.exists() {
            return Ok(());
        }
        match wal_archive::record(fetcher.store, fetcher.place, &name).await? {
            Some(record) => fetcher.fetch_recorded(&record, &file).await,
            None => Ok(()),
        }
    }

    fn file(&self, fetcher: &Fetcher<'_>, segment: Segment) -> PathBuf {
        self.0.join(format!("{}-{segment}", fetcher.place.system_id))
    }

    /// Removes what replay has passed. What cannot be removed costs disk and nothing else.
    fn clean(&self, fetcher: &Fetcher<'_>, wanted: Segment) {
        for entry in std::fs::read_dir(&self.0).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let segment = name.to_str().and_then(|name| {
                let name = name.strip_prefix(&fetcher.place.system_id)?.strip_prefix('-')?;
                name.parse::<WalName>().ok()?.segment()
            });
            if segment.is_some_and(|segment| segment < wanted) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

fn move_file(from: &Path, to: &Path) -> std::io::Result<()> {
    let temporary = super::beside(to);
    std::fs::copy(from, &temporary)?;
    File::open(&temporary)?.sync_all()?;
    std::fs::rename(&temporary, to)?;
    std::fs::remove_file(from)
}
