//! `restore --at`.
use crate::error::Error;
pub(super) fn run(
    _args: &crate::cli::RestoreArgs,
    _target: jiff::Timestamp,
    _context: &mut release_common::Context,
) -> Result<release_common::Outcome, Error> {
    Err(Error::Source { reason: "not yet written".to_owned() })
}
