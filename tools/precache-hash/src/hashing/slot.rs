//! One file being read, with the buffer it is read into.

use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;

use precache_manifest::Algorithm;
use precache_manifest::digest::{Digest, Hasher};
use precache_manifest::md5_lanes::BLOCK_BYTES;

use super::{Hashed, Watch};
use crate::problem::FileProblem;

/// A file being read.
pub(super) struct Slot {
    /// Which of the files it is.
    pub(super) index: usize,
    /// The part of the buffer that MD5 has not consumed.
    pub(super) pending: std::ops::Range<usize>,
    file: File,
    before: Metadata,
    read_bytes: u64,
    hashers: Vec<Hasher>,
}

/// How far filling a buffer got.
pub(super) enum Filled {
    /// At least one block is pending.
    More,
    /// The file is read; less than a block is pending.
    End,
    /// A signal came first.
    Stopped,
}

impl Slot {
    /// Starts to read `file`, which is `before` the work as it must be after it.
    pub(super) fn new(index: usize, file: File, before: Metadata, algorithms: &[Algorithm]) -> Slot {
        let hashers = algorithms.iter().filter_map(|algorithm| Hasher::new(*algorithm)).collect();
        Slot { index, pending: 0..0, file, before, read_bytes: 0, hashers }
    }

    /// Reads until a block is pending. Without MD5 (`keeps` false) bytes are used up as they are read.
    pub(super) fn fill(
        &mut self,
        buffer: &mut [u8],
        keeps: bool,
        watch: &impl Watch,
    ) -> std::io::Result<Filled> {
        while self.pending.len() < BLOCK_BYTES {
            if self.read_bytes >= self.before.len() {
                return Ok(Filled::End);
            }
            if watch.is_stopped() {
                return Ok(Filled::Stopped);
            }
            buffer.copy_within(self.pending.clone(), 0);
            self.pending = 0..self.pending.len();
            let space = buffer.get_mut(self.pending.end..).unwrap_or_default();
            let count = match self.file.read(space) {
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let fresh = space.get(..count).unwrap_or_default();
            self.hashers.iter_mut().for_each(|hasher| hasher.update(fresh));
            self.read_bytes += count as u64;
            watch.has_read(count);
            self.pending.end += if keeps { count } else { 0 };
            if count == 0 {
                return Ok(Filled::End);
            }
        }
        Ok(Filled::More)
    }

    /// The file's digests, unless it changed meanwhile.
    pub(super) fn finish(self, md5: Option<[u8; 16]>, path: &str) -> Result<Hashed, FileProblem> {
        let after = self.file.metadata();
        let is_same = after.is_ok_and(|after| stamp(&after) == stamp(&self.before));
        if !is_same || self.read_bytes != self.before.len() {
            return Err(FileProblem::Changed { path: path.to_owned() });
        }
        let mut digests: Vec<Digest> = self.hashers.into_iter().map(Hasher::finish).collect();
        digests.extend(md5.map(|bytes| Digest::new(Algorithm::Md5, bytes.to_vec())));
        Ok(Hashed::Digests(self.read_bytes, digests))
    }
}

/// What changes when a file is written to: size and time of the last write in nanoseconds.
fn stamp(metadata: &Metadata) -> (u64, i64, i64) {
    (metadata.len(), metadata.mtime(), metadata.mtime_nsec())
}
