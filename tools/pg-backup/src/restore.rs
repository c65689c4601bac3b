//! `restore`: a dump into a database, or a cluster to a moment.

mod moment;

use release_common::{Context, Outcome};

use crate::cli::RestoreArgs;
use crate::error::Error;

/// Restores what the flags ask for.
///
/// # Errors
/// When it cannot be restored.
pub(crate) fn run(args: &RestoreArgs, context: &mut Context) -> Result<Outcome, Error> {
    match args.at {
        Some(target) => moment::run(args, target, context),
        None => Err(Error::Source { reason: "not yet written".to_owned() }),
    }
}
