//! How PostgreSQL names WAL: its files, and the positions in it.
//!
//! Follows `xlog_internal.h`: a segment is called by its timeline and its number, eight hexadecimal digits for the
//! timeline and twice eight for the number, in which the lower half counts the segments of 4 GiB. Beside them lie the
//! histories of timelines, the labels of base backups, and the last segment of a timeline that was left, as `.partial`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// The smallest and the largest that `initdb --wal-segsize` makes.
const SEGMENT_BYTES: std::ops::RangeInclusive<u64> = (1 << 20)..=(1 << 30);
/// What the lower half of a segment's number counts.
const LOG_BYTES: u64 = 1 << 32;

/// A name or position that PostgreSQL does not give.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum WalNameError {
    /// Not a file of WAL.
    #[error("`{0}` is no file of WAL, such as 000000010000000000000003 or 00000002.history")]
    Name(String),
    /// Not a position.
    #[error("`{0}` is no position in WAL, such as 0/2000028")]
    Lsn(String),
    /// Not a size.
    #[error("{0} bytes is no size of a WAL segment: a power of two from 1 MiB to 1 GiB")]
    Size(u64),
}

/// A position in WAL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

impl fmt::Display for Lsn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:X}/{:X}", self.0 >> 32, self.0 & 0xffff_ffff)
    }
}

impl FromStr for Lsn {
    type Err = WalNameError;

    fn from_str(text: &str) -> Result<Lsn, WalNameError> {
        let half = |text: &str| {
            let is_half = (1..=8).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            u64::from_str_radix(text, 16).ok().filter(|_| is_half)
        };
        let halves = text.split_once('/').and_then(|(high, low)| Some((half(high)?, half(low)?)));
        let (high, low) = halves.ok_or_else(|| WalNameError::Lsn(text.to_owned()))?;
        Ok(Lsn(high << 32 | low))
    }
}

impl Serialize for Lsn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Lsn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Lsn, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// How large the segments of a cluster are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentSize(u64);

impl SegmentSize {
    /// What nearly every cluster has.
    pub const USUAL: SegmentSize = SegmentSize(16 << 20);

    /// A size that `initdb` makes.
    ///
    /// # Errors
    /// When it does not.
    pub fn new(bytes: u64) -> Result<SegmentSize, WalNameError> {
        let is_size = bytes.is_power_of_two() && SEGMENT_BYTES.contains(&bytes);
        if is_size { Ok(SegmentSize(bytes)) } else { Err(WalNameError::Size(bytes)) }
    }

    /// In bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// The number of the segment with the byte at `lsn`.
    pub const fn number_of(self, lsn: Lsn) -> u64 {
        lsn.0 / self.0
    }

    const fn per_log(self) -> u64 {
        LOG_BYTES / self.0
    }

    /// The segment with this number, counted from the beginning of WAL.
    pub const fn segment(self, timeline: u32, number: u64) -> Segment {
        let (log, part) = (number / self.per_log(), number % self.per_log());
        Segment { timeline, log: log as u32, part: part as u32 }
    }

    /// Its number; none when no segment of this size has the name.
    pub const fn number(self, segment: Segment) -> Option<u64> {
        if (segment.part as u64) < self.per_log() {
            Some(segment.log as u64 * self.per_log() + segment.part as u64)
        } else {
            None
        }
    }
}

/// A segment of WAL, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Segment {
    /// The timeline that it was written on.
    pub timeline: u32,
    log: u32,
    part: u32,
}

impl Segment {
    /// The one after it on its timeline.
    pub fn next(self, size: SegmentSize) -> Option<Segment> {
        let next = size.number(self)?.checked_add(1)?;
        // The very last one has none.
        if next > size.number_of(Lsn(u64::MAX)) { None } else { Some(size.segment(self.timeline, next)) }
    }

    /// The one before it on its timeline.
    pub fn previous(self, size: SegmentSize) -> Option<Segment> {
        Some(size.segment(self.timeline, size.number(self)?.checked_sub(1)?))
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:08X}{:08X}{:08X}", self.timeline, self.log, self.part)
    }
}

/// A file of WAL that PostgreSQL archives or asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WalName {
    /// A whole segment.
    Segment(Segment),
    /// The last segment of a timeline that was left before its end.
    Partial(Segment),
    /// The history of a timeline.
    History(u32),
    /// The label of a base backup that began in this segment at this offset.
    Label(Segment, u32),
}

impl WalName {
    /// The timeline that it belongs to.
    pub const fn timeline(&self) -> u32 {
        match self {
            WalName::Segment(segment) | WalName::Partial(segment) | WalName::Label(segment, _) => {
                segment.timeline
            }
            WalName::History(timeline) => *timeline,
        }
    }

    /// The segment, if it is a whole one.
    pub const fn segment(&self) -> Option<Segment> {
        match self {
            WalName::Segment(segment) => Some(*segment),
            WalName::Partial(_) | WalName::History(_) | WalName::Label(..) => None,
        }
    }
}

impl fmt::Display for WalName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WalName::Segment(segment) => write!(formatter, "{segment}"),
            WalName::Partial(segment) => write!(formatter, "{segment}.partial"),
            WalName::History(timeline) => write!(formatter, "{timeline:08X}.history"),
            WalName::Label(segment, offset) => write!(formatter, "{segment}.{offset:08X}.backup"),
        }
    }
}

impl FromStr for WalName {
    type Err = WalNameError;

    fn from_str(text: &str) -> Result<WalName, WalNameError> {
        read(text).ok_or_else(|| WalNameError::Name(text.to_owned()))
    }
}

impl Serialize for WalName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for WalName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<WalName, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

fn read(text: &str) -> Option<WalName> {
    let (stem, ending) = text.split_once('.').map_or((text, None), |(stem, ending)| (stem, Some(ending)));
    Some(match ending {
        None => WalName::Segment(segment(stem)?),
        Some("partial") => WalName::Partial(segment(stem)?),
        Some("history") => WalName::History(digits(stem)?),
        Some(ending) => WalName::Label(segment(stem)?, digits(ending.strip_suffix(".backup")?)?),
    })
}

fn segment(text: &str) -> Option<Segment> {
    let (timeline, rest) = text.split_at_checked(8)?;
    let (log, part) = rest.split_at_checked(8)?;
    Some(Segment { timeline: digits(timeline)?, log: digits(log)?, part: digits(part)? })
}

/// Eight digits as PostgreSQL writes them.
fn digits(text: &str) -> Option<u32> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'A'..=b'F');
    if text.len() == 8 && text.bytes().all(is_digit) { u32::from_str_radix(text, 16).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Lsn, Segment, SegmentSize, WalName};

    fn sizes() -> impl Strategy<Value = SegmentSize> {
        (20_u32..=30).prop_map(|bits| SegmentSize::new(1 << bits).unwrap())
    }

    fn names() -> impl Strategy<Value = WalName> {
        let segment =
            any::<(u32, u32, u32)>().prop_map(|(timeline, log, part)| Segment { timeline, log, part });
        (segment, any::<u32>(), 0..4).prop_map(|(segment, number, kind)| match kind {
            0 => WalName::Segment(segment),
            1 => WalName::Partial(segment),
            2 => WalName::History(number),
            _ => WalName::Label(segment, number),
        })
    }

    #[test]
    fn names_are_those_of_the_manual() {
        for text in [
            "000000010000000000000003",
            "00000001000000000000000A.partial",
            "00000002.history",
            "000000010000000000000003.00000028.backup",
        ] {
            assert_eq!(text.parse::<WalName>().map(|name| name.to_string()).as_deref(), Ok(text));
        }
        assert_eq!("0/2000028".parse(), Ok(Lsn(0x200_0028)));
        assert_eq!("16/B374D848".parse::<Lsn>().unwrap().to_string(), "16/B374D848");
    }

    #[test]
    fn what_postgres_never_writes_is_refused() {
        for text in [
            "",
            "00000001000000000000000",
            "0000000100000000000000033",
            "00000001000000000000000a",
            "+00000010000000000000003",
            "000000010000000000000003.zst",
            "000000010000000000000003.28.backup",
            "0000002.history",
            "../../../etc/passwd",
            "00000001000000000000000名",
        ] {
            assert!(text.parse::<WalName>().is_err(), "{text}");
        }
        for text in ["", "/", "0", "0/", "/0", "0/+1", "0/123456789", "g/0"] {
            assert!(text.parse::<Lsn>().is_err(), "{text}");
        }
        for bytes in [0, 1, 1 << 19, (1 << 24) + 1, 1 << 31] {
            assert!(SegmentSize::new(bytes).is_err(), "{bytes}");
        }
    }

    #[test]
    fn the_last_segment_of_4_gib_is_followed_by_the_next_log() {
        let last = "0000000100000000000000FF".parse::<WalName>().unwrap().segment().unwrap();
        let next = last.next(SegmentSize::USUAL).unwrap();
        assert_eq!(next.to_string(), "000000010000000100000000");
        assert_eq!(next.previous(SegmentSize::USUAL), Some(last));
        let beyond = "000000010000000000000100".parse::<WalName>().unwrap().segment().unwrap();
        assert_eq!(SegmentSize::USUAL.number(beyond), None);
        assert_eq!(SegmentSize::USUAL.segment(1, 0).previous(SegmentSize::USUAL), None);
    }

    proptest! {
        #[test]
        fn a_name_is_read_back(name in names()) {
            prop_assert_eq!(name.to_string().parse(), Ok(name));
        }

        #[test]
        fn what_is_read_is_written_the_same(text in "[0-9A-F]{8}([0-9A-F]{16})?(\\.[a-z0-9A-F]{4,8}(\\.backup)?)?") {
            if let Ok(name) = text.parse::<WalName>() {
                prop_assert_eq!(name.to_string(), text);
            }
        }

        #[test]
        fn a_position_is_read_back_and_lies_in_its_segment(lsn in any::<u64>(), size in sizes(), timeline in any::<u32>()) {
            let lsn = Lsn(lsn);
            prop_assert_eq!(lsn.to_string().parse(), Ok(lsn));
            let segment = size.segment(timeline, size.number_of(lsn));
            prop_assert_eq!(size.number(segment), Some(size.number_of(lsn)));
            if let Some(next) = segment.next(size) {
                prop_assert!(segment < next);
                prop_assert_eq!(next.previous(size), Some(segment));
            }
        }
    }
}
