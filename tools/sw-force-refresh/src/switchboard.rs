//! The hub as its sockets and its admin listener share it: one lock, and one waiting place per connection.
//!
//! What waits for a connection is a state, not a queue: a newer event replaces an older one that the client has not
//! taken yet, so a slow reader costs one frame and never holds up the others.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use release_common::{Clock, files};
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use ulid::Ulid;

use crate::api::{Accepted, Status};
use crate::event::Event;
use crate::hub::{ConnectionId, Hub, Offer, PublishError};
use crate::metrics::{self, Tally};
use crate::record::RecordError;
use crate::wire::{Ack, Hello, HubFrame};

/// Everything that the parts of a running hub share.
pub(crate) struct Switchboard {
    shared: Mutex<Shared>,
    state: Option<PathBuf>,
    clock: Arc<dyn Clock>,
    is_draining: AtomicBool,
    /// Told at the end of every connection.
    pub(crate) departures: Notify,
}

struct Shared {
    hub: Hub,
    slots: HashMap<ConnectionId, Arc<Slot>>,
    tally: Tally,
    last_connection: ConnectionId,
}

/// What waits for one connection.
#[derive(Default)]
pub(crate) struct Slot {
    waiting: Mutex<Waiting>,
    wake: Notify,
}

/// The latest of each kind.
#[derive(Default)]
pub(crate) struct Waiting {
    /// An event to hand out.
    pub(crate) event: Option<Utf8Bytes>,
    /// The hub stops: come back after this many milliseconds.
    pub(crate) drain_after_ms: Option<u64>,
}

/// Why an event could not be accepted although it is good, or because it is not.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AcceptError {
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error("the state file cannot be written: {0}")]
    Write(std::io::Error),
    #[error("the state cannot be recorded: {0}")]
    Record(#[from] RecordError),
    #[error("the hub is about to stop")]
    Draining,
}

impl Switchboard {
    pub(crate) fn new(hub: Hub, state: Option<PathBuf>, clock: Arc<dyn Clock>) -> Switchboard {
        let shared = Shared { hub, slots: HashMap::new(), tally: Tally::default(), last_connection: 0 };
        Switchboard {
            shared: Mutex::new(shared),
            state,
            clock,
            is_draining: AtomicBool::new(false),
            departures: Notify::new(),
        }
    }

    /// A new connection; `None` when the hub has `limit` of them.
    pub(crate) fn enter(&self, limit: usize) -> Option<(ConnectionId, Arc<Slot>)> {
        let mut shared = self.lock();
        if shared.slots.len() >= limit {
            return None;
        }
        shared.last_connection += 1;
        let connection = shared.last_connection;
        let slot = Arc::new(Slot::default());
        shared.slots.insert(connection, Arc::clone(&slot));
        Some((connection, slot))
    }

    /// The end of a connection, with the close code that tells why if it had become a WebSocket.
    pub(crate) fn leave(&self, connection: ConnectionId, code: Option<u16>) {
        let now = self.clock.now();
        let mut shared = self.lock();
        shared.hub.leave(connection, now);
        shared.slots.remove(&connection);
        if let Some(code) = code {
            metrics::count(&mut shared.tally.closes, code);
        }
        drop(shared);
        self.departures.notify_waiters();
    }

    /// Takes a hello; the answer is its welcome. From here on events reach the connection's slot.
    pub(crate) fn hello(&self, connection: ConnectionId, hello: Hello, hb: u64) -> HubFrame {
        let now = self.clock.now();
        let mut shared = self.lock();
        let event = shared.hub.hello(connection, hello, now);
        let (epoch, seq) = (shared.hub.epoch().to_owned(), shared.hub.seq());
        shared.tally.deliveries += u64::from(event.is_some());
        HubFrame::Welcome { epoch, seq, hb, event }
    }

    pub(crate) fn ack(&self, connection: ConnectionId, ack: Ack) {
        let mut shared = self.lock();
        if shared.hub.ack(connection, ack) {
            metrics::count(&mut shared.tally.acks, ack.state);
        }
    }

    pub(crate) fn seq(&self) -> u64 {
        self.lock().hub.seq()
    }

    /// Records, accepts and announces a verified event. Whoever is told so can rely on it: it is on disk.
    pub(crate) fn publish(&self, event: Event, jws: &str) -> Result<Accepted, AcceptError> {
        if self.is_draining() {
            return Err(AcceptError::Draining);
        }
        let now = self.clock.now();
        let (id, seq) = (event.id, event.seq);
        let mut shared = self.lock();
        let publication = match shared.hub.offer(event, jws, now)? {
            Offer::Known => {
                return Ok(Accepted { id, seq, is_new: false });
            }
            Offer::New(publication) => publication,
        };
        // The lock is held while the file is written: the cohort on disk, in memory and announced are then the same.
        if let Some(path) = &self.state {
            let record = shared.hub.record_with(&publication).to_json()?;
            files::write_atomically(path, &record).map_err(AcceptError::Write)?;
        }
        let recipients = shared.hub.accept(publication);
        shared.tally.published += 1;
        let frame = Utf8Bytes::from(HubFrame::Event { jws: jws.to_owned() }.to_text());
        for connection in recipients {
            if let Some(slot) = shared.slots.get(&connection) {
                slot.put(|waiting| waiting.event = Some(frame.clone()));
            }
        }
        Ok(Accepted { id, seq, is_new: true })
    }

    /// What the hub tells about itself.
    pub(crate) fn status(&self, only: Option<Ulid>) -> Option<Status> {
        let shared = self.lock();
        let status = Status::of(&shared.hub, only, self.now())?;
        let connections = u64::try_from(shared.slots.len()).unwrap_or(u64::MAX);
        Some(Status { connections, is_draining: self.is_draining(), ..status })
    }

    pub(crate) fn metrics(&self) -> Option<String> {
        let status = self.status(None)?;
        Some(metrics::render(&status, &self.lock().tally))
    }

    pub(crate) fn count_refused_handshake(&self, status: u16) {
        metrics::count(&mut self.lock().tally.refused_handshakes, status);
    }

    pub(crate) fn count_refused_event(&self, code: &'static str) {
        metrics::count(&mut self.lock().tally.refused_events, code);
    }

    pub(crate) fn count_delivery(&self) {
        self.lock().tally.deliveries += 1;
    }

    pub(crate) fn published(&self) -> u64 {
        self.lock().tally.published
    }

    pub(crate) fn begin_drain(&self) {
        self.is_draining.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::SeqCst)
    }

    /// The waiting places of all open connections.
    pub(crate) fn slots(&self) -> Vec<Arc<Slot>> {
        self.lock().slots.values().cloned().collect()
    }

    pub(crate) fn connection_count(&self) -> usize {
        self.lock().slots.len()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A panic elsewhere is a bug, but it leaves counts and maps whole: each change is one call.
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Leaves something for the connection.
    pub(crate) fn put(&self, change: impl FnOnce(&mut Waiting)) {
        change(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        self.wake.notify_one();
    }

    /// Waits until something is there, and takes it.
    pub(crate) async fn take(&self) -> Waiting {
        self.wake.notified().await;
        std::mem::take(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
