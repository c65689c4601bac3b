//! What a program has printed so far, and the wait for more: an event with a deadline, never a fixed time.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

/// An error shows this many of the last lines: enough for a stack trace, short enough to read.
const TAIL_LINES: usize = 30;

/// The lines of one program, from both of its streams, in the order of arrival.
#[derive(Debug, Clone, Default)]
pub(crate) struct Output {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<String>,
    open_streams: usize,
    log: Option<File>,
}

/// How a wait came out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Waited<T> {
    Came(T),
    StreamsClosed,
    TimedOut,
}

impl Output {
    pub(crate) fn new(log: Option<File>) -> Self {
        let output = Self::default();
        output.state().log = log;
        output
    }

    /// Collects a stream on a thread of its own until it is closed.
    pub(crate) fn collect(&self, stream: impl Read + Send + 'static) {
        self.state().open_streams += 1;
        let output = self.clone();
        thread::spawn(move || {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                output.push(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned());
                line.clear();
            }
            output.state().open_streams -= 1;
            output.shared.changed.notify_all();
        });
    }

    /// Every line so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.state().lines.clone()
    }

    /// The last lines, for an error.
    pub(crate) fn tail(&self) -> String {
        let state = self.state();
        let skipped = state.lines.len().saturating_sub(TAIL_LINES);
        let lines: Vec<_> = state.lines.iter().skip(skipped).map(|line| format!("  {line}")).collect();
        if lines.is_empty() { "  (nothing)".to_owned() } else { lines.join("\n") }
    }

    /// Waits until a line holds `text`; lines that came earlier count.
    pub(crate) fn wait_for_line(&self, text: &str, deadline: Instant) -> Waited<String> {
        self.wait(deadline, |state| state.lines.iter().find(|line| line.contains(text)).cloned())
    }

    /// Waits until the program and its supervisor are gone; `TimedOut` when they live on.
    pub(crate) fn wait_until_closed(&self, deadline: Instant) -> Waited<()> {
        self.wait(deadline, |_| None)
    }

    fn wait<T>(&self, deadline: Instant, find: impl Fn(&State) -> Option<T>) -> Waited<T> {
        let mut state = self.state();
        loop {
            if let Some(found) = find(&state) {
                return Waited::Came(found);
            }
            if state.open_streams == 0 {
                return Waited::StreamsClosed;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Waited::TimedOut;
            }
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn push(&self, line: String) {
        let mut state = self.state();
        if let Some(log) = &mut state.log {
            // A full disk must not stop the program under test; the line is still in memory.
            let _ = writeln!(log, "{line}");
        }
        state.lines.push(line);
        drop(state);
        self.shared.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    #[test]
    fn finds_a_line_that_came_before_the_wait() {
        let output = Output::default();
        output.collect(&b"first\nsecond\n"[..]);
        assert_eq!(output.wait_until_closed(soon()), Waited::StreamsClosed);
        assert_eq!(output.wait_for_line("sec", soon()), Waited::Came("second".to_owned()));
    }

    #[test]
    fn says_when_the_streams_close_without_the_line() {
        let output = Output::default();
        output.collect(&b"no newline at the end"[..]);
        assert_eq!(output.wait_for_line("ready", soon()), Waited::StreamsClosed);
        assert_eq!(output.lines(), ["no newline at the end"]);
    }

    #[test]
    fn tail_keeps_the_last_lines() {
        let output = Output::default();
        let text: String = (1..=100).map(|number| format!("line {number}\n")).collect();
        output.collect(std::io::Cursor::new(text));
        output.wait_until_closed(soon());
        let tail = output.tail();
        assert!(tail.starts_with("  line 71\n") && tail.ends_with("  line 100"), "{tail}");
    }
}
