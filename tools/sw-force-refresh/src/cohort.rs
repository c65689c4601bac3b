//! Who was to take an event, and where each of them stands: the count that the exit code of `send` rests on.
//!
//! The cohort is fixed when the event is published: the clients it matched that did not run its version yet. A
//! newcomer that already runs it would only flatter the figure. A member counts as updated through one thing alone:
//! its own hello names the wanted hash. Acknowledgements only tell how the others fare.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};
use precache_manifest::ManifestHash;
use serde::{Deserialize, Serialize};

use crate::wire::{Ack, AckState, ServiceWorker, Why};

/// The members of one event's cohort.
#[derive(Clone, Debug)]
pub struct Cohort {
    target: ManifestHash,
    already: u64,
    members: HashMap<String, Member>,
}

#[derive(Clone, Debug)]
struct Member {
    standing: Standing,
    why: Option<Why>,
    has_updated: bool,
    is_unsupported: bool,
    connections: u32,
    away_since: Timestamp,
}

/// What a member last said about the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Silent,
    Said(AckState),
}

/// Where the members stand: every member is in exactly one of the counts after `cohort`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Matched clients that ran the wanted version already; not in the cohort.
    pub already: u64,
    /// Matched clients that did not.
    pub cohort: u64,
    /// Nothing heard from them yet.
    pub silent: u64,
    /// They have verified the event.
    pub received: u64,
    /// They wait for their user or for a better moment.
    pub deferred: u64,
    /// They activate the new version and reload.
    pub updating: u64,
    /// They came back on the wanted version.
    pub updated: u64,
    /// They tried and could not.
    pub failed: u64,
    /// They do not accept the event.
    pub refused: u64,
    /// They say that they have nothing to do, without having come back on the wanted version.
    pub skipped: u64,
    /// Their connection has been closed for longer than the grace time.
    pub gone: u64,
    /// Their platform has no service worker.
    pub unsupported: u64,
    /// Why members failed, refused or deferred.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub why: BTreeMap<Why, u64>,
}

/// A client at the moment of publishing.
#[derive(Clone, Copy, Debug)]
pub struct Matched<'a> {
    /// Its identifier.
    pub client: &'a str,
    /// What it runs.
    pub hash: ManifestHash,
    /// Whether its platform has a service worker.
    pub sw: ServiceWorker,
}

impl Cohort {
    /// The cohort of an event for `target` among the clients that it matches, one entry per connection.
    pub fn at_publish<'a>(target: ManifestHash, matched: impl IntoIterator<Item = Matched<'a>>) -> Cohort {
        let mut cohort = Cohort { target, already: 0, members: HashMap::new() };
        for Matched { client, hash, sw } in matched {
            if hash == target {
                cohort.already += 1;
                continue;
            }
            let member =
                cohort.members.entry(client.to_owned()).or_insert_with(|| Member::new(Timestamp::MIN));
            member.connections += 1;
            member.is_unsupported = sw == ServiceWorker::Unsupported;
        }
        cohort
    }

    /// The cohort as a restarted hub knows it: all members away since `now`, until their hello says what they run.
    pub fn restored(target: ManifestHash, already: u64, clients: Vec<String>, now: Timestamp) -> Cohort {
        let members = clients.into_iter().map(|client| (client, Member::new(now))).collect();
        Cohort { target, already, members }
    }

    /// Its members, in order.
    pub fn clients(&self) -> Vec<String> {
        let mut clients: Vec<String> = self.members.keys().cloned().collect();
        clients.sort_unstable();
        clients
    }

    /// Matched clients that ran the wanted version already.
    pub fn already(&self) -> u64 {
        self.already
    }

    /// Takes a hello of `client`, which runs `hash`.
    pub fn hello(&mut self, client: &str, hash: ManifestHash, sw: ServiceWorker) {
        let Some(member) = self.members.get_mut(client) else {
            return;
        };
        member.connections += 1;
        member.has_updated = hash == self.target;
        member.is_unsupported = sw == ServiceWorker::Unsupported;
        // "Updating" ends with the reload: on the wanted version it has become true, on another one it has not.
        if member.standing == Standing::Said(AckState::Updating) {
            member.standing = Standing::Silent;
        }
    }

    /// Takes an acknowledgement of `client`.
    pub fn ack(&mut self, client: &str, ack: Ack) {
        let Some(member) = self.members.get_mut(client) else {
            return;
        };
        if ack.state != AckState::Unknown {
            member.standing = Standing::Said(ack.state);
            member.why = ack.why;
        }
    }

    /// Takes the end of one of `client`'s connections.
    pub fn leave(&mut self, client: &str, now: Timestamp) {
        let Some(member) = self.members.get_mut(client) else {
            return;
        };
        member.connections = member.connections.saturating_sub(1);
        member.away_since = now;
    }

    /// Where the members stand at `now`. Who has been away for less than `grace` may be in the middle of its reload
    /// and keeps its place.
    pub fn counts(&self, now: Timestamp, grace: SignedDuration) -> Counts {
        let cohort = u64::try_from(self.members.len()).unwrap_or(u64::MAX);
        let mut counts = Counts { already: self.already, cohort, ..Counts::default() };
        for member in self.members.values() {
            *counts.place_of(member, now, grace) += 1;
            let is_stuck = matches!(
                member.standing,
                Standing::Said(AckState::Failed | AckState::Refused | AckState::Deferred)
            );
            if let (true, false, Some(why)) = (is_stuck, member.has_updated, member.why) {
                *counts.why.entry(why).or_default() += 1;
            }
        }
        counts
    }
}

impl Member {
    fn new(away_since: Timestamp) -> Member {
        Member {
            standing: Standing::Silent,
            why: None,
            has_updated: false,
            is_unsupported: false,
            connections: 0,
            away_since,
        }
    }

    fn is_gone(&self, now: Timestamp, grace: SignedDuration) -> bool {
        self.connections == 0 && now.duration_since(self.away_since) >= grace
    }
}

impl Counts {
    fn place_of(&mut self, member: &Member, now: Timestamp, grace: SignedDuration) -> &mut u64 {
        if member.is_unsupported {
            return &mut self.unsupported;
        }
        if member.has_updated {
            return &mut self.updated;
        }
        if member.is_gone(now, grace) {
            return &mut self.gone;
        }
        match member.standing {
            Standing::Silent | Standing::Said(AckState::Unknown) => &mut self.silent,
            Standing::Said(AckState::Received) => &mut self.received,
            Standing::Said(AckState::Deferred) => &mut self.deferred,
            Standing::Said(AckState::Updating) => &mut self.updating,
            Standing::Said(AckState::Failed) => &mut self.failed,
            Standing::Said(AckState::Refused) => &mut self.refused,
            Standing::Said(AckState::Skipped) => &mut self.skipped,
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};
    use precache_manifest::ManifestHash;

    use super::{Cohort, Counts, Matched};
    use crate::wire::{Ack, AckState, ServiceWorker, Why};

    const GRACE: SignedDuration = SignedDuration::from_secs(30);

    fn hash(digit: char) -> ManifestHash {
        digit.to_string().repeat(64).parse().unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// Clients `0..count` on the old version, and the target is `b`.
    fn cohort_of(count: usize) -> Cohort {
        let clients: Vec<String> = (0..count).map(|number| number.to_string()).collect();
        let matched =
            clients.iter().map(|client| Matched { client, hash: hash('a'), sw: ServiceWorker::Controlled });
        Cohort::at_publish(hash('b'), matched)
    }

    fn ack(state: AckState, why: Option<Why>) -> Ack {
        Ack { id: "01JZZZZZZZZZZZZZZZZZZZZZZZ".parse().unwrap(), state, why }
    }

    fn sum(counts: &Counts) -> u64 {
        counts.silent
            + counts.received
            + counts.deferred
            + counts.updating
            + counts.updated
            + counts.failed
            + counts.refused
            + counts.skipped
            + counts.gone
            + counts.unsupported
    }

    #[test]
    fn only_an_own_hello_on_the_wanted_hash_counts_as_updated() {
        let mut cohort = cohort_of(3);
        cohort.ack("0", ack(AckState::Updating, None));
        cohort.ack("1", ack(AckState::Skipped, None));
        cohort.leave("0", at(1));
        assert_eq!(cohort.counts(at(2), GRACE).updated, 0);
        cohort.hello("0", hash('b'), ServiceWorker::Controlled);
        cohort.hello("stranger", hash('b'), ServiceWorker::Controlled);
        let counts = cohort.counts(at(2), GRACE);
        assert_eq!((counts.updated, counts.skipped, counts.silent, counts.cohort), (1, 1, 1, 3));
    }

    #[test]
    fn who_comes_back_on_the_old_version_has_not_updated() {
        let mut cohort = cohort_of(1);
        cohort.hello("0", hash('b'), ServiceWorker::Controlled);
        cohort.hello("0", hash('a'), ServiceWorker::Controlled);
        assert_eq!(cohort.counts(at(0), GRACE).updated, 0);
    }

    #[test]
    fn a_reload_is_not_a_departure_until_the_grace_time_is_over() {
        let mut cohort = cohort_of(1);
        cohort.ack("0", ack(AckState::Updating, None));
        cohort.leave("0", at(100));
        assert_eq!(cohort.counts(at(129), GRACE).updating, 1);
        assert_eq!(cohort.counts(at(130), GRACE).gone, 1);
        cohort.hello("0", hash('b'), ServiceWorker::Controlled);
        assert_eq!(cohort.counts(at(131), GRACE).updated, 1);
    }

    #[test]
    fn an_updated_client_stays_updated_when_its_tab_closes() {
        let mut cohort = cohort_of(1);
        cohort.hello("0", hash('b'), ServiceWorker::Controlled);
        cohort.leave("0", at(1));
        cohort.leave("0", at(1));
        assert_eq!(cohort.counts(at(999), GRACE).updated, 1);
    }

    #[test]
    fn clients_on_the_wanted_version_at_publish_are_counted_apart() {
        let client = |client, digit| Matched { client, hash: hash(digit), sw: ServiceWorker::Controlled };
        let cohort = Cohort::at_publish(hash('b'), [client("0", 'a'), client("1", 'b'), client("2", 'b')]);
        let counts = cohort.counts(at(0), GRACE);
        assert_eq!((counts.cohort, counts.already, counts.updated), (1, 2, 0));
    }

    #[test]
    fn clients_without_service_workers_are_counted_apart() {
        let unsupported = Matched { client: "0", hash: hash('a'), sw: ServiceWorker::Unsupported };
        let mut cohort = Cohort::at_publish(hash('b'), [unsupported]);
        assert_eq!(cohort.counts(at(0), GRACE).unsupported, 1);
        cohort.hello("0", hash('b'), ServiceWorker::Unsupported);
        assert_eq!(cohort.counts(at(0), GRACE).unsupported, 1);
    }

    #[test]
    fn reasons_are_counted_for_those_who_are_stuck() {
        let mut cohort = cohort_of(3);
        cohort.ack("0", ack(AckState::Failed, Some(Why::NotServed)));
        cohort.ack("1", ack(AckState::Deferred, Some(Why::UserBusy)));
        cohort.ack("2", ack(AckState::Received, Some(Why::UserBusy)));
        let counts = cohort.counts(at(0), GRACE);
        assert_eq!(counts.why, [(Why::NotServed, 1), (Why::UserBusy, 1)].into());
    }

    #[test]
    fn a_restored_cohort_learns_the_truth_from_hellos() {
        let clients = cohort_of(2).clients();
        let mut cohort = Cohort::restored(hash('b'), 5, clients, at(100));
        cohort.hello("0", hash('b'), ServiceWorker::Controlled);
        let counts = cohort.counts(at(101), GRACE);
        assert_eq!((counts.cohort, counts.already, counts.updated, counts.silent), (2, 5, 1, 1));
        assert_eq!(cohort.counts(at(130), GRACE).gone, 1);
    }

    proptest::proptest! {
        #[test]
        fn every_member_is_counted_exactly_once(
            steps in proptest::collection::vec((0_usize..6, 0_usize..6, 0_i64..100), 0..200)
        ) {
            let mut cohort = cohort_of(5);
            let mut now = 0;
            for (step, client, seconds) in steps {
                now += seconds;
                let client = client.to_string();
                match step {
                    0 => cohort.hello(&client, hash('a'), ServiceWorker::Controlled),
                    1 => cohort.hello(&client, hash('b'), ServiceWorker::Unsupported),
                    2 => cohort.hello(&client, hash('b'), ServiceWorker::None),
                    3 => cohort.leave(&client, at(now)),
                    4 => cohort.ack(&client, ack(AckState::Updating, None)),
                    _ => cohort.ack(&client, ack(AckState::Failed, Some(Why::SwError))),
                }
                proptest::prop_assert_eq!(sum(&cohort.counts(at(now), GRACE)), 5);
            }
        }
    }
}
