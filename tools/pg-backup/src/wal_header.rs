//! The head of a WAL segment, by which a file proves whose WAL it is.
//!
//! Follows `XLogLongPageHeaderData` of PostgreSQL's `xlog_internal.h`, as a little-endian machine writes it. WAL of
//! another cluster replays to garbage at best, and nothing but this number tells the two apart.

use thiserror::Error;

use crate::wal_name::{Segment, SegmentSize};

/// The bytes of the head.
pub const HEADER_BYTES: usize = 40;
/// The flag of a head that is a long one: that of a segment's first page.
const LONG_HEADER: u16 = 2;
/// What the magic numbers of all versions since 9.3 lie in.
const MAGIC: std::ops::RangeInclusive<u16> = 0xd070..=0xd1ff;

/// A file that is no segment, or not the one that its name says.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum HeaderError {
    /// Not WAL at all.
    #[error("does not begin as WAL does")]
    Foreign,
    /// The file's size is not that of a segment.
    #[error("has {found} bytes, and its head says {expected}")]
    Size {
        /// What it has.
        found: u64,
        /// What it should have.
        expected: u64,
    },
    /// The head belongs to another segment.
    #[error("holds segment {found}")]
    Name {
        /// Which.
        found: Segment,
    },
}

/// What the head of a segment says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The cluster.
    pub system_id: String,
    /// How large its segments are.
    pub size: SegmentSize,
    timeline: u32,
    address: u64,
}

impl Header {
    /// Reads the head of a segment.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(bytes: &[u8]) -> Result<Header, HeaderError> {
        let magic = u16::from_le_bytes(part(bytes, 0)?);
        let flags = u16::from_le_bytes(part(bytes, 2)?);
        if !MAGIC.contains(&magic) || flags & LONG_HEADER == 0 {
            return Err(HeaderError::Foreign);
        }
        let bytes_of_segment = u64::from(u32::from_le_bytes(part(bytes, 32)?));
        Ok(Header {
            system_id: u64::from_le_bytes(part(bytes, 24)?).to_string(),
            size: SegmentSize::new(bytes_of_segment).map_err(|_| HeaderError::Foreign)?,
            timeline: u32::from_le_bytes(part(bytes, 4)?),
            address: u64::from_le_bytes(part(bytes, 8)?),
        })
    }

    /// Fails unless it is the head of this segment, in a file of this size.
    ///
    /// # Errors
    /// When it is not.
    pub fn check(&self, segment: Segment, file_bytes: u64) -> Result<(), HeaderError> {
        if file_bytes != self.size.bytes() {
            return Err(HeaderError::Size { found: file_bytes, expected: self.size.bytes() });
        }
        let number = self.address / self.size.bytes();
        // The segment in which a timeline begins is a copy of its parent's up to there, head and all.
        let is_own = self.size.number(segment) == Some(number) && self.timeline <= segment.timeline;
        let found = self.size.segment(self.timeline, number);
        if is_own && self.address.is_multiple_of(self.size.bytes()) {
            Ok(())
        } else {
            Err(HeaderError::Name { found })
        }
    }
}

fn part<const N: usize>(bytes: &[u8], offset: usize) -> Result<[u8; N], HeaderError> {
    let part = bytes.get(offset..).and_then(|rest| rest.first_chunk());
    part.copied().ok_or(HeaderError::Foreign)
}

/// The beginning of a segment as PostgreSQL 15 writes it.
#[cfg(test)]
pub(crate) fn sample(system_id: u64, segment: Segment, size: SegmentSize) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(0xd110_u16.to_le_bytes());
    bytes.extend(LONG_HEADER.to_le_bytes());
    bytes.extend(segment.timeline.to_le_bytes());
    bytes.extend((size.number(segment).unwrap() * size.bytes()).to_le_bytes());
    bytes.extend([0; 8]);
    bytes.extend(system_id.to_le_bytes());
    bytes.extend((size.bytes() as u32).to_le_bytes());
    bytes.extend(8192_u32.to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::{Header, HeaderError, sample};
    use crate::wal_name::SegmentSize;

    const SIZE: SegmentSize = SegmentSize::USUAL;

    #[test]
    fn a_segment_tells_its_cluster_and_its_place() {
        let segment = SIZE.segment(2, 300);
        let header = Header::read(&sample(7_300_000_000_000_000_001, segment, SIZE)).unwrap();
        assert_eq!((header.system_id.as_str(), header.size), ("7300000000000000001", SIZE));
        assert_eq!(header.check(segment, SIZE.bytes()), Ok(()));
        assert_eq!(header.check(SIZE.segment(3, 300), SIZE.bytes()), Ok(()), "a copy for a new timeline");
        let other = header.check(SIZE.segment(2, 301), SIZE.bytes());
        assert_eq!(other, Err(HeaderError::Name { found: segment }));
        assert!(header.check(SIZE.segment(1, 300), SIZE.bytes()).is_err(), "the past of a timeline");
        assert!(header.check(segment, SIZE.bytes() - 1).is_err(), "a byte less");
    }

    #[test]
    fn what_is_no_wal_is_refused() {
        let good = sample(1, SIZE.segment(1, 1), SIZE);
        assert_eq!(Header::read(b""), Err(HeaderError::Foreign));
        assert_eq!(Header::read(&good[..39]).map(drop), Ok(()), "the size of a page decides nothing");
        assert_eq!(Header::read(&good[..35]), Err(HeaderError::Foreign));
        assert_eq!(Header::read(&[0; 40]), Err(HeaderError::Foreign));
        let mut short = good;
        short[2] = 0;
        assert_eq!(Header::read(&short), Err(HeaderError::Foreign));
    }
}
