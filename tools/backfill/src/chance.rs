//! Chance, from the operating system.

use std::time::Duration;

/// A time from `least` to `most`; `most` when the system gives no randomness.
pub(crate) fn between(least: Duration, most: Duration) -> Duration {
    let share = getrandom::u32().map_or(1.0, |number| f64::from(number) / f64::from(u32::MAX));
    least + most.saturating_sub(least).mul_f64(share)
}

/// A name that nobody else has.
pub(crate) fn name() -> String {
    format!("{:016x}", getrandom::u64().unwrap_or_default())
}
