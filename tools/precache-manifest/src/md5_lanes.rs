//! MD5 (RFC 1321) of eight files side by side.
//!
//! One MD5 cannot use a modern core: each step waits for the last. Eight independent files in the lanes of a vector
//! register hash about four times as fast as the best scalar code, which is what makes a Workbox-compatible
//! manifest cheap. MD5 here tells contents apart for a cache; it is no protection against forgery.

use std::ops::{Add, BitAnd, BitOr, BitXor, Not, Shl, Shr};

use wide::u32x8;

/// How many files are hashed side by side.
pub const LANES: usize = 8;
/// Size of the unit that MD5 consumes, in bytes.
pub const BLOCK_BYTES: usize = 64;

const INITIAL: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// Left rotation of each step: one row per round, repeated four times (RFC 1321, section 3.4).
const ROTATIONS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

/// The integer part of 2^32 · |sin(i + 1)| (RFC 1321, section 3.4).
#[rustfmt::skip]
const SINES: [u32; 64] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee, 0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
    0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be, 0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
    0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa, 0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
    0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed, 0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
    0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c, 0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
    0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05, 0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
    0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039, 0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
    0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1, 0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
];

/// Eight MD5 computations in progress.
#[derive(Clone, Debug)]
pub struct Md5Lanes {
    states: [[u32; 4]; LANES],
    lengths: [u64; LANES],
}

impl Default for Md5Lanes {
    fn default() -> Md5Lanes {
        Md5Lanes { states: [INITIAL; LANES], lengths: [0; LANES] }
    }
}

impl Md5Lanes {
    /// Consumes the leading `blocks` blocks of each lane's input; a lane without input stays as it is.
    ///
    /// A lane whose input is shorter than that counts as without input.
    pub fn update(&mut self, inputs: [Option<&[u8]>; LANES], blocks: usize) {
        let length = blocks * BLOCK_BYTES;
        let active = inputs.map(|input| input.and_then(|bytes| bytes.get(..length)));
        // With one or two files left, eight lanes would mostly hash nothing.
        if active.iter().flatten().count() > 2 {
            self.update_together(active)
        } else {
            self.update_singly(active)
        }
        for (total, _) in self.lengths.iter_mut().zip(active).filter(|(_, input)| input.is_some()) {
            *total += length as u64;
        }
    }

    fn update_together(&mut self, active: [Option<&[u8]>; LANES]) {
        // An idle lane hashes another lane's bytes and its result is thrown away.
        let Some(any) = active.iter().flatten().next() else {
            return;
        };
        let mut lanes = active.map(|input| input.unwrap_or(any).chunks_exact(BLOCK_BYTES));
        let mut state: [u32x8; 4] = std::array::from_fn(|word| {
            u32x8::new(self.states.map(|lane| lane.get(word).copied().unwrap_or(0)))
        });
        loop {
            let blocks = lanes.each_mut().map(|lane| lane.next().unwrap_or(&[]));
            if blocks.iter().any(|block| block.is_empty()) {
                break;
            }
            let words = blocks.map(block_words);
            let message: [u32x8; 16] = std::array::from_fn(|word| {
                u32x8::new(words.map(|lane| lane.get(word).copied().unwrap_or(0)))
            });
            state = compress(state, &message);
        }
        let words = state.map(u32x8::to_array);
        for (lane, (target, input)) in self.states.iter_mut().zip(active).enumerate() {
            if input.is_some() {
                *target = words.map(|word| word.get(lane).copied().unwrap_or(0));
            }
        }
    }

    fn update_singly(&mut self, active: [Option<&[u8]>; LANES]) {
        for (state, input) in self.states.iter_mut().zip(active) {
            for block in input.unwrap_or_default().chunks_exact(BLOCK_BYTES) {
                *state = compress(state.map(Scalar), &block_words(block).map(Scalar)).map(|word| word.0);
            }
        }
    }

    /// Ends the computation of `lane` with its last bytes, fewer than a block, and makes the lane fresh.
    pub fn finish(&mut self, lane: usize, tail: &[u8]) -> [u8; 16] {
        let (Some(state), Some(length)) = (self.states.get_mut(lane), self.lengths.get_mut(lane)) else {
            return [0; 16];
        };
        let bits = (*length + tail.len() as u64).wrapping_mul(8);
        let mut last = tail.to_vec();
        last.push(0x80);
        last.resize(last.len().next_multiple_of(BLOCK_BYTES), 0);
        if last.len() - tail.len() < 9 {
            last.resize(last.len() + BLOCK_BYTES, 0);
        }
        last.truncate(last.len() - 8);
        last.extend_from_slice(&bits.to_le_bytes());
        let mut words = std::mem::replace(state, INITIAL);
        *length = 0;
        for block in last.chunks_exact(BLOCK_BYTES) {
            words = compress(words.map(Scalar), &block_words(block).map(Scalar)).map(|word| word.0);
        }
        let mut digest = [0; 16];
        for (target, word) in digest.chunks_exact_mut(4).zip(words) {
            target.copy_from_slice(&word.to_le_bytes());
        }
        digest
    }
}

/// The sixteen little-endian words of a block; a shorter block reads as zeros.
#[inline(always)]
fn block_words(block: &[u8]) -> [u32; 16] {
    let Some(block) = block.first_chunk::<BLOCK_BYTES>() else {
        return [0; 16];
    };
    let (words, _) = block.as_chunks::<4>();
    std::array::from_fn(|word| words.get(word).map_or(0, |bytes| u32::from_le_bytes(*bytes)))
}

/// What a step of MD5 needs of its words: one `u32`, or eight of them in a vector.
trait Word:
    Copy
    + Add<Output = Self>
    + BitAnd<Output = Self>
    + BitOr<Output = Self>
    + BitXor<Output = Self>
    + Not<Output = Self>
    + Shl<u32, Output = Self>
    + Shr<u32, Output = Self>
{
    fn splat(value: u32) -> Self;
}

impl Word for u32x8 {
    #[inline(always)]
    fn splat(value: u32) -> u32x8 {
        u32x8::splat(value)
    }
}

/// One file's word, whose addition wraps as a vector's does.
#[derive(Clone, Copy)]
struct Scalar(u32);

macro_rules! scalar_operator {
    ($operator:ident, $method:ident, $right:ty, |$a:ident, $b:ident| $result:expr) => {
        impl $operator<$right> for Scalar {
            type Output = Scalar;

            #[inline(always)]
            fn $method(self, other: $right) -> Scalar {
                let ($a, $b) = (self.0, other);
                Scalar($result)
            }
        }
    };
}

scalar_operator!(Add, add, Scalar, |a, b| a.wrapping_add(b.0));
scalar_operator!(BitAnd, bitand, Scalar, |a, b| a & b.0);
scalar_operator!(BitOr, bitor, Scalar, |a, b| a | b.0);
scalar_operator!(BitXor, bitxor, Scalar, |a, b| a ^ b.0);
scalar_operator!(Shl, shl, u32, |a, b| a << b);
scalar_operator!(Shr, shr, u32, |a, b| a >> b);

impl Not for Scalar {
    type Output = Scalar;

    #[inline(always)]
    fn not(self) -> Scalar {
        Scalar(!self.0)
    }
}

impl Word for Scalar {
    #[inline(always)]
    fn splat(value: u32) -> Scalar {
        Scalar(value)
    }
}

/// One block of every lane (RFC 1321, section 3.4).
#[inline(always)]
fn compress<W: Word>(state: [W; 4], message: &[W; 16]) -> [W; 4] {
    let mut words = round::<W, 0>(state, message);
    words = round::<W, 1>(words, message);
    words = round::<W, 2>(words, message);
    words = round::<W, 3>(words, message);
    let [a, b, c, d] = words;
    let [start_a, start_b, start_c, start_d] = state;
    [start_a + a, start_b + b, start_c + c, start_d + d]
}

#[inline(always)]
#[allow(
    clippy::indexing_slicing,
    reason = "every index is below the constant length; checks would cost a third"
)]
fn round<W: Word, const ROUND: usize>(mut words: [W; 4], message: &[W; 16]) -> [W; 4] {
    for step in 0..16 {
        let [a, b, c, d] = words;
        let (mixed, index) = match ROUND {
            0 => (d ^ (b & (c ^ d)), step),
            1 => (c ^ (d & (b ^ c)), (5 * step + 1) % 16),
            2 => (b ^ c ^ d, (3 * step + 5) % 16),
            _ => (c ^ (b | !d), (7 * step) % 16),
        };
        let sum = a + mixed + W::splat(SINES[ROUND * 16 + step]) + message[index];
        let rotation = ROTATIONS[ROUND][step % 4];
        words = [d, b + ((sum << rotation) | (sum >> (32 - rotation))), b, c];
    }
    words
}

#[cfg(test)]
mod tests {
    use md5::{Digest, Md5};
    use proptest::prelude::*;

    use super::{BLOCK_BYTES, LANES, Md5Lanes};

    /// Feeds each content to its own lane in shared steps, as the hashing threads do.
    fn lanes_of(contents: &[Vec<u8>; LANES]) -> [[u8; 16]; LANES] {
        let mut lanes = Md5Lanes::default();
        let mut rest = contents.each_ref().map(Vec::as_slice);
        loop {
            let whole = rest.map(|bytes| bytes.len() / BLOCK_BYTES);
            let Some(blocks) = whole.into_iter().filter(|blocks| *blocks > 0).min() else {
                break;
            };
            lanes.update(rest.map(|bytes| (bytes.len() >= BLOCK_BYTES).then_some(bytes)), blocks);
            for bytes in rest.iter_mut().filter(|bytes| bytes.len() >= BLOCK_BYTES) {
                *bytes = &bytes[blocks * BLOCK_BYTES..];
            }
        }
        std::array::from_fn(|lane| lanes.finish(lane, rest[lane]))
    }

    #[test]
    fn padding_is_right_at_every_length() {
        for first in (0..200).step_by(LANES) {
            let contents: [Vec<u8>; LANES] = std::array::from_fn(|lane| vec![0xa5; first + lane]);
            let expected = contents.each_ref().map(|content| <[u8; 16]>::from(Md5::digest(content)));
            assert_eq!(lanes_of(&contents), expected, "lengths from {first}");
        }
    }

    proptest! {
        #[test]
        fn each_lane_equals_md5_of_its_file(
            contents in prop::array::uniform8(prop::collection::vec(any::<u8>(), 0..700)),
        ) {
            let expected = contents.each_ref().map(|content| <[u8; 16]>::from(Md5::digest(content)));
            prop_assert_eq!(lanes_of(&contents), expected);
        }
    }
}
