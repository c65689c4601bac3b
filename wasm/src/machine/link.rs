//! The connection to the hub: hello, heartbeat, back-off.
//!
//! Close codes of `sw-force-refresh.v1`: 4000 to 4099 mean that trying again is useless; any other close is followed by
//! a new attempt, spread over a growing time, or over the time that the hub has asked for before it went away.

use alloc::vec::Vec;

use super::{Ack, Action, Frame, Id, LinkEvent, Now, State, Timer, backoff::full_jitter_ms};

/// What is known of the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Link {
    /// Whether the hub has welcomed this client.
    pub is_welcome: bool,
    /// Attempts since the last stable connection.
    pub attempts: u32,
    /// When the connection was opened, in unix milliseconds.
    pub opened_ms: u64,
    /// How long the hub may be silent, in milliseconds.
    pub silence_ms: u32,
    /// When the hub has asked this client to come back, in milliseconds after the close.
    pub drain_ms: Option<u32>,
}

/// A minute: a hub that comes back is found within it.
const LONGEST_WAIT_MS: u32 = 60_000;

/// Only a connection that lived this long ends the back-off, so that accept-then-drop does not become a storm.
const STABLE_MS: u64 = 30_000;

/// The hub greets within this time or is treated as dead.
const GREETING_MS: u32 = 10_000;

/// A heartbeat may be late by this much.
const GRACE_MS: u32 = 10_000;

/// Acknowledgements kept while there is no connection; the newest matter.
const UNSENT_LIMIT: usize = 8;

pub(super) fn connect(state: &mut State, actions: &mut Vec<Action>) {
    state.link.is_welcome = false;
    state.link.silence_ms = GREETING_MS;
    actions.push(Action::Connect);
    actions.push(Action::SetTimer(Timer::Silence, GREETING_MS));
}

pub(super) fn step(state: &mut State, event: &LinkEvent, now: Now, actions: &mut Vec<Action>) {
    match event {
        LinkEvent::Opened => {
            state.link.opened_ms = now.ms;
            actions.push(Action::Send(Frame::Hello));
        }
        LinkEvent::Welcome(epoch, heartbeat_s) => welcome(state, *epoch, *heartbeat_s, actions),
        LinkEvent::Ping => actions.push(Action::Send(Frame::Pong)),
        LinkEvent::Heard => {}
        LinkEvent::Drain(after_ms) => state.link.drain_ms = Some(*after_ms),
        LinkEvent::Closed(code) => return closed(state, *code, now, actions),
    }
    actions.push(Action::SetTimer(Timer::Silence, state.link.silence_ms));
}

pub(super) fn ack(state: &mut State, ack: Ack, actions: &mut Vec<Action>) {
    if state.link.is_welcome {
        actions.push(Action::Send(Frame::Ack(ack)));
    } else {
        if state.unsent.len() >= UNSENT_LIMIT {
            state.unsent.remove(0);
        }
        state.unsent.push(ack);
    }
}

pub(super) fn silent(state: &mut State, now: Now, actions: &mut Vec<Action>) {
    actions.push(Action::Disconnect);
    closed(state, SILENCE_CODE, now, actions);
}

/// The hub's own code for a missed heartbeat; the browser has not closed the socket itself.
const SILENCE_CODE: u16 = 4102;

/// A new epoch means that the hub counts anew; the old sequence numbers say nothing there.
fn welcome(state: &mut State, epoch: Option<Id>, heartbeat_s: u32, actions: &mut Vec<Action>) {
    if state.memory.epoch != epoch {
        state.memory.epoch = epoch;
        state.memory.seq = 0;
        actions.push(Action::NoteSeq);
    }
    state.link.is_welcome = true;
    state.link.silence_ms = heartbeat_s.saturating_mul(1_000).saturating_add(GRACE_MS);
    for ack in state.unsent.drain(..) {
        actions.push(Action::Send(Frame::Ack(ack)));
    }
}

fn closed(state: &mut State, code: u16, now: Now, actions: &mut Vec<Action>) {
    let link = &mut state.link;
    let is_stable = link.is_welcome && now.ms.saturating_sub(link.opened_ms) >= STABLE_MS;
    link.is_welcome = false;
    actions.push(Action::DropTimer(Timer::Silence));
    if (4000..4100).contains(&code) {
        return;
    }
    link.attempts = if is_stable { 0 } else { link.attempts.saturating_add(1) };
    let back_off_ms = full_jitter_ms(link.attempts, LONGEST_WAIT_MS, now.random);
    let wait_ms = link.drain_ms.take().unwrap_or(back_off_ms);
    actions.push(Action::SetTimer(Timer::Reconnect, wait_ms));
}
