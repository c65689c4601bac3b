//! The hub's rules as stories of clients and events.

use jiff::{SignedDuration, Timestamp};

use super::{Hub, MAX_EVENTS, Offer, PublishError};
use crate::audience::Audience;
use crate::event::tests::{NOW, example};
use crate::event::{Event, Kind, Refusal};
use crate::record::Record;
use crate::wire::{Ack, AckState, Hello, ServiceWorker};

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

fn hub() -> Hub {
    let record = Record::new("epoch".into(), 0, Vec::new());
    Hub::resume(&record, Vec::new(), SignedDuration::from_secs(30), now())
}

fn hello(client: &str, digits: &str, tenant: &str) -> Hello {
    Hello {
        v: 1,
        client: client.into(),
        install: client.into(),
        hash: digits.repeat(32).parse().unwrap(),
        labels: [("tenant".to_owned(), tenant.to_owned())].into(),
        sw: ServiceWorker::Controlled,
    }
}

fn event(seq: u64, tenant: &str) -> Event {
    let choices = (!tenant.is_empty()).then(|| format!("tenant={tenant}").parse().unwrap());
    Event { seq, id: ulid::Ulid(u128::from(seq)), audience: Audience::of(choices), ..example() }
}

fn publish(hub: &mut Hub, event: Event) -> Vec<u64> {
    let jws = format!("jws-{}", event.seq);
    let Offer::New(publication) = hub.offer(event, &jws, now()).unwrap() else { panic!("known") };
    let mut recipients = hub.accept(publication);
    recipients.sort_unstable();
    recipients
}

#[test]
fn an_event_reaches_its_audience_and_newcomers_get_it_at_hello() {
    let mut hub = hub();
    assert_eq!(hub.hello(1, hello("one", "aa", "a"), now()), None);
    assert_eq!(hub.hello(2, hello("two", "aa", "b"), now()), None);
    assert_eq!(publish(&mut hub, event(1, "a")), [1]);
    assert_eq!(hub.hello(3, hello("three", "aa", "a"), now()), Some("jws-1".into()));
    assert_eq!(hub.hello(4, hello("four", "aa", "b"), now()), None);
}

#[test]
fn the_newest_event_wins_and_a_withdrawal_hides_its_event() {
    let mut hub = hub();
    publish(&mut hub, event(1, "a"));
    publish(&mut hub, event(2, ""));
    assert_eq!(hub.hello(1, hello("one", "aa", "a"), now()), Some("jws-2".into()));
    let cancel = Event { kind: Kind::Cancel, id: ulid::Ulid(2), ..event(3, "") };
    assert_eq!(publish(&mut hub, cancel), [1]);
    assert_eq!(hub.hello(2, hello("two", "aa", "a"), now()), Some("jws-3".into()));
    assert!(hub.fate(&hub.entries()[1]).is_cancelled);
}

#[test]
fn an_expired_event_is_given_to_nobody() {
    let mut hub = hub();
    publish(&mut hub, event(1, ""));
    let later = Timestamp::from_second(NOW + 3_600).unwrap();
    assert_eq!(hub.hello(1, hello("one", "aa", "a"), later), None);
}

#[test]
fn a_replayed_number_is_refused_and_the_same_event_is_known() {
    let mut hub = hub();
    publish(&mut hub, event(7, ""));
    let refused = |hub: &Hub, event: Event, jws: &str| hub.offer(event, jws, now()).unwrap_err();
    let replay = Event { id: ulid::Ulid(99), ..event(7, "") };
    assert_eq!(refused(&hub, replay, "other"), Refusal::Seq { seq: 7, current: 7 }.into());
    assert_eq!(refused(&hub, Event { seq: 8, ..event(7, "") }, "x"), PublishError::IdTaken(ulid::Ulid(7)));
    assert!(matches!(hub.offer(event(7, ""), "jws-7", now()), Ok(Offer::Known)));
}

#[test]
fn only_what_is_there_can_be_cancelled_and_only_once() {
    let mut hub = hub();
    let cancel = |seq, id| Event { kind: Kind::Cancel, id: ulid::Ulid(id), ..event(seq, "") };
    let error = hub.offer(cancel(1, 5), "x", now()).unwrap_err();
    assert_eq!(error, PublishError::NothingToCancel(ulid::Ulid(5)));
    publish(&mut hub, event(1, ""));
    publish(&mut hub, cancel(2, 1));
    assert!(hub.offer(cancel(3, 1), "y", now()).is_ok(), "cancelling again is harmless");
}

#[test]
fn the_histogram_follows_hellos_and_departures() {
    let mut hub = hub();
    hub.hello(1, hello("one", "aa", "a"), now());
    hub.hello(2, hello("two", "aa", "a"), now());
    hub.hello(2, hello("two", "bb", "a"), now());
    hub.leave(1, now());
    hub.leave(1, now());
    let hashes: Vec<_> = hub.hashes().iter().map(|(hash, count)| (hash.to_string(), *count)).collect();
    assert_eq!(hashes, [("bb".repeat(32), 1)]);
}

#[test]
fn acks_from_strangers_and_for_unknown_events_count_nothing() {
    let mut hub = hub();
    hub.hello(1, hello("one", "aa", "a"), now());
    publish(&mut hub, event(1, ""));
    let ack = |id| Ack { id: ulid::Ulid(id), state: AckState::Received, why: None };
    assert!(!hub.ack(9, ack(1)));
    assert!(!hub.ack(1, ack(2)));
    assert!(hub.ack(1, ack(1)));
    assert_eq!(hub.entries()[0].cohort.counts(now(), hub.grace()).received, 1);
}

#[test]
fn a_newer_event_of_the_same_audience_supersedes() {
    let mut hub = hub();
    publish(&mut hub, event(1, "a"));
    publish(&mut hub, event(2, "b"));
    assert!(!hub.fate(&hub.entries()[0]).is_superseded);
    publish(&mut hub, Event { manifest_hash: "77".repeat(32).parse().unwrap(), ..event(3, "a") });
    assert!(hub.fate(&hub.entries()[0]).is_superseded);
}

#[test]
fn spent_events_make_room_and_current_ones_do_not() {
    let mut hub = hub();
    for seq in 1..=MAX_EVENTS as u64 {
        publish(&mut hub, event(seq, &seq.to_string()));
    }
    assert_eq!(hub.offer(event(100, ""), "x", now()).unwrap_err(), PublishError::Full);
    let later = Timestamp::from_second(NOW + 3_600).unwrap();
    let fresh = Event { issued_at: NOW + 3_600, expires_at: NOW + 7_200, ..event(100, "") };
    let Offer::New(publication) = hub.offer(fresh, "x", later).unwrap() else { panic!("known") };
    assert_eq!(hub.record_with(&publication).events.len(), MAX_EVENTS);
    hub.accept(publication);
    assert_eq!(hub.entries().len(), MAX_EVENTS);
}
