//! Reads files and computes their digests, on several threads and in constant memory.
//!
//! Each thread has a few slots with a buffer each. MD5 fills eight slots and hashes them side by side (see
//! `precache_manifest::md5_lanes`); the other algorithms use one slot. A file is read once, whatever is computed.

use std::fs::File;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};

use precache_manifest::Algorithm;
use precache_manifest::digest::Digest;
use precache_manifest::md5_lanes::{BLOCK_BYTES, LANES, Md5Lanes};

use self::slot::{Filled, Slot};
use crate::problem::FileProblem;
use crate::tree::Found;

mod slot;

/// Large enough that a system call costs little, small enough that eight stay in the second-level cache.
const BUFFER_BYTES: usize = 64 * 1024;

/// Watches the work and may end it.
pub trait Watch: Sync {
    /// `bytes` more have been read.
    fn has_read(&self, bytes: usize);

    /// Whether to stop now.
    fn is_stopped(&self) -> bool;
}

/// What is known of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hashed {
    /// Its size in bytes and its digests, one for each algorithm asked for.
    Digests(u64, Vec<Digest>),
    /// Its size in bytes, above the limit; it was not read.
    TooLarge(u64),
}

impl Hashed {
    /// The digest by `algorithm`.
    pub fn digest(&self, algorithm: Algorithm) -> Option<&Digest> {
        match self {
            Hashed::Digests(_, digests) => digests.iter().find(|digest| digest.algorithm == algorithm),
            Hashed::TooLarge(_) => None,
        }
    }
}

/// What to compute.
#[derive(Clone, Copy, Debug)]
pub struct Task<'a> {
    /// The digests each file gets; with none, files are measured and not read.
    pub algorithms: &'a [Algorithm],
    /// Larger files are not read.
    pub limit_bytes: Option<u64>,
    /// How many threads work.
    pub threads: NonZeroUsize,
}

/// Hashes `files`; the results are in the order of `files`, whatever the threads do. `None` when `watch` stopped it.
pub fn hash_files(
    files: &[Found],
    task: Task<'_>,
    watch: &impl Watch,
) -> Option<Vec<Result<Hashed, FileProblem>>> {
    let queue = AtomicUsize::new(0);
    let threads = task.threads.get().min(files.len().max(1));
    let done: Vec<(usize, Result<Hashed, FileProblem>)> = std::thread::scope(|scope| {
        let workers: Vec<_> =
            (1..threads).map(|_| scope.spawn(|| Worker::new(files, task, &queue, watch).run())).collect();
        let mut done = Worker::new(files, task, &queue, watch).run();
        done.extend(workers.into_iter().filter_map(|worker| worker.join().ok()).flatten());
        done
    });
    let mut results: Vec<Option<Result<Hashed, FileProblem>>> = files.iter().map(|_| None).collect();
    for (index, result) in done {
        if let Some(place) = results.get_mut(index) {
            *place = Some(result);
        }
    }
    results.into_iter().collect()
}

struct Worker<'a, W> {
    files: &'a [Found],
    task: Task<'a>,
    queue: &'a AtomicUsize,
    watch: &'a W,
    lanes: Option<Md5Lanes>,
    slots: Vec<(Option<Slot>, Vec<u8>)>,
    done: Vec<(usize, Result<Hashed, FileProblem>)>,
}

impl<'a, W: Watch> Worker<'a, W> {
    fn new(files: &'a [Found], task: Task<'a>, queue: &'a AtomicUsize, watch: &'a W) -> Self {
        let lanes = task.algorithms.contains(&Algorithm::Md5).then(Md5Lanes::default);
        let slots = if lanes.is_some() { LANES } else { 1 };
        let slots = (0..slots).map(|_| (None, vec![0; BUFFER_BYTES])).collect();
        Worker { files, task, queue, watch, lanes, slots, done: Vec::new() }
    }

    fn run(mut self) -> Vec<(usize, Result<Hashed, FileProblem>)> {
        loop {
            for lane in 0..self.slots.len() {
                self.advance(lane);
            }
            if self.slots.iter().all(|(slot, _)| slot.is_none()) {
                return self.done;
            }
            self.consume();
        }
    }

    /// Fills the slot until it holds at least one block, ending and opening files on the way.
    fn advance(&mut self, lane: usize) {
        loop {
            let Some((place, buffer)) = self.slots.get_mut(lane) else {
                return;
            };
            let Some(mut slot) = place
                .take()
                .or_else(|| next_file(&mut self.done, self.files, self.task, self.queue, self.watch))
            else {
                return;
            };
            let keeps = self.lanes.is_some();
            match slot.fill(buffer, keeps, self.watch) {
                Ok(Filled::More) => {
                    *place = Some(slot);
                    return;
                }
                Ok(Filled::Stopped) => return,
                Ok(Filled::End) => {
                    let tail = buffer.get(slot.pending.clone()).unwrap_or_default();
                    let md5 = self.lanes.as_mut().map(|lanes| lanes.finish(lane, tail));
                    let path =
                        self.files.get(slot.index).map(|found| found.path.as_str()).unwrap_or_default();
                    self.done.push((slot.index, slot.finish(md5, path)));
                }
                Err(error) => {
                    if let Some(lanes) = &mut self.lanes {
                        lanes.finish(lane, &[]);
                    }
                    self.done.push((slot.index, Err(unreadable(self.files, slot.index, &error))));
                }
            }
        }
    }

    /// Lets MD5 consume what every slot has in common.
    fn consume(&mut self) {
        let Some(lanes) = &mut self.lanes else { return };
        let mut inputs: [Option<&[u8]>; LANES] = [None; LANES];
        for (input, (slot, buffer)) in inputs.iter_mut().zip(&self.slots) {
            *input = slot.as_ref().and_then(|slot| buffer.get(slot.pending.clone()));
        }
        let blocks = inputs.iter().flatten().map(|bytes| bytes.len() / BLOCK_BYTES).min().unwrap_or(0);
        lanes.update(inputs, blocks);
        for slot in self.slots.iter_mut().filter_map(|(slot, _)| slot.as_mut()) {
            slot.pending.start += blocks * BLOCK_BYTES;
        }
    }
}

/// Opens the next file of the queue that can be hashed; the others are settled at once.
fn next_file(
    done: &mut Vec<(usize, Result<Hashed, FileProblem>)>,
    files: &[Found],
    task: Task<'_>,
    queue: &AtomicUsize,
    watch: &impl Watch,
) -> Option<Slot> {
    loop {
        if watch.is_stopped() {
            return None;
        }
        let index = queue.fetch_add(1, Ordering::Relaxed);
        let found = files.get(index)?;
        let opened =
            File::open(&found.location).and_then(|file| file.metadata().map(|before| (file, before)));
        match opened {
            Err(error) => done.push((index, Err(unreadable(files, index, &error)))),
            Ok((_, before)) if task.limit_bytes.is_some_and(|limit| before.len() > limit) => {
                done.push((index, Ok(Hashed::TooLarge(before.len()))));
            }
            Ok((_, before)) if task.algorithms.is_empty() => {
                done.push((index, Ok(Hashed::Digests(before.len(), Vec::new()))));
            }
            Ok((file, before)) => return Some(Slot::new(index, file, before, task.algorithms)),
        }
    }
}

fn unreadable(files: &[Found], index: usize, error: &std::io::Error) -> FileProblem {
    let path = files.get(index).map(|found| found.path.clone()).unwrap_or_default();
    FileProblem::Unreadable { path, reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::num::NonZeroUsize;
    use std::path::Path;
    use std::sync::atomic::{AtomicBool, Ordering};

    use precache_manifest::digest::of_bytes;

    use super::{Algorithm, FileProblem, Found, Hashed, Task, Watch, hash_files};

    struct Unwatched;

    impl Watch for Unwatched {
        fn has_read(&self, _bytes: usize) {}

        fn is_stopped(&self) -> bool {
            false
        }
    }

    fn tree(folder: &Path, sizes: &[usize]) -> Vec<Found> {
        let write = |(index, size): (usize, &usize)| {
            let path = format!("{index:03}");
            let location = folder.join(&path);
            fs::write(&location, content(index, *size)).unwrap();
            Found { path, location }
        };
        sizes.iter().enumerate().map(write).collect()
    }

    fn content(index: usize, size: usize) -> Vec<u8> {
        (0..size).map(|byte| (byte * 31 + index * 7) as u8).collect()
    }

    fn task<'a>(algorithms: &'a [Algorithm], threads: usize) -> Task<'a> {
        Task { algorithms, limit_bytes: None, threads: NonZeroUsize::new(threads).unwrap() }
    }

    #[test]
    fn every_algorithm_is_right_at_the_edges_of_blocks_and_buffers() {
        let folder = tempfile::tempdir().unwrap();
        let sizes =
            [0, 1, 55, 56, 63, 64, 65, 127, 128, 4096, 65535, 65536, 65537, 131_072, 200_000, 7, 0, 64];
        let files = tree(folder.path(), &sizes);
        for (algorithms, threads) in
            [(&Algorithm::ALL[..], 1), (&Algorithm::ALL[..1], 3), (&Algorithm::ALL[1..], 2)]
        {
            let results = hash_files(&files, task(algorithms, threads), &Unwatched).unwrap();
            for (index, result) in results.into_iter().enumerate() {
                let hashed = result.unwrap();
                for algorithm in algorithms {
                    let expected = of_bytes(*algorithm, &content(index, sizes[index]));
                    assert_eq!(
                        hashed.digest(*algorithm),
                        Some(&expected),
                        "{algorithm} of {} bytes",
                        sizes[index]
                    );
                }
            }
        }
    }

    #[test]
    fn a_file_that_grows_meanwhile_is_named() {
        struct Grows(std::path::PathBuf, AtomicBool);
        impl Watch for Grows {
            fn has_read(&self, _bytes: usize) {
                if !self.1.swap(true, Ordering::Relaxed) {
                    fs::OpenOptions::new().append(true).open(&self.0).unwrap().write_all(b"more").unwrap();
                }
            }

            fn is_stopped(&self) -> bool {
                false
            }
        }
        let folder = tempfile::tempdir().unwrap();
        for algorithms in [&[Algorithm::Md5], &[Algorithm::Sha256]] {
            let files = tree(folder.path(), &[100_000]);
            let watch = Grows(files[0].location.clone(), AtomicBool::new(false));
            let results = hash_files(&files, task(algorithms, 1), &watch).unwrap();
            assert_eq!(results, [Err(FileProblem::Changed { path: "000".into() })]);
        }
    }

    #[test]
    fn one_bad_file_leaves_the_others_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = tree(folder.path(), &[10, 20, 3000]);
        files[1].location = folder.path().join("absent");
        let limited = Task { limit_bytes: Some(2999), ..task(&[Algorithm::Md5], 2) };
        let results = hash_files(&files, limited, &Unwatched).unwrap();
        assert!(matches!(&results[0], Ok(Hashed::Digests(10, _))));
        assert!(matches!(&results[1], Err(FileProblem::Unreadable { path, .. }) if path == "001"));
        assert_eq!(results[2], Ok(Hashed::TooLarge(3000)));
    }

    #[test]
    fn a_stopped_run_has_no_result() {
        struct Stopped;
        impl Watch for Stopped {
            fn has_read(&self, _bytes: usize) {}

            fn is_stopped(&self) -> bool {
                true
            }
        }
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(hash_files(&tree(folder.path(), &[1]), task(&[Algorithm::Md5], 1), &Stopped), None);
    }
}
