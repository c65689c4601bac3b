//! Checks: what does the origin serve, and is there a newer worker?
//!
//! The order matters. First the version file says which hash is served; then the browser is asked for a newer worker;
//! only when it has answered is that hash settled and can be applied. An update announced earlier could lead to the
//! version before.

use alloc::vec::Vec;

use super::{Action, Check, Fault, Now, State, Timer, Version, Workers, apply, backoff::scaled};

/// An answer later than this is no answer, so that a hung check cannot block the next one.
const OVERDUE_MS: u32 = 10_000;

/// Hints come in bursts, as when a user switches between tabs; one check a minute follows them.
const RECENT_MS: u64 = 60_000;

pub(super) fn begin(state: &mut State, now: Now, actions: &mut Vec<Action>) {
    // Set even when this check is not made, or the regular checks would end here. Spread by up to a fifth, so that a
    // fleet of tabs does not ask in step.
    let interval_ms = state.interval_ms.saturating_add(scaled(now.random, state.interval_ms / 5));
    actions.push(Action::SetTimer(Timer::Check, interval_ms));
    if state.check.is_some() || state.application.is_some() {
        return;
    }
    state.checked_ms = now.ms;
    state.checks = state.checks.wrapping_add(1);
    state.check = Some(Check { number: state.checks, served: None });
    actions.push(Action::FetchVersion(state.checks));
    actions.push(Action::SetTimer(Timer::CheckOverdue, OVERDUE_MS));
}

pub(super) fn begin_unless_recent(state: &mut State, now: Now, actions: &mut Vec<Action>) {
    if now.ms.saturating_sub(state.checked_ms) >= RECENT_MS {
        begin(state, now, actions);
    }
}

pub(super) fn version(state: &mut State, number: u32, served: Option<Version>, actions: &mut Vec<Action>) {
    let Some(check) = state.check.filter(|check| check.number == number) else { return };
    if served.is_some() {
        state.served = served;
        forget_faults(state);
    }
    if served.is_some() && served == state.settled {
        end(state, actions);
    } else {
        state.check = Some(Check { served, ..check });
        actions.push(Action::UpdateWorker(number));
    }
}

pub(super) fn update_done(state: &mut State, number: u32, is_good: bool, actions: &mut Vec<Action>) {
    let Some(check) = state.check.filter(|check| check.number == number) else { return };
    if is_good && check.served.is_some() {
        state.settled = check.served;
    }
    end(state, actions);
}

pub(super) fn overdue(state: &mut State) {
    state.check = None;
}

/// Takes a new snapshot; every new worker is a reason to ask which hash it belongs to.
pub(super) fn workers(state: &mut State, workers: Workers, now: Now, actions: &mut Vec<Action>) {
    let before = state.workers;
    state.workers = workers;
    if workers.is_waiting && !before.is_waiting {
        state.fault = state.fault.filter(|fault| *fault != Fault::Install);
        begin(state, now, actions);
    }
    apply::workers_changed(state, now, actions);
}

pub(super) fn redundant(state: &mut State, workers: Workers) {
    let before = state.workers;
    state.workers = workers;
    if workers.has_lost(before) {
        state.settled = None;
        state.fault = Some(Fault::Install);
    }
}

/// A page that runs what the origin serves has nothing to complain of.
fn forget_faults(state: &mut State) {
    if state.target().is_none() {
        state.fault = None;
    }
}

fn end(state: &mut State, actions: &mut Vec<Action>) {
    state.check = None;
    actions.push(Action::DropTimer(Timer::CheckOverdue));
}
