//! Reads entries with a bounded number of threads and hands the results on in the order of the manifest.
//!
//! The threads are not joined when the run stops early: they hold nothing but a file or a connection, and a safe
//! point that waits for a time-out would make every signal look ignored.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use release_common::{Shutdown, Signal};

use super::breaker::Breaker;
use super::expectation::Expectation;
use super::verdict::Reading;

/// Where bytes come from.
pub(crate) trait Source: Send + Sync + 'static {
    /// The file or address of an entry, for the report.
    fn place(&self, expected: &Expectation) -> String;

    /// Reads an entry to its end.
    fn read(&self, expected: &Expectation) -> Reading;
}

/// How the work ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Everything was asked for.
    Done,
    /// Nobody answers any longer; `true` if somebody did before.
    GaveUp(bool),
    /// A signal came.
    Stopped(Signal),
}

/// How a thread turns what it read into something small: results that wait for their turn hold no bytes of files.
pub(crate) type Judge<T> = Box<dyn Fn(&Expectation, Reading) -> T + Send + Sync>;

enum Event<T> {
    Judged { index: usize, is_silent: bool, judged: T },
    Stop(Signal),
}

struct Work<T> {
    expectations: Arc<Vec<Expectation>>,
    source: Arc<dyn Source>,
    judge: Judge<T>,
    next: AtomicUsize,
    is_over: AtomicBool,
}

/// Reads all entries and gives each result to `each`, in order.
///
/// # Errors
/// Those of `each`, and of the operating system when it refuses a thread.
pub(crate) fn read_all<T: Send + 'static>(
    expectations: &Arc<Vec<Expectation>>,
    source: &Arc<dyn Source>,
    judge: Judge<T>,
    jobs: usize,
    shutdown: &Shutdown,
    mut each: impl FnMut(&Expectation, T) -> io::Result<()>,
) -> io::Result<Ended> {
    let (sender, events) = channel();
    let stop = sender.clone();
    shutdown.on_request(move |signal| drop(stop.send(Event::Stop(signal))));
    let work = Arc::new(Work {
        expectations: Arc::clone(expectations),
        source: Arc::clone(source),
        judge,
        next: AtomicUsize::new(0),
        is_over: AtomicBool::new(false),
    });
    for number in 0..jobs.clamp(1, expectations.len().max(1)) {
        let (work, sender) = (Arc::clone(&work), sender.clone());
        let thread = std::thread::Builder::new().name(format!("verify-{number}"));
        thread.spawn(move || work.take_turns(&sender))?;
    }
    drop(sender);
    let ended = in_order(expectations, &events, &mut each);
    work.is_over.store(true, Ordering::Relaxed);
    ended
}

impl<T> Work<T> {
    fn take_turns(&self, sender: &Sender<Event<T>>) {
        while !self.is_over.load(Ordering::Relaxed) {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(expected) = self.expectations.get(index) else { return };
            let reading = self.source.read(expected);
            let is_silent = matches!(reading, Reading::Silent(_));
            let judged = (self.judge)(expected, reading);
            // The receiver is gone once the run is over.
            if sender.send(Event::Judged { index, is_silent, judged }).is_err() {
                return;
            }
        }
    }
}

fn in_order<T>(
    expectations: &[Expectation],
    events: &Receiver<Event<T>>,
    each: &mut impl FnMut(&Expectation, T) -> io::Result<()>,
) -> io::Result<Ended> {
    let (mut waiting, mut next, mut breaker) = (BTreeMap::new(), 0, Breaker::default());
    let mut ended = Ended::Done;
    while next < expectations.len() && ended == Ended::Done {
        match events.recv() {
            Ok(Event::Judged { index, is_silent, judged }) => {
                if is_silent {
                    breaker.silent()
                } else {
                    breaker.answered()
                }
                waiting.insert(index, judged);
            }
            Ok(Event::Stop(signal)) => ended = Ended::Stopped(signal),
            // All threads ended without a result, which only a bug could do; the totals will show what is missing.
            Err(_) => break,
        }
        while let (Some(expected), Some(judged)) = (expectations.get(next), waiting.remove(&next)) {
            each(expected, judged)?;
            next += 1;
        }
        if ended == Ended::Done && breaker.is_open() {
            ended = Ended::GaveUp(breaker.has_answered());
        }
    }
    for (index, judged) in waiting {
        if let Some(expected) = expectations.get(index) {
            each(expected, judged)?;
        }
    }
    Ok(ended)
}

#[cfg(test)]
mod tests {
    use std::sync::{Condvar, Mutex};

    use super::super::diagnosis::Circumstances;
    use super::*;

    struct Script {
        readings: Vec<Reading>,
        /// Entry 0 waits until this many others were read.
        others_first: usize,
        count: Mutex<usize>,
        counted: Condvar,
    }

    impl Source for Script {
        fn place(&self, expected: &Expectation) -> String {
            expected.url.clone()
        }

        fn read(&self, expected: &Expectation) -> Reading {
            let index: usize = expected.url.parse().unwrap();
            let mut count = self.count.lock().unwrap();
            while index == 0 && *count < self.others_first {
                count = self.counted.wait(count).unwrap();
            }
            *count += 1;
            self.counted.notify_all();
            self.readings[index].clone()
        }
    }

    fn run(
        readings: Vec<Reading>,
        others_first: usize,
        jobs: usize,
        shutdown: &Shutdown,
    ) -> (Ended, Vec<String>) {
        let entry = |index: usize| Expectation {
            url: index.to_string(),
            path: None,
            size_bytes: None,
            promises: Vec::new(),
        };
        let expectations = Arc::new((0..readings.len()).map(entry).collect());
        let script = Script { readings, others_first, count: Mutex::new(0), counted: Condvar::new() };
        let source: Arc<dyn Source> = Arc::new(script);
        let mut seen = Vec::new();
        let judge: Judge<()> = Box::new(|_, _| ());
        let ended = read_all(&expectations, &source, judge, jobs, shutdown, |expected, ()| {
            seen.push(expected.url.clone());
            Ok(())
        });
        (ended.unwrap(), seen)
    }

    fn answer() -> Reading {
        Reading::Absent(Circumstances::default())
    }

    #[test]
    fn hands_results_on_in_order_whichever_comes_first() {
        let (ended, seen) = run(vec![answer(); 5], 4, 2, &Shutdown::manual());
        assert_eq!((ended, seen.join(" ").as_str()), (Ended::Done, "0 1 2 3 4"));
    }

    #[test]
    fn gives_up_at_once_when_nobody_answers() {
        let silence = Reading::Silent("refused".into());
        let (ended, seen) = run(vec![silence; 1000], 0, 1, &Shutdown::manual());
        assert_eq!((ended, seen.len()), (Ended::GaveUp(false), 1));
    }

    #[test]
    fn gives_up_when_answers_end() {
        let mut readings = vec![Reading::Silent("refused".into()); 1000];
        readings[0] = answer();
        let (ended, seen) = run(readings, 0, 1, &Shutdown::manual());
        assert_eq!((ended, seen.len()), (Ended::GaveUp(true), 9));
    }

    #[test]
    fn stops_on_a_signal_without_waiting_for_a_slow_answer() {
        let shutdown = Shutdown::manual();
        shutdown.request(Signal::Terminate);
        let (ended, _) = run(vec![answer(); 2], usize::MAX, 1, &shutdown);
        assert_eq!(ended, Ended::Stopped(Signal::Terminate));
    }
}
