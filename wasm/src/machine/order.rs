//! Orders from the hub, and the rules by which a client follows or refuses them.
//!
//! The wire protocol `sw-force-refresh.v1` (docs/wasm.md): signature, order of sequence numbers, expiry, audience,
//! difference of the hashes, budget. The signature has been checked before an `Order` exists.

use super::{Ack, AckState, Id, Memory, State, Version, Why};

/// An order with a good signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Order {
    /// What it asks for.
    pub kind: OrderKind,
    /// Its identity: a client acts on it once.
    pub id: Id,
    /// Its place among all orders.
    pub seq: u64,
    /// When it was made, in unix seconds.
    pub issued_at_s: u64,
    /// When it ends, in unix seconds.
    pub expires_at_s: u64,
    /// Whether this client is meant, by its labels and by the share of installs that has its turn.
    pub is_for_us: bool,
}

/// What an order asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OrderKind {
    /// Run this hash.
    Refresh {
        /// The hash.
        target: Version,
        /// How long the user may be in the way.
        severity: Severity,
        /// After so many seconds from receipt, nothing is put off any more.
        deadline_s: u32,
        /// Clients spread their reloads over so many milliseconds.
        jitter_ms: u32,
    },
    /// Forget the orders before this one.
    Cancel,
}

/// How much an order may disturb.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// Ask the user; reload by itself at the deadline.
    Normal,
    /// Reload when the page is in the background, or at the deadline.
    High,
    /// Reload after the jitter.
    Critical,
}

/// What becomes of an order on arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It is older than what is known, or known: not worth an answer.
    Ignore,
    /// It is good.
    Follow,
    /// It is not followed.
    Answer(AckState, Option<Why>),
}

/// Orders may live for a day at most; whoever finds a longer one has found a mistake or a forgery.
const LONGEST_LIFE_S: u64 = 24 * 60 * 60;

/// Clocks of clients and publishers may differ by this much.
const CLOCK_SKEW_S: u64 = 120;

/// A browser reloads by order so often in an hour; more than that is a fault of the deploys, not a need.
const RELOADS_PER_HOUR: usize = 3;

const HOUR_MS: u64 = 60 * 60 * 1_000;

pub(super) fn judge(state: &State, order: &Order, now_ms: u64) -> Judgement {
    let memory = &state.memory;
    let now_s = now_ms / 1_000;
    if order.seq < memory.seq || (order.seq == memory.seq && is_known(state, order.id)) {
        return Judgement::Ignore;
    }
    let is_expired = order.expires_at_s.saturating_add(CLOCK_SKEW_S) < now_s;
    let is_from_future = order.issued_at_s > now_s + CLOCK_SKEW_S;
    let is_too_long = order.expires_at_s.saturating_sub(order.issued_at_s) > LONGEST_LIFE_S;
    if is_expired || is_from_future || is_too_long {
        return Judgement::Answer(AckState::Refused, Some(Why::Expired));
    }
    let OrderKind::Refresh { target, .. } = order.kind else { return Judgement::Follow };
    let Some(running) = state.running else {
        return Judgement::Answer(AckState::Failed, Some(Why::SwError));
    };
    if !order.is_for_us || target == running {
        Judgement::Answer(AckState::Skipped, None)
    } else if memory.done.contains(&order.id) {
        Judgement::Ignore
    } else if is_spent(memory, target, now_ms) {
        Judgement::Answer(AckState::Refused, Some(Why::Budget))
    } else {
        Judgement::Follow
    }
}

/// Whether another reload by itself for this hash would be one too many.
pub(super) fn is_spent(memory: &Memory, target: Version, now_ms: u64) -> bool {
    let latest = memory.reload_times_ms.iter().filter(|time| now_ms.saturating_sub(**time) < HOUR_MS);
    memory.reloaded.contains(&target) || latest.count() >= RELOADS_PER_HOUR
}

fn is_known(state: &State, id: Id) -> bool {
    state.order.as_ref().is_some_and(|pursuit| pursuit.order.id == id)
}

impl Order {
    pub(super) fn ack(&self, state: AckState, why: Option<Why>) -> Ack {
        Ack { id: self.id, state, why }
    }
}
