//! The hub's counters in the text format of Prometheus.
//!
//! Follows the exposition format 0.0.4. No label takes a value that a client could invent without bound: versions are
//! limited to the most frequent ones, states and codes are ours.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::api::Status;
use crate::wire::AckState;

/// What a hub has counted since it started.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Updates and withdrawals accepted.
    pub published: u64,
    /// Refused ones, by the code of the answer.
    pub refused_events: BTreeMap<&'static str, u64>,
    /// Refused handshakes, by HTTP status.
    pub refused_handshakes: BTreeMap<u16, u64>,
    /// Acknowledgements, by state.
    pub acks: BTreeMap<AckState, u64>,
    /// Connections that the hub closed, by WebSocket close code; 1006 when the other side vanished.
    pub closes: BTreeMap<u16, u64>,
    /// Event frames written to sockets.
    pub deliveries: u64,
}

/// Adds one to the count of `key`.
pub fn count<K: Ord>(counts: &mut BTreeMap<K, u64>, key: K) {
    *counts.entry(key).or_default() += 1;
}

/// The page that Prometheus reads.
pub fn render(status: &Status, tally: &Tally) -> String {
    let mut page = Page::default();
    page.family("connections", "gauge", "Open sockets.").plain(status.connections);
    page.family("clients", "gauge", "Clients that have said hello.").plain(status.clients);
    page.family("seq", "gauge", "Number of the last accepted update.").plain(status.seq);
    page.family("draining", "gauge", "1 while the hub is about to stop.")
        .plain(u64::from(status.is_draining));
    page.family("clients_by_hash", "gauge", "Clients by the version that they run, the most frequent ones.");
    for hash in &status.hashes {
        page.labelled("manifest_hash", hash.manifest_hash, hash.clients);
    }
    page.labelled("manifest_hash", "other", status.other_hashes);
    page.cohort(status);
    page.family("events_published_total", "counter", "Accepted updates and withdrawals.")
        .plain(tally.published);
    page.family("events_refused_total", "counter", "Refused ones, by rule.")
        .each("code", &tally.refused_events);
    page.family("deliveries_total", "counter", "Update frames written to sockets.").plain(tally.deliveries);
    page.family("handshakes_refused_total", "counter", "Refused handshakes, by HTTP status.")
        .each("status", &tally.refused_handshakes);
    page.family("acks_total", "counter", "Acknowledgements, by state.");
    for (state, count) in &tally.acks {
        page.labelled("state", name_of(*state), *count);
    }
    page.family("closes_total", "counter", "Ended connections, by close code.").each("code", &tally.closes);
    page.text
}

fn name_of(state: AckState) -> &'static str {
    match state {
        AckState::Received => "received",
        AckState::Deferred => "deferred",
        AckState::Updating => "updating",
        AckState::Failed => "failed",
        AckState::Refused => "refused",
        AckState::Skipped => "skipped",
        AckState::Unknown => "unknown",
    }
}

#[derive(Default)]
struct Page {
    text: String,
    family: &'static str,
}

impl Page {
    fn family(&mut self, name: &'static str, kind: &str, help: &str) -> &mut Page {
        self.family = name;
        let name = format!("sw_force_refresh_{name}");
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
        self
    }

    fn cohort(&mut self, status: &Status) {
        self.family("cohort_clients", "gauge", "Members of the newest update's cohort, by state.");
        if let Some(event) = status.events.last() {
            let counts = &event.counts;
            for (state, count) in [
                ("silent", counts.silent),
                ("received", counts.received),
                ("deferred", counts.deferred),
                ("updating", counts.updating),
                ("updated", counts.updated),
                ("failed", counts.failed),
                ("refused", counts.refused),
                ("skipped", counts.skipped),
                ("gone", counts.gone),
                ("unsupported", counts.unsupported),
            ] {
                self.labelled("state", state, count);
            }
        }
    }

    fn plain(&mut self, value: u64) {
        let family = self.family;
        self.line(format_args!("sw_force_refresh_{family} {value}"));
    }

    fn labelled(&mut self, label: &str, value: impl std::fmt::Display, count: u64) {
        let family = self.family;
        self.line(format_args!("sw_force_refresh_{family}{{{label}=\"{value}\"}} {count}"));
    }

    fn each(&mut self, label: &str, counts: &BTreeMap<impl std::fmt::Display, u64>) {
        for (value, count) in counts {
            self.labelled(label, value, *count);
        }
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{line}");
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::{Tally, count, render};
    use crate::api::Status;
    use crate::hub::Hub;
    use crate::record::Record;
    use crate::wire::{AckState, Hello, ServiceWorker};

    fn page_with(clients: u64, tally: &Tally) -> String {
        let now = Timestamp::UNIX_EPOCH;
        let record = Record::new("e".into(), 7, Vec::new());
        let mut hub = Hub::resume(&record, Vec::new(), SignedDuration::from_secs(1), now);
        for number in 0..clients {
            let hello = Hello {
                v: 1,
                client: number.to_string(),
                install: number.to_string(),
                hash: format!("{number:064x}").parse().unwrap(),
                labels: [].into(),
                sw: ServiceWorker::Controlled,
            };
            hub.hello(number, hello, now);
        }
        render(&Status::of(&hub, None, now).unwrap(), tally)
    }

    #[test]
    fn counters_stand_under_their_family() {
        let mut tally = Tally { published: 3, ..Tally::default() };
        count(&mut tally.closes, 4101);
        count(&mut tally.acks, AckState::Failed);
        let page = page_with(1, &tally);
        for line in [
            "# TYPE sw_force_refresh_events_published_total counter",
            "sw_force_refresh_events_published_total 3",
            "sw_force_refresh_closes_total{code=\"4101\"} 1",
            "sw_force_refresh_acks_total{state=\"failed\"} 1",
            "sw_force_refresh_clients 1",
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
    }

    /// The threat table: invented hashes must not fill the memory of whoever reads the metrics.
    #[test]
    fn a_thousand_invented_hashes_make_twenty_lines_and_one() {
        let page = page_with(1_000, &Tally::default());
        let named = page.lines().filter(|line| line.starts_with("sw_force_refresh_clients_by_hash{")).count();
        assert_eq!(named, 21);
        assert!(page.contains("clients_by_hash{manifest_hash=\"other\"} 980\n"), "{page}");
    }
}
