//! What every tool's error can tell: its exit code, and the next step if one is known.

use crate::exit::Exit;

/// An error a user can act on. `Display` names the thing in lower case without a full stop; sources carry causes.
pub trait Failure: std::error::Error {
    /// The row of the exit table this error belongs to.
    fn exit(&self) -> Exit;

    /// The next step, if one is known, as a sentence without a full stop.
    fn hint(&self) -> Option<String> {
        None
    }
}

/// Whether a closed pipe stands anywhere in the chain of causes.
pub(crate) fn is_broken_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |current| current.source())
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}
