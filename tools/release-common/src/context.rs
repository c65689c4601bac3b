//! What a run is handed besides its options: where results and messages go, the time, and the wish to stop.

use std::io::Write;
use std::sync::Arc;

use crate::clock::Clock;
use crate::console::Console;
use crate::shutdown::Shutdown;

/// The surroundings of one run.
pub struct Context {
    /// Messages for people, on stderr.
    pub console: Console,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Signals that ask the run to stop.
    pub shutdown: Shutdown,
    stdout: Box<dyn Write + Send>,
}

impl Context {
    /// Puts a context together; tests hand in their own writer and clock.
    pub fn new(
        stdout: Box<dyn Write + Send>,
        console: Console,
        clock: Arc<dyn Clock>,
        shutdown: Shutdown,
    ) -> Context {
        Context { console, clock, shutdown, stdout }
    }

    /// Where the result goes. It is buffered; `run` flushes it at the end.
    pub fn stdout(&mut self) -> &mut (dyn Write + Send) {
        &mut *self.stdout
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Context").field("console", &self.console).finish_non_exhaustive()
    }
}
