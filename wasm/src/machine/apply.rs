//! Applying an update: save the user's input, let the new worker take over, reload once.
//!
//! The hook comes before the new worker takes over, because until then the old worker still serves the old lazy chunks
//! that the hook may need, and because a hook that fails then stops a user's update before anything has changed.

use alloc::vec::Vec;

use super::{Action, Application, Cause, Event, Fault, Now, Stage, State, Timer, check, refresh};

/// How long a click waits for the application's hook; an order waits until its own deadline instead.
const FLUSH_MS: u32 = 10_000;

/// How long the new worker may take to take over.
const ACTIVATE_MS: u32 = 5_000;

/// A page that still lives after this was kept by the user (a `beforeunload` question) or by the browser.
const RELOAD_MS: u32 = 10_000;

pub(super) fn clicked(state: &mut State, actions: &mut Vec<Action>) {
    if state.is_ready() && state.application.is_none() {
        begin(state, Cause::User, FLUSH_MS, actions);
    }
}

pub(super) fn begin(state: &mut State, cause: Cause, flush_ms: u32, actions: &mut Vec<Action>) {
    state.fault = None;
    refresh::applying(state, actions);
    state.application = Some(Application { cause, stage: Stage::Flushing, target: state.target() });
    actions.push(Action::Flush);
    actions.push(Action::SetTimer(Timer::FlushOverdue, flush_ms));
}

pub(super) fn flushed(state: &mut State, is_saved: bool, now: Now, actions: &mut Vec<Action>) {
    let Some(application) = at(state, Stage::Flushing) else { return };
    actions.push(Action::DropTimer(Timer::FlushOverdue));
    if is_saved || refresh::is_past_deadline(state, now) {
        activate(state, application, now, actions);
    } else {
        give_up(state, Fault::Flush, actions);
    }
}

/// A user's update gives up rather than lose input; an order has waited until its deadline and goes on.
pub(super) fn flush_overdue(state: &mut State, now: Now, actions: &mut Vec<Action>) {
    let Some(application) = at(state, Stage::Flushing) else { return };
    match application.cause {
        Cause::User => give_up(state, Fault::Flush, actions),
        Cause::Order => activate(state, application, now, actions),
    }
}

pub(super) fn controller_changed(state: &mut State, now: Now, actions: &mut Vec<Action>) {
    match at(state, Stage::Activating) {
        Some(application) => reload(state, application, now, actions),
        // Another tab has updated: this one keeps its page and asks its own user.
        None => check::begin(state, now, actions),
    }
}

/// A page without a controller gets no `controllerchange`; it sees that nothing waits any more.
pub(super) fn workers_changed(state: &mut State, now: Now, actions: &mut Vec<Action>) {
    if let Some(application) = at(state, Stage::Activating)
        && !state.workers.is_waiting
    {
        reload(state, application, now, actions);
    }
}

pub(super) fn activate_overdue(state: &mut State, actions: &mut Vec<Action>) {
    if at(state, Stage::Activating).is_some() {
        give_up(state, Fault::Activate, actions);
    }
}

/// After the reload was asked for, only its failure matters.
pub(super) fn after_reload_request(state: &mut State, event: &Event, actions: &mut Vec<Action>) {
    match event {
        Event::MemoryBarred => {
            state.can_remember = false;
            give_up(state, Fault::Reload, actions);
        }
        Event::Timer(Timer::ReloadOverdue) => give_up(state, Fault::Reload, actions),
        Event::Workers(workers) | Event::WorkerRedundant(workers) => state.workers = *workers,
        _ => {}
    }
}

fn activate(state: &mut State, application: Application, now: Now, actions: &mut Vec<Action>) {
    if state.workers.is_waiting {
        state.application = Some(Application { stage: Stage::Activating, ..application });
        actions.push(Action::SkipWaiting);
        actions.push(Action::SetTimer(Timer::ActivateOverdue, ACTIVATE_MS));
    } else {
        reload(state, application, now, actions);
    }
}

fn reload(state: &mut State, application: Application, now: Now, actions: &mut Vec<Action>) {
    actions.push(Action::DropTimer(Timer::ActivateOverdue));
    let is_by_order = application.cause == Cause::Order;
    if is_by_order && !refresh::note_reload(state, now, actions) {
        return give_up(state, Fault::Reload, actions);
    }
    state.application = Some(Application { stage: Stage::Reloading, ..application });
    actions.push(Action::SetTimer(Timer::ReloadOverdue, RELOAD_MS));
    actions.push(if is_by_order { Action::NoteAndReload } else { Action::Reload });
}

fn give_up(state: &mut State, fault: Fault, actions: &mut Vec<Action>) {
    state.application = None;
    state.fault = Some(fault);
    state.dismissed = None;
    refresh::gave_up(state, fault, actions);
}

fn at(state: &State, stage: Stage) -> Option<Application> {
    state.application.filter(|application| application.stage == stage)
}
