//! One pass over bytes that come in pieces: the digests that were promised, the size, and the beginning.

use std::io::{self, Write};

use precache_manifest::Algorithm;
use precache_manifest::digest::{self, Digest, Hasher};
use precache_manifest::md5_lanes::{BLOCK_BYTES, LANES, Md5Lanes};

use super::expectation::Promise;

/// So much of a file is kept to find out what was done to it; files of text are rarely larger.
pub(crate) const KEPT_BYTES: usize = 256 * 1024;

/// Sums up a body.
#[derive(Debug)]
pub(crate) struct Tally {
    hashers: Vec<AnyHasher>,
    size_bytes: u64,
    beginning: Vec<u8>,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Summed {
    /// How many bytes there were.
    pub(crate) size_bytes: u64,
    /// The first of them, at most [`KEPT_BYTES`].
    pub(crate) beginning: Vec<u8>,
    digests: Vec<Digest>,
}

impl Tally {
    /// A tally for a body that is to keep these promises.
    pub(crate) fn new(promises: &[Promise]) -> Self {
        let hashers = promises.iter().map(|promise| AnyHasher::new(promise.algorithm)).collect();
        Tally { hashers, size_bytes: 0, beginning: Vec::new() }
    }

    /// The sums of all bytes.
    pub(crate) fn finish(self) -> Summed {
        let digests = self.hashers.into_iter().map(AnyHasher::finish).collect();
        Summed { size_bytes: self.size_bytes, beginning: self.beginning, digests }
    }
}

impl Write for Tally {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.hashers.iter_mut().for_each(|hasher| hasher.update(piece));
        self.size_bytes += piece.len() as u64;
        let room = KEPT_BYTES.saturating_sub(self.beginning.len()).min(piece.len());
        self.beginning.extend_from_slice(piece.get(..room).unwrap_or_default());
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Summed {
    /// The first promise that does not hold, and the digest found instead in the same form.
    pub(crate) fn first_broken<'p>(&self, promises: &'p [Promise]) -> Option<(&'p Promise, String)> {
        let mut pairs = promises.iter().zip(&self.digests);
        pairs.find_map(|(promise, digest)| broken(promise, digest).map(|found| (promise, found)))
    }

    /// Whether all bytes are in [`Summed::beginning`].
    pub(crate) fn is_whole(&self) -> bool {
        self.size_bytes == self.beginning.len() as u64
    }
}

/// Whether `bytes` keep a promise.
pub(crate) fn keeps(promise: &Promise, bytes: &[u8]) -> bool {
    broken(promise, &digest::of_bytes(promise.algorithm, bytes)).is_none()
}

fn broken(promise: &Promise, digest: &Digest) -> Option<String> {
    let found = if promise.text.contains('-') { digest.integrity() } else { digest.hex() };
    (found != promise.text).then_some(found)
}

/// Any algorithm, MD5 included, for a single stream.
#[derive(Debug)]
enum AnyHasher {
    Lane(Box<Md5Stream>),
    Other(Box<Hasher>),
}

impl AnyHasher {
    fn new(algorithm: Algorithm) -> Self {
        let other = |hasher| AnyHasher::Other(Box::new(hasher));
        Hasher::new(algorithm).map_or_else(|| AnyHasher::Lane(Box::default()), other)
    }

    fn update(&mut self, piece: &[u8]) {
        match self {
            AnyHasher::Lane(stream) => stream.update(piece),
            AnyHasher::Other(hasher) => hasher.update(piece),
        }
    }

    fn finish(self) -> Digest {
        match self {
            AnyHasher::Lane(stream) => stream.finish(),
            AnyHasher::Other(hasher) => hasher.finish(),
        }
    }
}

/// MD5 in one lane, with the bytes that do not fill a block yet.
#[derive(Debug, Default)]
struct Md5Stream {
    lanes: Md5Lanes,
    rest: Vec<u8>,
}

impl Md5Stream {
    fn update(&mut self, mut piece: &[u8]) {
        if !self.rest.is_empty() {
            let (head, tail) = piece.split_at((BLOCK_BYTES - self.rest.len()).min(piece.len()));
            self.rest.extend_from_slice(head);
            piece = tail;
            if self.rest.len() < BLOCK_BYTES {
                return;
            }
            let block = std::mem::take(&mut self.rest);
            self.consume(&block);
        }
        let whole = piece.len() - piece.len() % BLOCK_BYTES;
        let (blocks, tail) = piece.split_at(whole);
        self.consume(blocks);
        self.rest.extend_from_slice(tail);
    }

    fn consume(&mut self, blocks: &[u8]) {
        let mut inputs = [None; LANES];
        if let Some(first) = inputs.first_mut() {
            *first = Some(blocks);
        }
        self.lanes.update(inputs, blocks.len() / BLOCK_BYTES);
    }

    fn finish(mut self) -> Digest {
        Digest::new(Algorithm::Md5, self.lanes.finish(0, &self.rest).to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn promise(algorithm: Algorithm, bytes: &[u8]) -> Promise {
        Promise { algorithm, text: digest::of_bytes(algorithm, bytes).hex() }
    }

    #[test]
    fn sums_do_not_depend_on_the_pieces() {
        let bytes: Vec<u8> = (0..1000u32).map(|n| (n % 251) as u8).collect();
        let promises = Algorithm::ALL.map(|algorithm| promise(algorithm, &bytes));
        for size in [1, 7, 63, 64, 65, 128, 999, 1000] {
            let mut tally = Tally::new(&promises);
            bytes.chunks(size).for_each(|piece| tally.write_all(piece).unwrap());
            let summed = tally.finish();
            assert_eq!(summed.first_broken(&promises), None, "pieces of {size}");
            assert_eq!((summed.size_bytes, summed.is_whole()), (1000, true));
        }
    }

    #[test]
    fn names_the_promise_that_does_not_hold() {
        let promises = [promise(Algorithm::Md5, b"a"), promise(Algorithm::Sha1, b"b")];
        let mut tally = Tally::new(&promises);
        tally.write_all(b"a").unwrap();
        let summed = tally.finish();
        let (broken, found) = summed.first_broken(&promises).unwrap();
        assert_eq!(
            (broken.algorithm, found.as_str()),
            (Algorithm::Sha1, "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8")
        );
    }

    #[test]
    fn compares_integrity_in_its_own_form() {
        let text = digest::of_bytes(Algorithm::Sha384, b"x").integrity();
        let promise = Promise { algorithm: Algorithm::Sha384, text };
        assert!(keeps(&promise, b"x") && !keeps(&promise, b"y"));
    }

    #[test]
    fn keeps_only_the_beginning_of_a_large_body() {
        let mut tally = Tally::new(&[]);
        (0..5).for_each(|_| tally.write_all(&[0; KEPT_BYTES / 4]).unwrap());
        let summed = tally.finish();
        assert_eq!((summed.beginning.len(), summed.is_whole()), (KEPT_BYTES, false));
    }
}
