//! The result's way out, and what a reader that has left means for the run.

use std::io::{self, BufWriter, Stdout, Write};

/// What a tool does when nobody reads its stdout any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClosedOutput {
    /// Read-only tools have nothing left to do: the write fails and the run ends quietly with exit 0.
    Stop,
    /// For tools that change state it changes nothing but the report: the rest is discarded.
    Discard,
}

/// Buffered stdout under one of the two policies.
#[derive(Debug)]
pub(crate) struct ResultWriter {
    inner: BufWriter<Stdout>,
    policy: ClosedOutput,
    is_closed: bool,
}

impl ResultWriter {
    pub(crate) fn new(policy: ClosedOutput) -> ResultWriter {
        ResultWriter { inner: BufWriter::with_capacity(64 * 1024, io::stdout()), policy, is_closed: false }
    }

    fn judge<T>(&mut self, result: io::Result<T>, when_closed: T) -> io::Result<T> {
        match result {
            Err(error)
                if error.kind() == io::ErrorKind::BrokenPipe && self.policy == ClosedOutput::Discard =>
            {
                self.is_closed = true;
                Ok(when_closed)
            }
            other => other,
        }
    }
}

impl Write for ResultWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_closed {
            return Ok(bytes.len());
        }
        let result = self.inner.write(bytes);
        self.judge(result, bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.is_closed {
            return Ok(());
        }
        let result = self.inner.flush();
        self.judge(result, ())
    }
}
