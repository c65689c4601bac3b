//! The wish to stop, for code that waits on a runtime of tokio.

use tokio::sync::watch;

use crate::exit::Signal;
use crate::shutdown::Shutdown;

/// Tells when a signal has asked the run to stop. Clones share one state.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<Option<Signal>>);

impl Stop {
    /// Follows `shutdown`.
    pub fn new(shutdown: &Shutdown) -> Stop {
        let (sender, receiver) = watch::channel(None);
        shutdown.on_request(move |signal| {
            // Without a receiver the run is over.
            let _ = sender.send(Some(signal));
        });
        Stop(receiver)
    }

    /// The signal, if it has come.
    pub fn requested(&self) -> Option<Signal> {
        *self.0.borrow()
    }

    /// Waits for the signal, forever if need be.
    pub async fn wait(&mut self) -> Signal {
        match self.0.wait_for(Option::is_some).await.map(|signal| *signal) {
            Ok(Some(signal)) => signal,
            // Without a sender no signal will ever come.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// Does `work` unless the signal comes first; what is dropped then must be worth nothing.
    ///
    /// # Errors
    /// Those of the work, and the signal.
    pub async fn unless<T, E: From<Signal>>(
        &mut self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        tokio::select! {
            done = work => done,
            signal = self.wait() => Err(signal.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Shutdown, Signal, Stop};

    impl From<Signal> for String {
        fn from(signal: Signal) -> String {
            signal.name().to_owned()
        }
    }

    fn run<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
    }

    #[test]
    fn work_that_waits_is_left_at_the_signal() {
        let shutdown = Shutdown::manual();
        let mut stop = Stop::new(&shutdown);
        let mut early = stop.clone();
        assert_eq!(run(stop.unless(async { Ok::<_, String>(1) })), Ok(1));
        assert_eq!(stop.requested(), None);
        shutdown.request(Signal::Terminate);
        let waiting = std::future::pending::<Result<(), String>>();
        assert_eq!(run(early.unless(waiting)), Err("SIGTERM".to_owned()));
        // One that is made afterwards knows it too.
        assert_eq!(run(Stop::new(&shutdown).wait()), Signal::Terminate);
    }
}
