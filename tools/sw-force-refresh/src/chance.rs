//! Random values for identifiers and for spreading things over time.

use std::time::Duration;

use jiff::Timestamp;
use ulid::Ulid;

/// 64 random bits. Without a source of randomness they are zero: things then happen together, nothing breaks.
pub(crate) fn bits() -> u64 {
    getrandom::u64().unwrap_or_default()
}

/// A time from `least` up to, not including, `most`.
pub(crate) fn between(least: Duration, most: Duration) -> Duration {
    let width = u64::try_from(most.saturating_sub(least).as_millis()).unwrap_or(u64::MAX);
    least + Duration::from_millis(bits() % width.max(1))
}

/// A new ULID for this moment, or the system's reason for having no random numbers.
pub(crate) fn ulid(now: Timestamp) -> Result<Ulid, getrandom::Error> {
    let random = u128::from(getrandom::u64()?) << 64 | u128::from(getrandom::u64()?);
    Ok(Ulid::from_parts(u64::try_from(now.as_millisecond()).unwrap_or_default(), random))
}
