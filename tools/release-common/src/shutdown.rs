//! Signals: the first asks the run to reach a safe point and stop, the second ends the process at once.
//!
//! The second follows signal(7)'s default action, so that the parent sees a death by signal.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::console::Console;
use crate::exit::Signal;

type Callback = Box<dyn FnOnce(Signal) + Send>;

/// Tells whether a signal has asked the run to stop. Clones share one state.
#[derive(Clone, Default)]
pub struct Shutdown {
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    requested: OnceLock<Signal>,
    callbacks: Mutex<Vec<Callback>>,
}

impl Shutdown {
    /// A shutdown that only [`Shutdown::request`] triggers, for tests.
    pub fn manual() -> Shutdown {
        Shutdown::default()
    }

    /// Starts to listen for SIGINT and SIGTERM.
    ///
    /// # Errors
    /// When the operating system refuses the handlers.
    pub(crate) fn listen(console: Console) -> std::io::Result<Shutdown> {
        let shutdown = Shutdown::default();
        let listener = shutdown.clone();
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        std::thread::Builder::new().name("signals".into()).spawn(move || {
            for number in signals.forever() {
                let signal = if number == SIGINT { Signal::Interrupt } else { Signal::Terminate };
                if listener.requested().is_some() {
                    let _ = signal_hook::low_level::emulate_default_handler(number);
                }
                console.note(format_args!(
                    "{}: stopping at the next safe point; once more to stop at once",
                    signal.name()
                ));
                listener.request(signal);
            }
        })?;
        Ok(shutdown)
    }

    /// The signal that asked the run to stop, if one has.
    pub fn requested(&self) -> Option<Signal> {
        self.state.requested.get().copied()
    }

    /// Calls `callback` with the first signal, from the signal thread, or at once when it has already come.
    pub fn on_request(&self, callback: impl FnOnce(Signal) + Send + 'static) {
        let mut callbacks = self.state.callbacks.lock().unwrap_or_else(PoisonError::into_inner);
        match self.requested() {
            Some(signal) => {
                drop(callbacks);
                callback(signal);
            }
            None => callbacks.push(Box::new(callback)),
        }
    }

    /// Asks the run to stop; only the first request counts.
    pub fn request(&self, signal: Signal) {
        let mut callbacks = self.state.callbacks.lock().unwrap_or_else(PoisonError::into_inner);
        if self.state.requested.set(signal).is_err() {
            return;
        }
        let waiting = std::mem::take(&mut *callbacks);
        drop(callbacks);
        for callback in waiting {
            callback(signal);
        }
    }
}

impl std::fmt::Debug for Shutdown {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Shutdown").field("requested", &self.requested()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::{Shutdown, Signal};

    #[test]
    fn first_signal_wins_and_reaches_every_callback_once() {
        let shutdown = Shutdown::manual();
        let (sender, receiver) = channel();
        let early = sender.clone();
        shutdown.on_request(move |signal| early.send(signal).unwrap());
        shutdown.request(Signal::Terminate);
        shutdown.request(Signal::Interrupt);
        shutdown.on_request(move |signal| sender.send(signal).unwrap());
        assert_eq!(receiver.iter().collect::<Vec<_>>(), [Signal::Terminate, Signal::Terminate]);
        assert_eq!(shutdown.requested(), Some(Signal::Terminate));
    }
}
