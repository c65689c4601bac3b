//! What a hub knows: who is connected, which events are current, and how their cohorts fare.
//!
//! The update is a state, not a message: every hello is answered with the current event for that client, so a client
//! that was away has missed nothing. Pure: connections are numbers here, and the time comes in.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};
use precache_manifest::ManifestHash;
use thiserror::Error;
use ulid::Ulid;

use crate::adoption::Fate;
use crate::audience::{Labels, is_in_rollout};
use crate::cohort::{Cohort, Matched};
use crate::event::{Event, Kind, Refusal};
use crate::record::{Record, RecordedEvent};
use crate::wire::{Ack, Hello, ServiceWorker};

/// Most events that a hub holds. Only audiences that differ can fill it: a newer event of one audience replaces the
/// older one.
pub const MAX_EVENTS: usize = 64;

/// One open connection.
pub type ConnectionId = u64;

/// The knowledge of a hub.
#[derive(Debug)]
pub struct Hub {
    epoch: String,
    seq: u64,
    grace: SignedDuration,
    clients: HashMap<ConnectionId, Client>,
    hashes: BTreeMap<ManifestHash, u64>,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Client {
    client: String,
    install: String,
    labels: Labels,
    hash: ManifestHash,
    sw: ServiceWorker,
}

/// An accepted event and its cohort.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What was signed.
    pub event: Event,
    /// As it was signed.
    pub jws: String,
    /// Who was to take it.
    pub cohort: Cohort,
}

/// An event that may be accepted: first it is recorded, then it is true.
#[derive(Debug)]
pub struct Publication {
    entry: Entry,
    recipients: Vec<ConnectionId>,
    dropped: Vec<u64>,
}

/// Why a verified event is not accepted.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PublishError {
    /// It breaks a rule.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Its id belongs to another event.
    #[error("id {0} is taken by another event")]
    IdTaken(Ulid),
    /// A withdrawal of something that is not here.
    #[error("no event {0} to cancel")]
    NothingToCancel(Ulid),
    /// Too many audiences.
    #[error("{MAX_EVENTS} events are current already")]
    Full,
}

/// What became of an event that was offered.
#[derive(Debug)]
pub enum Offer {
    /// It is new.
    New(Box<Publication>),
    /// The very same one was accepted before.
    Known,
}

impl Hub {
    /// A hub that goes on from `record`, whose events have been read back as `entries`.
    pub fn resume(
        record: &Record,
        events: Vec<(Event, RecordedEvent)>,
        grace: SignedDuration,
        now: Timestamp,
    ) -> Hub {
        let restore = |(event, recorded): (Event, RecordedEvent)| Entry {
            cohort: Cohort::restored(event.manifest_hash, recorded.already, recorded.cohort, now),
            jws: recorded.jws,
            event,
        };
        Hub {
            epoch: record.epoch.clone(),
            seq: record.seq,
            grace,
            clients: HashMap::new(),
            hashes: BTreeMap::new(),
            entries: events.into_iter().map(restore).collect(),
        }
    }

    /// Changes when a hub has lost its past.
    pub fn epoch(&self) -> &str {
        &self.epoch
    }

    /// The number of the last accepted event.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// How many clients have said hello and are still there.
    pub fn client_count(&self) -> usize {
        self.clients.len()
    }

    /// How many of them run which version.
    pub fn hashes(&self) -> &BTreeMap<ManifestHash, u64> {
        &self.hashes
    }

    /// The accepted events, oldest first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How long a client may be away before it counts as gone.
    pub fn grace(&self) -> SignedDuration {
        self.grace
    }

    /// Takes a hello; tells the signed current event for this client.
    pub fn hello(&mut self, connection: ConnectionId, hello: Hello, now: Timestamp) -> Option<String> {
        self.leave(connection, now);
        for entry in &mut self.entries {
            entry.cohort.hello(&hello.client, hello.hash, hello.sw);
        }
        *self.hashes.entry(hello.hash).or_default() += 1;
        let Hello { client, install, hash, labels, sw, .. } = hello;
        let client = Client { client, install, labels, hash, sw };
        let current = self.current_for(&client, now).map(|entry| entry.jws.clone());
        self.clients.insert(connection, client);
        current
    }

    /// Takes an acknowledgement; false when it is about no event that this client could have.
    pub fn ack(&mut self, connection: ConnectionId, ack: Ack) -> bool {
        let Some(client) = self.clients.get(&connection) else {
            return false;
        };
        let entry = self.entries.iter_mut().find(|entry| entry.is_refresh(ack.id));
        if let Some(entry) = entry {
            entry.cohort.ack(&client.client, ack);
            return true;
        }
        false
    }

    /// Takes the end of a connection.
    pub fn leave(&mut self, connection: ConnectionId, now: Timestamp) {
        let Some(client) = self.clients.remove(&connection) else {
            return;
        };
        for entry in &mut self.entries {
            entry.cohort.leave(&client.client, now);
        }
        if let Some(count) = self.hashes.get_mut(&client.hash) {
            *count -= 1;
            if *count == 0 {
                self.hashes.remove(&client.hash);
            }
        }
    }

    /// Judges a verified event and finds out whom it reaches. Nothing changes yet.
    ///
    /// # Errors
    /// When the event may not be accepted.
    pub fn offer(&self, event: Event, jws: &str, now: Timestamp) -> Result<Offer, PublishError> {
        if let Some(known) = self.entries.iter().find(|entry| entry.event.id == event.id) {
            if self.entries.iter().any(|entry| entry.jws == jws) {
                return Ok(Offer::Known);
            }
            if event.kind == Kind::ForceRefresh || known.event.kind == Kind::Cancel {
                return Err(PublishError::IdTaken(event.id));
            }
        } else if event.kind == Kind::Cancel {
            return Err(PublishError::NothingToCancel(event.id));
        }
        event.check(now, self.seq)?;
        let dropped = self.spent(now);
        if self.entries.len() - dropped.len() >= MAX_EVENTS {
            return Err(PublishError::Full);
        }
        let (cohort, recipients) = self.reach(&event);
        Ok(Offer::New(Box::new(Publication {
            entry: Entry { event, jws: jws.to_owned(), cohort },
            recipients,
            dropped,
        })))
    }

    /// What must be on disk before `publication` may become true.
    pub fn record_with(&self, publication: &Publication) -> Record {
        let kept = self.entries.iter().filter(|old| !publication.dropped.contains(&old.event.seq));
        let events = kept.chain([&publication.entry]).map(Entry::to_recorded).collect();
        Record::new(self.epoch.clone(), publication.entry.event.seq, events)
    }

    /// What must be on disk for the hub as it is.
    pub fn record(&self) -> Record {
        Record::new(self.epoch.clone(), self.seq, self.entries.iter().map(Entry::to_recorded).collect())
    }

    /// Makes `publication` true; tells the connections that must hear of it.
    pub fn accept(&mut self, publication: Box<Publication>) -> Vec<ConnectionId> {
        let Publication { entry, recipients, dropped } = *publication;
        self.seq = entry.event.seq;
        self.entries.retain(|old| !dropped.contains(&old.event.seq));
        self.entries.push(entry);
        recipients
    }

    /// What happened to `entry` besides adoption.
    pub fn fate(&self, entry: &Entry) -> Fate {
        let event = &entry.event;
        let replaces = |newer: &Entry| {
            newer.event.kind == Kind::ForceRefresh
                && newer.event.seq > event.seq
                && newer.event.audience == event.audience
                && newer.event.rollout >= event.rollout
                && newer.event.manifest_hash != event.manifest_hash
        };
        Fate { is_cancelled: self.is_cancelled(event.id), is_superseded: self.entries.iter().any(replaces) }
    }

    fn is_cancelled(&self, id: Ulid) -> bool {
        self.entries.iter().any(|entry| entry.event.kind == Kind::Cancel && entry.event.id == id)
    }

    /// The newest valid event for `client`; a withdrawal hides what it withdraws, because it is newer.
    fn current_for(&self, client: &Client, now: Timestamp) -> Option<&Entry> {
        self.entries
            .iter()
            .filter(|entry| !entry.event.is_expired(now.as_second()) && client.is_meant_by(&entry.event))
            .max_by_key(|entry| entry.event.seq)
    }

    fn reach(&self, event: &Event) -> (Cohort, Vec<ConnectionId>) {
        let reached = || self.clients.iter().filter(|(_, client)| client.is_meant_by(event));
        let recipients = reached().map(|(connection, _)| *connection).collect();
        let matched =
            reached().map(|(_, Client { client, hash, sw, .. })| Matched { client, hash: *hash, sw: *sw });
        let cohort = match event.kind {
            Kind::ForceRefresh => Cohort::at_publish(event.manifest_hash, matched),
            Kind::Cancel => Cohort::at_publish(event.manifest_hash, []),
        };
        (cohort, recipients)
    }

    /// The numbers of the entries that make room for a new one: none until it is needed, then those that no client
    /// is given any more, oldest first.
    fn spent(&self, now: Timestamp) -> Vec<u64> {
        let excess = (self.entries.len() + 1).saturating_sub(MAX_EVENTS);
        let is_spent =
            |entry: &&Entry| entry.event.is_expired(now.as_second()) || self.fate(entry).is_superseded;
        self.entries.iter().filter(is_spent).take(excess).map(|entry| entry.event.seq).collect()
    }
}

impl Client {
    fn is_meant_by(&self, event: &Event) -> bool {
        let is_chosen =
            event.rollout >= 100 || is_in_rollout(&event.manifest_hash, &self.install, event.rollout);
        is_chosen && event.audience.includes(&self.labels)
    }
}

impl Entry {
    fn is_refresh(&self, id: Ulid) -> bool {
        self.event.kind == Kind::ForceRefresh && self.event.id == id
    }

    fn to_recorded(&self) -> RecordedEvent {
        RecordedEvent { jws: self.jws.clone(), already: self.cohort.already(), cohort: self.cohort.clients() }
    }
}

#[cfg(test)]
mod tests;
