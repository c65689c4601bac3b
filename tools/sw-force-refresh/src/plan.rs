//! What `send` and `cancel` are going to sign: options in, an event without its number out.

use std::time::Duration;

use jiff::Timestamp;
use precache_manifest::ManifestHash;
use ulid::Ulid;

use crate::api::EventStatus;
use crate::audience::Audience;
use crate::event::{Event, Kind, Severity};

/// Longest reload spread or deadline that an event can carry usefully: its own longest life.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What the publisher wants.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The version to run.
    pub manifest_hash: ManifestHash,
    /// How soon.
    pub severity: Severity,
    /// Whom it is for.
    pub audience: Audience,
    /// For how many of a hundred browsers.
    pub rollout: u8,
    /// Spread of the reloads.
    pub jitter: Duration,
    /// Until nobody defers any longer.
    pub deadline: Duration,
    /// Until it is void.
    pub ttl: Duration,
    /// Why.
    pub reason: Option<String>,
    /// Who.
    pub iss: Option<String>,
}

/// The event that carries `wish` out. Its `seq` is still 0: the hub tells the next one.
pub fn refresh(wish: Wish, id: Ulid, now: Timestamp) -> Event {
    let issued_at = now.as_second();
    let life = i64::try_from(wish.ttl.as_secs()).unwrap_or(i64::MAX);
    Event {
        kind: Kind::ForceRefresh,
        id,
        seq: 0,
        manifest_hash: wish.manifest_hash,
        severity: wish.severity,
        deadline: wish.deadline.min(DAY).as_secs(),
        jitter_ms: u64::try_from(wish.jitter.min(DAY).as_millis()).unwrap_or(u64::MAX),
        audience: wish.audience,
        rollout: wish.rollout,
        issued_at,
        expires_at: issued_at.saturating_add(life),
        iss: wish.iss,
        reason: wish.reason,
    }
}

/// The withdrawal of a published event: the same id, for the same clients, as long as the event itself would live.
pub fn withdrawal(published: &EventStatus, reason: Option<String>, now: Timestamp) -> Event {
    /// A withdrawal must reach those who are offline for a moment even when its event is about to end.
    const LEAST_LIFE_SECONDS: i64 = 600;
    let issued_at = now.as_second();
    Event {
        kind: Kind::Cancel,
        id: published.id,
        seq: 0,
        manifest_hash: published.manifest_hash,
        severity: published.severity,
        deadline: published.deadline_s,
        jitter_ms: published.jitter_ms,
        audience: published.audience.clone(),
        rollout: published.rollout_percent,
        issued_at,
        expires_at: published.expires_at.as_second().max(issued_at.saturating_add(LEAST_LIFE_SECONDS)),
        iss: published.iss.clone(),
        reason,
    }
}
