//! Following an order: see that the origin serves the hash, have it installed, wait for the right moment, apply.

use alloc::vec::Vec;

use super::{
    Ack, AckState, Action, Cause, Fault, Id, Now, Order, OrderKind, Severity, State, Timer, Version, Why,
    apply,
    backoff::{full_jitter_ms, scaled},
    check, link,
    order::{self, Judgement},
};

/// An order that is being followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pursuit {
    /// The order.
    pub order: Order,
    /// The hash that it asks for.
    pub target: Version,
    /// How far it has come.
    pub stage: PursuitStage,
    /// When nothing is put off any more, in unix milliseconds.
    pub deadline_ms: u64,
}

/// How far an order has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PursuitStage {
    /// The hash is not known to be served and installed yet; so many attempts were in vain.
    Confirming(u32),
    /// The origin does not serve it yet; the next look is due when the timer says so.
    Pausing(u32),
    /// The reload waits for this client's place in the spread.
    Delaying,
    /// The reload waits for the user, the background or the deadline.
    Deferred,
    /// The update is being applied.
    Applying,
}

/// The memory keeps so many hashes, ids and times: enough for any day, little enough for any storage.
const MEMORY_LIMIT: usize = 16;

/// Between two looks at an origin that does not serve the hash yet.
const LONGEST_RETRY_MS: u32 = 30_000;

/// A user who was in the way is asked again after this long.
const BUSY_MS: u32 = 15_000;

pub(super) fn ordered(state: &mut State, order: &Order, now: Now, actions: &mut Vec<Action>) {
    match order::judge(state, order, now.ms) {
        Judgement::Ignore => {}
        Judgement::Answer(answer, why) => link::ack(state, order.ack(answer, why), actions),
        Judgement::Follow => follow(state, order, now, actions),
    }
}

pub(super) fn forged(state: &mut State, id: Id, actions: &mut Vec<Action>) {
    let ack = Ack { id, state: AckState::Refused, why: Some(Why::BadSignature) };
    link::ack(state, ack, actions);
}

fn follow(state: &mut State, order: &Order, now: Now, actions: &mut Vec<Action>) {
    if state.application.is_some() {
        return;
    }
    link::ack(state, order.ack(AckState::Received, None), actions);
    let is_withdrawn = state.order.as_ref().is_some_and(|pursuit| pursuit.order.id == order.id);
    if order.kind != OrderKind::Cancel || is_withdrawn {
        drop_order(state, actions);
    }
    state.memory.seq = order.seq;
    actions.push(Action::NoteSeq);
    if let OrderKind::Refresh { target, deadline_s, .. } = order.kind {
        let wait_ms = deadline_s.saturating_mul(1_000);
        let deadline_ms = now.ms.saturating_add(u64::from(wait_ms));
        let stage = PursuitStage::Confirming(0);
        state.order = Some(Pursuit { order: *order, target, stage, deadline_ms });
        actions.push(Action::SetTimer(Timer::OrderDeadline, wait_ms));
        check::begin(state, now, actions);
    }
}

/// Moves an order on that waits for the origin and the worker, whatever event has brought them about.
pub(super) fn advance(state: &mut State, now: Now, actions: &mut Vec<Action>) {
    let Some(pursuit) = state.order else { return };
    let (PursuitStage::Confirming(attempt) | PursuitStage::Pausing(attempt)) = pursuit.stage else { return };
    if state.application.is_some() || state.check.is_some() {
        return;
    }
    let is_installing = state.workers.is_installing && state.settled == Some(pursuit.target);
    if is_within_reach(state, &pursuit) {
        wait_for_moment(state, &pursuit, now, actions);
    } else if pursuit.stage == PursuitStage::Confirming(attempt) && !is_installing {
        set_stage(state, PursuitStage::Pausing(attempt.saturating_add(1)));
        actions.push(Action::SetTimer(Timer::Order, full_jitter_ms(attempt, LONGEST_RETRY_MS, now.random)));
    }
}

fn wait_for_moment(state: &mut State, pursuit: &Pursuit, now: Now, actions: &mut Vec<Action>) {
    let OrderKind::Refresh { severity, jitter_ms, .. } = pursuit.order.kind else { return };
    let is_free = severity == Severity::Critical || (severity == Severity::High && state.is_hidden);
    if is_free && state.can_remember {
        set_stage(state, PursuitStage::Delaying);
        actions.push(Action::SetTimer(Timer::Order, scaled(now.random, jitter_ms)));
    } else {
        defer(state, actions);
        actions.push(Action::DropTimer(Timer::Order));
    }
}

/// The timer of an order has run out: look again, or reload.
pub(super) fn due(state: &mut State, now: Now, actions: &mut Vec<Action>) {
    let Some(pursuit) = state.order else { return };
    match pursuit.stage {
        PursuitStage::Pausing(attempt) => {
            set_stage(state, PursuitStage::Confirming(attempt));
            check::begin(state, now, actions);
        }
        PursuitStage::Delaying | PursuitStage::Deferred => start(state, &pursuit, now, actions),
        PursuitStage::Confirming(_) | PursuitStage::Applying => {}
    }
}

pub(super) fn page_hidden(state: &mut State, now: Now, actions: &mut Vec<Action>) {
    if let Some(pursuit) = state.order
        && pursuit.stage == PursuitStage::Deferred
        && matches!(pursuit.order.kind, OrderKind::Refresh { severity: Severity::High, .. })
    {
        start(state, &pursuit, now, actions);
    }
}

pub(super) fn deadline(state: &mut State, now: Now, actions: &mut Vec<Action>) {
    let Some(pursuit) = &mut state.order else { return };
    // The timer decides, not the clock: a clock that was set back must not take the deadline away.
    pursuit.deadline_ms = pursuit.deadline_ms.min(now.ms);
    let pursuit = *pursuit;
    match pursuit.stage {
        PursuitStage::Confirming(_) | PursuitStage::Pausing(_) => {
            let is_served = state.served == Some(pursuit.target);
            let why = if is_served { Why::SwError } else { Why::NotServed };
            end(state, AckState::Failed, why, actions);
        }
        PursuitStage::Delaying | PursuitStage::Deferred => start(state, &pursuit, now, actions),
        PursuitStage::Applying => {}
    }
}

/// Begins to apply, if the version is still the one that was ordered and this tab may still reload by itself.
fn start(state: &mut State, pursuit: &Pursuit, now: Now, actions: &mut Vec<Action>) {
    if state.application.is_some() {
        return;
    }
    if !state.can_remember || order::is_spent(&state.memory, pursuit.target, now.ms) {
        let why = if state.can_remember { Why::Budget } else { Why::UserBusy };
        end(state, AckState::Failed, why, actions);
    } else if is_within_reach(state, pursuit) {
        let left_ms = u32::try_from(pursuit.deadline_ms.saturating_sub(now.ms)).unwrap_or(u32::MAX);
        apply::begin(state, Cause::Order, left_ms.max(SHORTEST_FLUSH_MS), actions);
    } else if is_past_deadline(state, now) {
        end(state, AckState::Failed, Why::NotServed, actions);
    } else {
        set_stage(state, PursuitStage::Confirming(0));
        check::begin(state, now, actions);
    }
}

/// Even at the deadline the hook gets a moment: what it saves is worth more than the moment.
const SHORTEST_FLUSH_MS: u32 = 3_000;

pub(super) fn applying(state: &mut State, actions: &mut Vec<Action>) {
    let Some(pursuit) = &state.order else { return };
    let ack = pursuit.order.ack(AckState::Updating, None);
    link::ack(state, ack, actions);
    set_stage(state, PursuitStage::Applying);
    actions.push(Action::DropTimer(Timer::Order));
}

/// What the order's application has come to, when there was no reload.
pub(super) fn gave_up(state: &mut State, fault: Fault, actions: &mut Vec<Action>) {
    if state.order.is_none() {
        return;
    }
    match fault {
        Fault::Flush => {
            defer(state, actions);
            actions.push(Action::SetTimer(Timer::Order, BUSY_MS));
        }
        Fault::Install | Fault::Activate | Fault::Reload => {
            end(state, AckState::Failed, Why::SwError, actions);
        }
    }
}

/// Takes the reload by order into the memory; false if this tab must not reload by itself.
pub(super) fn note_reload(state: &mut State, now: Now, actions: &mut Vec<Action>) -> bool {
    let Some(pursuit) = &state.order else { return false };
    if !state.can_remember || order::is_spent(&state.memory, pursuit.target, now.ms) {
        return false;
    }
    keep_latest(&mut state.memory.reloaded, pursuit.target);
    keep_latest(&mut state.memory.done, pursuit.order.id);
    actions.push(Action::NoteDone(pursuit.order.id));
    keep_latest(&mut state.memory.reload_times_ms, now.ms);
    true
}

/// The page before this one reloaded by order, and this one still runs another hash: say so, and do not try again.
pub(super) fn reload_was_in_vain(state: &mut State, awaited: Option<Version>) {
    if let Some(id) = state.memory.done.last()
        && state.memory.reloaded.last().copied() == awaited
    {
        state.unsent.push(Ack { id: *id, state: AckState::Failed, why: Some(Why::SwError) });
    }
}

pub(super) fn is_past_deadline(state: &State, now: Now) -> bool {
    state.order.as_ref().is_some_and(|pursuit| pursuit.deadline_ms <= now.ms)
}

fn is_within_reach(state: &State, pursuit: &Pursuit) -> bool {
    state.served == Some(pursuit.target) && state.is_ready()
}

fn defer(state: &mut State, actions: &mut Vec<Action>) {
    let Some(pursuit) = &state.order else { return };
    let ack = pursuit.order.ack(AckState::Deferred, Some(Why::UserBusy));
    link::ack(state, ack, actions);
    set_stage(state, PursuitStage::Deferred);
    state.dismissed = None;
}

fn end(state: &mut State, answer: AckState, why: Why, actions: &mut Vec<Action>) {
    if let Some(pursuit) = &state.order {
        let ack = pursuit.order.ack(answer, Some(why));
        keep_latest(&mut state.memory.done, ack.id);
        actions.push(Action::NoteDone(ack.id));
        link::ack(state, ack, actions);
    }
    drop_order(state, actions);
}

fn drop_order(state: &mut State, actions: &mut Vec<Action>) {
    if state.order.take().is_some() {
        actions.push(Action::DropTimer(Timer::Order));
        actions.push(Action::DropTimer(Timer::OrderDeadline));
    }
}

fn set_stage(state: &mut State, stage: PursuitStage) {
    if let Some(pursuit) = &mut state.order {
        pursuit.stage = stage;
    }
}

fn keep_latest<T>(list: &mut Vec<T>, value: T) {
    if list.len() >= MEMORY_LIMIT {
        list.remove(0);
    }
    list.push(value);
}
