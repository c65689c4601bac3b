//! The one step of the machine: routes an event to the part that knows it, then shows what has changed.

use alloc::vec::Vec;

use super::{Action, Event, Fault, Now, State, Timer, Toast, Version, Workers, apply, check, link, refresh};

/// The state after an event, and what is to be done about it.
pub fn step(mut state: State, event: &Event, now: Now) -> (State, Vec<Action>) {
    let mut actions = Vec::new();
    let before = state.view();
    if state.is_reloading() {
        apply::after_reload_request(&mut state, event, &mut actions);
    } else {
        route(&mut state, event, now, &mut actions);
        refresh::advance(&mut state, now, &mut actions);
    }
    let after = state.view();
    if after != before || matches!(event, Event::Started(..)) {
        actions.push(Action::Show);
    }
    (state, actions)
}

fn route(state: &mut State, event: &Event, now: Now, actions: &mut Vec<Action>) {
    match event {
        Event::Started(has_hub, awaited) => begin(state, *has_hub, *awaited, now, actions),
        Event::CheckAsked => check::begin(state, now, actions),
        Event::CheckDue => check::begin_unless_recent(state, now, actions),
        Event::Version(number, served) => check::version(state, *number, *served, actions),
        Event::UpdateDone(number, is_good) => check::update_done(state, *number, *is_good, actions),
        Event::Workers(workers) => check::workers(state, *workers, now, actions),
        Event::WorkerBarred => state.fault = Some(Fault::Install),
        Event::WorkerRedundant(workers) => check::redundant(state, *workers),
        Event::ControllerChanged => apply::controller_changed(state, now, actions),
        Event::Clicked => apply::clicked(state, actions),
        Event::Dismissed => dismiss(state),
        Event::Flushed(is_saved) => apply::flushed(state, *is_saved, now, actions),
        Event::Hidden(is_hidden) => hide(state, *is_hidden, now, actions),
        Event::Timer(timer) => time_out(state, *timer, now, actions),
        Event::Ordered(order) => refresh::ordered(state, order, now, actions),
        Event::Forged(id) => refresh::forged(state, *id, actions),
        Event::MemoryBarred => {}
        Event::Link(event) => link::step(state, event, now, actions),
    }
}

fn begin(state: &mut State, has_hub: bool, awaited: Option<Version>, now: Now, actions: &mut Vec<Action>) {
    if awaited.is_some() && awaited != state.running {
        state.fault = Some(Fault::Reload);
        refresh::reload_was_in_vain(state, awaited);
    }
    check::begin(state, now, actions);
    // The hub counts clients by the hash that they run; one that does not know it has nothing to say.
    if has_hub && state.running.is_some() {
        link::connect(state, actions);
    }
}

fn dismiss(state: &mut State) {
    if matches!(state.view().toast, Some(Toast::Ready | Toast::Failed)) {
        state.dismissed = Some(state.served);
    }
}

fn hide(state: &mut State, is_hidden: bool, now: Now, actions: &mut Vec<Action>) {
    state.is_hidden = is_hidden;
    if is_hidden {
        refresh::page_hidden(state, now, actions);
    } else {
        check::begin_unless_recent(state, now, actions);
    }
}

fn time_out(state: &mut State, timer: Timer, now: Now, actions: &mut Vec<Action>) {
    match timer {
        Timer::Check => check::begin(state, now, actions),
        Timer::CheckOverdue => check::overdue(state),
        Timer::FlushOverdue => apply::flush_overdue(state, now, actions),
        Timer::ActivateOverdue => apply::activate_overdue(state, actions),
        Timer::ReloadOverdue => {}
        Timer::Order => refresh::due(state, now, actions),
        Timer::OrderDeadline => refresh::deadline(state, now, actions),
        Timer::Reconnect => link::connect(state, actions),
        Timer::Silence => link::silent(state, now, actions),
    }
}

impl Workers {
    /// Whether an installation that was under way in `before` has ended without a worker.
    pub(super) fn has_lost(self, before: Workers) -> bool {
        before.is_installing && !self.is_installing && !self.is_waiting
    }
}
