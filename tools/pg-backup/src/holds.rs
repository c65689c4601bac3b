//! holds: not yet written.

use release_common::{Context, Outcome};

use crate::error::Error;

pub(crate) fn hold(_args: &crate::cli::HoldArgs, _context: &mut Context) -> Result<Outcome, Error> {
    Err(Error::Source { reason: "not yet written".to_owned() })
}

pub(crate) fn release(_args: &crate::cli::ReleaseArgs, _context: &mut Context) -> Result<Outcome, Error> {
    Err(Error::Source { reason: "not yet written".to_owned() })
}
