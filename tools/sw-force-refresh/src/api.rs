//! What the hub's admin listener answers, as both sides read it.

use jiff::Timestamp;
use precache_manifest::ManifestHash;
use serde::{Deserialize, Serialize};
use ulid::Ulid;

use crate::adoption::{Fate, share};
use crate::audience::Audience;
use crate::cohort::Counts;
use crate::event::{Kind, Severity};
use crate::hub::{Entry, Hub};

/// Most versions that a histogram names; a hostile client may invent hashes, and the answer stays small.
pub const MAX_NAMED_HASHES: usize = 20;

/// The answer of `GET /v1/status`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Status {
    /// The protocol that this hub speaks.
    pub protocol: String,
    /// Changes when a hub has lost its past.
    pub epoch: String,
    /// Of the last accepted event; the next one is signed with a higher number.
    pub seq: u64,
    /// Whether the hub is about to stop.
    pub is_draining: bool,
    /// Open sockets.
    pub connections: u64,
    /// Those of them that have said hello.
    pub clients: u64,
    /// How many run which version, most first.
    pub hashes: Vec<HashCount>,
    /// How many run a version beyond those named.
    pub other_hashes: u64,
    /// The accepted events, oldest first.
    pub events: Vec<EventStatus>,
}

/// How many clients run one version.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct HashCount {
    /// The version.
    pub manifest_hash: ManifestHash,
    /// How many run it.
    pub clients: u64,
}

/// One accepted event and how it fares.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct EventStatus {
    /// Its id.
    pub id: Ulid,
    /// Its number.
    pub seq: u64,
    /// The version that it asks for.
    pub manifest_hash: ManifestHash,
    /// How soon.
    pub severity: Severity,
    /// Seconds from receipt until no client defers any longer.
    pub deadline_s: u64,
    /// Clients spread their reloads over this many milliseconds.
    pub jitter_ms: u64,
    /// Whom it is for.
    pub audience: Audience,
    /// For how many of a hundred browsers.
    pub rollout_percent: u8,
    /// When it was signed.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Who published it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// Why it was published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether its time is over.
    pub is_expired: bool,
    /// Whether it was withdrawn.
    pub is_cancelled: bool,
    /// Whether a newer event for the same audience replaced it.
    pub is_superseded: bool,
    /// The percentage that updated, of those who could.
    pub updated_percent: Option<f64>,
    /// Where its cohort stands.
    pub counts: Counts,
}

/// The answer to an accepted event.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Accepted {
    /// Its id.
    pub id: Ulid,
    /// Its number.
    pub seq: u64,
    /// Whether it was accepted just now; false for the repetition of one.
    pub is_new: bool,
}

/// The answer to everything that is refused.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Denied {
    /// Which rule, for programs.
    pub code: String,
    /// Which rule, for people.
    pub message: String,
    /// The hub's last number.
    pub seq: u64,
}

impl EventStatus {
    /// What happened to it besides adoption.
    pub fn fate(&self) -> Fate {
        Fate { is_cancelled: self.is_cancelled, is_superseded: self.is_superseded }
    }

    fn of(hub: &Hub, entry: &Entry, now: Timestamp) -> EventStatus {
        let event = &entry.event;
        let counts = entry.cohort.counts(now, hub.grace());
        let fate = hub.fate(entry);
        EventStatus {
            id: event.id,
            seq: event.seq,
            manifest_hash: event.manifest_hash,
            severity: event.severity,
            deadline_s: event.deadline,
            jitter_ms: event.jitter_ms,
            audience: event.audience.clone(),
            rollout_percent: event.rollout,
            issued_at: moment(event.issued_at),
            expires_at: moment(event.expires_at),
            iss: event.iss.clone(),
            reason: event.reason.clone(),
            is_expired: event.is_expired(now.as_second()),
            is_cancelled: fate.is_cancelled,
            is_superseded: fate.is_superseded,
            updated_percent: share(&counts),
            counts,
        }
    }
}

impl Status {
    /// What `hub` tells at `now`, about all its events or the one with the id `only`; `None` when there is no such.
    pub fn of(hub: &Hub, only: Option<Ulid>, now: Timestamp) -> Option<Status> {
        let is_wanted = |entry: &&Entry| {
            entry.event.kind == Kind::ForceRefresh && only.is_none_or(|id| entry.event.id == id)
        };
        let events: Vec<EventStatus> =
            hub.entries().iter().filter(is_wanted).map(|entry| EventStatus::of(hub, entry, now)).collect();
        if only.is_some() && events.is_empty() {
            return None;
        }
        let (hashes, other_hashes) = histogram(hub);
        Some(Status {
            protocol: crate::wire::SUBPROTOCOL.to_owned(),
            epoch: hub.epoch().to_owned(),
            seq: hub.seq(),
            is_draining: false,
            connections: 0,
            clients: u64::try_from(hub.client_count()).unwrap_or(u64::MAX),
            hashes,
            other_hashes,
            events,
        })
    }
}

/// The most frequent versions, and how many clients run any other one.
pub fn histogram(hub: &Hub) -> (Vec<HashCount>, u64) {
    let mut hashes: Vec<HashCount> = hub
        .hashes()
        .iter()
        .map(|(manifest_hash, clients)| HashCount { manifest_hash: *manifest_hash, clients: *clients })
        .collect();
    hashes.sort_by_key(|count| (std::cmp::Reverse(count.clients), count.manifest_hash));
    let rest = hashes.split_off(hashes.len().min(MAX_NAMED_HASHES));
    (hashes, rest.iter().map(|count| count.clients).sum())
}

fn moment(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or(Timestamp::MAX)
}
