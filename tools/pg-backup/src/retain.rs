//! retain: not yet written.

use release_common::{Context, Outcome};

use crate::error::Error;

pub(crate) fn plan(_args: &crate::cli::RetainPlanArgs, _context: &mut Context) -> Result<Outcome, Error> {
    Err(Error::Source { reason: "not yet written".to_owned() })
}

pub(crate) fn apply(_args: &crate::cli::RetainApplyArgs, _context: &mut Context) -> Result<Outcome, Error> {
    Err(Error::Source { reason: "not yet written".to_owned() })
}
