//! wal_check: not yet written.

use release_common::{Context, Outcome};

use crate::error::Error;

pub(crate) fn run(_args: &crate::cli::WalCheckArgs, _context: &mut Context) -> Result<Outcome, Error> {
    Err(Error::Source { reason: "not yet written".to_owned() })
}
