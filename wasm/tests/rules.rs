//! The rules of the machine, one by one: which orders are followed, and how the connection is kept.

#![allow(clippy::unwrap_used, reason = "a test may stop where its own values are wrong")]

use proptest::prelude::*;
use slipway_update::machine::{
    Ack, AckState, Action, Event, Frame, Id, LinkEvent, Now, Order, OrderKind, Severity, State, Timer,
    Version, Why, full_jitter_ms, step,
};

const NOW_S: u64 = 1_800_000_000;
const RUNNING: u32 = 1;
const OTHER: u32 = 2;

fn now(random: u32) -> Now {
    Now { ms: NOW_S * 1_000, random }
}

/// A page that runs a version and is welcome at its hub.
fn page(change: impl FnOnce(&mut State)) -> State {
    let mut state = State { running: Version::new(RUNNING), can_remember: true, ..State::default() };
    change(&mut state);
    let state = step(state, &Event::Started(true, None), now(0)).0;
    let state = step(state, &Event::Link(LinkEvent::Opened), now(0)).0;
    step(state, &Event::Link(LinkEvent::Welcome(Id::new(9), 25)), now(0)).0
}

fn order(change: impl FnOnce(&mut Order)) -> Event {
    let mut order = Order {
        kind: refresh(OTHER),
        id: Id::new(7).unwrap(),
        seq: 5,
        issued_at_s: NOW_S,
        expires_at_s: NOW_S + 3_600,
        is_for_us: true,
    };
    change(&mut order);
    Event::Ordered(order)
}

fn refresh(target: u32) -> OrderKind {
    let target = Version::new(target).unwrap();
    OrderKind::Refresh { target, severity: Severity::Critical, deadline_s: 60, jitter_ms: 0 }
}

fn answers(state: State, event: &Event) -> Vec<(AckState, Option<Why>)> {
    let acks = step(state, event, now(0)).1.into_iter().filter_map(|action| match action {
        Action::Send(Frame::Ack(Ack { state, why, .. })) => Some((state, why)),
        _ => None,
    });
    acks.collect()
}

fn timer(actions: &[Action], wanted: Timer) -> Option<u32> {
    actions.iter().find_map(|action| match action {
        Action::SetTimer(timer, after_ms) if *timer == wanted => Some(*after_ms),
        _ => None,
    })
}

#[test]
fn each_rule_answers_what_breaks_it() {
    type Change = fn(&mut Order);
    let cases: [(&str, Change, AckState, Option<Why>); 8] = [
        ("good", |_| (), AckState::Received, None),
        ("expired", |order| order.expires_at_s = NOW_S - 121, AckState::Refused, Some(Why::Expired)),
        ("skew", |order| order.expires_at_s = NOW_S - 120, AckState::Received, None),
        ("future", |order| order.issued_at_s = NOW_S + 121, AckState::Refused, Some(Why::Expired)),
        ("two days", |order| order.expires_at_s = NOW_S + 172_800, AckState::Refused, Some(Why::Expired)),
        ("others", |order| order.is_for_us = false, AckState::Skipped, None),
        ("same hash", |order| order.kind = refresh(RUNNING), AckState::Skipped, None),
        ("withdrawal", |order| order.kind = OrderKind::Cancel, AckState::Received, None),
    ];
    for (name, change, state, why) in cases {
        assert_eq!(answers(page(|_| ()), &order(change)), [(state, why)], "{name}");
    }
}

#[test]
fn an_older_order_is_not_even_answered() {
    let state = page(|state| (state.memory.epoch, state.memory.seq) = (Id::new(9), 6));
    assert_eq!(answers(state, &order(|_| ())), []);
}

#[test]
fn a_new_epoch_of_the_hub_counts_anew() {
    let state = page(|state| (state.memory.epoch, state.memory.seq) = (Id::new(8), 6));
    assert_eq!(answers(state, &order(|_| ())), [(AckState::Received, None)]);
}

#[test]
fn an_order_is_acted_upon_once() {
    let state = page(|state| state.memory.done.extend(Id::new(7)));
    assert_eq!(answers(state, &order(|_| ())), []);
}

#[test]
fn an_order_is_noted_before_the_reload_that_it_asks_for() {
    let target = Version::new(OTHER);
    let mut state = page(|_| ());
    let mut actions = Vec::new();
    for event in [
        Event::Version(1, target),
        Event::UpdateDone(1, true),
        order(|_| ()),
        Event::Version(2, target),
        Event::Timer(Timer::Order),
        Event::Flushed(true),
    ] {
        (state, actions) = step(state, &event, now(0));
    }
    let noted = actions.iter().position(|action| *action == Action::NoteDone(Id::new(7).unwrap()));
    let reloaded = actions.iter().position(|action| *action == Action::NoteAndReload);
    assert!(noted.is_some() && noted < reloaded, "{actions:?}");
}

#[test]
fn a_fourth_reload_within_an_hour_is_one_too_many() {
    let minutes_ago = |minutes: u64| (NOW_S - minutes * 60) * 1_000;
    for (minutes, answer) in
        [([59, 40, 10], (AckState::Refused, Some(Why::Budget))), ([61, 40, 10], (AckState::Received, None))]
    {
        let state = page(|state| state.memory.reload_times_ms = minutes.map(minutes_ago).to_vec());
        assert_eq!(answers(state, &order(|_| ())), [answer], "{minutes:?}");
    }
}

#[test]
fn a_page_that_does_not_know_its_hash_follows_no_order() {
    let state = State { can_remember: true, ..State::default() };
    let (state, actions) = step(state, &Event::Started(true, None), now(0));
    assert!(!actions.contains(&Action::Connect));
    let state = step(state, &order(|_| ()), now(0)).0;
    assert_eq!(state.order, None);
}

#[test]
fn close_codes_below_4100_end_the_connection_for_good() {
    for (code, is_final) in
        [(1001, false), (1006, false), (4000, true), (4003, true), (4100, false), (4102, false)]
    {
        let (_, actions) = step(page(|_| ()), &Event::Link(LinkEvent::Closed(code)), now(0));
        assert_eq!(timer(&actions, Timer::Reconnect).is_none(), is_final, "{code}");
    }
}

#[test]
fn a_hub_that_drains_says_when_to_come_back() {
    let (state, _) = step(page(|_| ()), &Event::Link(LinkEvent::Drain(7_311)), now(0));
    let (_, actions) = step(state, &Event::Link(LinkEvent::Closed(1001)), now(0));
    assert_eq!(timer(&actions, Timer::Reconnect), Some(7_311));
}

#[test]
fn a_silent_hub_is_left() {
    let (_, actions) = step(page(|_| ()), &Event::Timer(Timer::Silence), now(0));
    assert!(actions.contains(&Action::Disconnect));
    assert!(timer(&actions, Timer::Reconnect).is_some());
}

#[test]
fn a_late_answer_to_an_earlier_check_changes_nothing() {
    let state = step(page(|_| ()), &Event::Timer(Timer::CheckOverdue), now(0)).0;
    let state = step(state, &Event::CheckAsked, now(0)).0;
    let (after, actions) = step(state.clone(), &Event::Version(1, Version::new(OTHER)), now(0));
    assert_eq!((after, actions), (state, vec![]));
}

#[test]
fn hints_that_come_in_bursts_make_one_check_a_minute() {
    let state = step(page(|_| ()), &Event::Timer(Timer::CheckOverdue), now(0)).0;
    let at = |seconds| Now { ms: (NOW_S + seconds) * 1_000, random: 0 };
    assert_eq!(step(state.clone(), &Event::CheckDue, at(59)).0.checks, 1);
    assert_eq!(step(state, &Event::CheckDue, at(60)).0.checks, 2);
}

proptest! {
    #[test]
    fn waiting_times_stay_between_a_second_and_the_ceiling(attempt in 0_u32..40, random: u32) {
        let wait = full_jitter_ms(attempt, 60_000, random);
        let ceiling = 60_000.min(1_000 * 2_u32.pow(attempt.min(8) + 1));
        prop_assert!((1_000..=ceiling).contains(&wait), "{wait}");
    }

    #[test]
    fn reloads_by_order_are_spread_over_the_jitter(random: u32, jitter_ms in 0_u32..3_600_000) {
        let target = Version::new(OTHER).unwrap();
        let kind = OrderKind::Refresh { target, severity: Severity::Critical, deadline_s: 60, jitter_ms };
        let state = step(page(|_| ()), &Event::Version(1, Some(target)), now(0)).0;
        let state = step(state, &Event::UpdateDone(1, true), now(0)).0;
        let state = step(state, &order(|order| order.kind = kind), now(0)).0;
        let actions = step(state, &Event::Version(2, Some(target)), now(random)).1;
        let delay = timer(&actions, Timer::Order);
        prop_assert!(delay.is_some_and(|delay| delay <= jitter_ms), "{delay:?}");
    }
}
