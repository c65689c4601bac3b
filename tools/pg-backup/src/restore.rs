//! `restore`: a dump into a database, or a cluster to a moment.

mod act;
mod decision;
mod mark;
mod report;
mod server_facts;
mod settings;
mod to;

use release_common::{Context, Outcome};

use crate::cli::RestoreArgs;
use crate::error::Error;

/// Restores what the flags mean.
///
/// # Errors
/// When it is refused or fails.
pub(crate) fn run(args: &RestoreArgs, context: &mut Context) -> Result<Outcome, Error> {
    match &args.to {
        Some(target) => to::run(args, target, context),
        None => Err(Error::Source { reason: "not yet written".to_owned() }),
    }
}
