//! The signed statement "run this version now", or its withdrawal, and the rules that make it acceptable.
//!
//! The members are those of the protocol's version 1; clients check the same rules again on their side.

use jiff::Timestamp;
use precache_manifest::ManifestHash;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use ulid::Ulid;

use crate::audience::Audience;

/// Longest life of an event: a forgotten one must not reload browsers tomorrow.
pub const MAX_LIFE_SECONDS: i64 = 24 * 60 * 60;
/// How far the clocks of publisher, hub and browser may be apart.
pub const CLOCK_SKEW_SECONDS: i64 = 120;
/// Longest `reason` and `iss`, in characters.
pub const MAX_NOTE_CHARS: usize = 200;
/// Largest `seq`: the largest integer that every browser holds exactly (ECMA-262, `Number.MAX_SAFE_INTEGER`).
pub const MAX_SEQ: u64 = (1 << 53) - 1;

/// What an event asks for.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Kind {
    /// Run the version with this manifest hash.
    ForceRefresh,
    /// Forget the event with this id.
    Cancel,
}

/// How soon a client obeys.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Reload after the jitter
    Critical,
    /// Wait until the page is idle or hidden, at most until the deadline
    High,
    /// Ask the user
    #[default]
    Normal,
}

/// An event, as it is signed.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Event {
    /// What it asks for.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// A client acts at most once for one id. A `CANCEL` carries the id of the event that it withdraws.
    pub id: Ulid,
    /// Grows with every event of a hub; clients ignore what is not newer than what they have seen.
    pub seq: u64,
    /// The version to run.
    pub manifest_hash: ManifestHash,
    /// How soon.
    pub severity: Severity,
    /// Seconds from receipt until no client defers any longer.
    pub deadline: u64,
    /// Each client waits a random time below this many milliseconds.
    pub jitter_ms: u64,
    /// Whom it is for.
    pub audience: Audience,
    /// For how many of a hundred browsers.
    pub rollout: u8,
    /// Signed at this Unix second.
    pub issued_at: i64,
    /// Void from this Unix second on.
    pub expires_at: i64,
    /// Who published it: a deploy id or the address of a run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// Why it was published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Why a well signed event is not accepted.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    /// Its time is over.
    #[error("the event has expired")]
    Expired,
    /// Its time has not come: the clocks differ, or it was made for later.
    #[error("the event is issued more than {CLOCK_SKEW_SECONDS} s in the future")]
    Future,
    /// It would live too long.
    #[error("the event lives {0} s, more than {MAX_LIFE_SECONDS} s")]
    Life(i64),
    /// It is not newer than the hub's last one.
    #[error("seq {seq} is not above {current}")]
    Seq {
        /// Of the refused event.
        seq: u64,
        /// Of the last accepted one.
        current: u64,
    },
    /// A share above a hundred.
    #[error("rollout {0} is above 100")]
    Rollout(u8),
    /// Texts or audiences beyond their limits.
    #[error("`{0}` is too long")]
    TooLong(&'static str),
}

impl Event {
    /// Whether a hub whose last accepted event had the number `current` may accept this one at `now`.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn check(&self, now: Timestamp, current: u64) -> Result<(), Refusal> {
        let now = now.as_second();
        let life = self.expires_at.saturating_sub(self.issued_at);
        let notes = [("iss", &self.iss), ("reason", &self.reason)];
        if self.is_expired(now) {
            return Err(Refusal::Expired);
        }
        if self.issued_at > now.saturating_add(CLOCK_SKEW_SECONDS) {
            return Err(Refusal::Future);
        }
        if !(0..=MAX_LIFE_SECONDS).contains(&life) {
            return Err(Refusal::Life(life));
        }
        if self.rollout > 100 {
            return Err(Refusal::Rollout(self.rollout));
        }
        if !self.audience.is_within_limits() {
            return Err(Refusal::TooLong("audience"));
        }
        if let Some((name, _)) = notes.iter().find(|(_, note)| is_long(note.as_deref())) {
            return Err(Refusal::TooLong(name));
        }
        if self.seq <= current || self.seq > MAX_SEQ {
            return Err(Refusal::Seq { seq: self.seq, current });
        }
        Ok(())
    }

    /// Whether no client acts on it any more at the Unix second `now`. The skew is granted to clients only: a hub
    /// stops to hand it out on time.
    pub fn is_expired(&self, now: i64) -> bool {
        self.expires_at <= now
    }
}

fn is_long(note: Option<&str>) -> bool {
    note.is_some_and(|note| note.chars().count() > MAX_NOTE_CHARS)
}

#[cfg(test)]
pub(crate) mod tests {
    use jiff::Timestamp;

    use super::{Event, Kind, Refusal, Severity};
    use crate::audience::Audience;

    pub(crate) const NOW: i64 = 1_800_000_000;

    /// An event that is good at [`NOW`].
    pub(crate) fn example() -> Event {
        Event {
            kind: Kind::ForceRefresh,
            id: "01JZZZZZZZZZZZZZZZZZZZZZZZ".parse().unwrap(),
            seq: 42,
            manifest_hash: "5e".repeat(32).parse().unwrap(),
            severity: Severity::Critical,
            deadline: 900,
            jitter_ms: 5_000,
            audience: Audience::default(),
            rollout: 100,
            issued_at: NOW,
            expires_at: NOW + 3_600,
            iss: Some("https://ci.example/run/7".into()),
            reason: None,
        }
    }

    fn check(change: impl FnOnce(&mut Event)) -> Result<(), Refusal> {
        let mut event = example();
        change(&mut event);
        event.check(Timestamp::from_second(NOW).unwrap(), 41)
    }

    #[test]
    fn each_rule_refuses_what_breaks_it() {
        assert_eq!(check(|_| ()), Ok(()));
        assert_eq!(check(|event| event.expires_at = NOW), Err(Refusal::Expired));
        assert_eq!(check(|event| event.issued_at = NOW + 121), Err(Refusal::Future));
        assert_eq!(check(|event| event.expires_at = NOW + 86_401), Err(Refusal::Life(86_401)));
        assert_eq!(check(|event| event.rollout = 101), Err(Refusal::Rollout(101)));
        assert_eq!(check(|event| event.reason = Some("x".repeat(201))), Err(Refusal::TooLong("reason")));
        assert_eq!(check(|event| event.iss = Some("x".repeat(201))), Err(Refusal::TooLong("iss")));
    }

    #[test]
    fn a_clock_two_minutes_ahead_is_forgiven() {
        assert_eq!(check(|event| event.issued_at = NOW + 120), Ok(()));
    }

    #[test]
    fn a_number_that_is_not_new_is_refused() {
        for seq in [0, 40, 41, 1 << 53, u64::MAX] {
            assert_eq!(check(|event| event.seq = seq), Err(Refusal::Seq { seq, current: 41 }));
        }
    }

    #[test]
    fn times_at_the_ends_of_the_range_do_not_overflow() {
        assert!(check(|event| (event.issued_at, event.expires_at) = (i64::MIN, i64::MAX)).is_err());
        assert!(check(|event| event.issued_at = i64::MAX).is_err());
    }

    #[test]
    fn the_members_are_spelled_as_the_protocol_says() {
        let json = serde_json::to_value(example()).unwrap();
        assert_eq!(json["type"], "FORCE_REFRESH");
        assert_eq!(json["id"], "01JZZZZZZZZZZZZZZZZZZZZZZZ");
        assert_eq!(json["manifest_hash"], format!("sha256:{}", "5e".repeat(32)));
        assert_eq!(json["severity"], "critical");
        assert_eq!(json["audience"], serde_json::json!({}));
    }
}
