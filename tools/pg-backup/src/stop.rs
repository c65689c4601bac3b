//! The wish to stop, for code that waits.

use release_common::{Shutdown, Signal};
use tokio::sync::watch;

use crate::error::Error;

/// Tells when a signal has asked the run to stop.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Receiver<Option<Signal>>);

impl Stop {
    /// Follows `shutdown`.
    pub(crate) fn new(shutdown: &Shutdown) -> Stop {
        let (sender, receiver) = watch::channel(None);
        shutdown.on_request(move |signal| {
            // Nobody waits when the run is over.
            let _ = sender.send(Some(signal));
        });
        Stop(receiver)
    }

    /// The signal, if it has come.
    pub(crate) fn requested(&self) -> Option<Signal> {
        *self.0.borrow()
    }

    /// Waits for the signal, forever if need be.
    pub(crate) async fn wait(&mut self) -> Signal {
        match self.0.wait_for(Option::is_some).await.map(|signal| *signal) {
            Ok(Some(signal)) => signal,
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// Does `work` unless the signal comes first; what is dropped then must be worth nothing.
    ///
    /// # Errors
    /// Those of the work, and [`Error::Stopped`].
    pub(crate) async fn unless<T>(
        &mut self,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        tokio::select! {
            done = work => done,
            signal = self.wait() => Err(Error::Stopped(signal)),
        }
    }
}
