//! Waiting times between attempts: exponential back-off with full jitter.
//!
//! Follows "Exponential Backoff and Jitter" (AWS Architecture Blog, 2015): after an outage, clients that wait a uniform
//! time under a growing ceiling come back spread out.

/// A waiting time: uniform in one second to a ceiling that doubles with each attempt, up to `longest_ms`.
pub fn full_jitter_ms(attempt: u32, longest_ms: u32, random: u32) -> u32 {
    let ceiling = SHORTEST_MS.saturating_mul(2u32.saturating_pow(attempt.min(16) + 1)).min(longest_ms);
    SHORTEST_MS + scaled(random, ceiling.saturating_sub(SHORTEST_MS))
}

/// A uniform number from 0 to `limit` made from a uniform `random`.
pub(super) fn scaled(random: u32, limit: u32) -> u32 {
    ((u64::from(random) * (u64::from(limit) + 1)) >> 32) as u32
}

/// Under a second a client would hammer a hub that is just starting.
const SHORTEST_MS: u32 = 1_000;
