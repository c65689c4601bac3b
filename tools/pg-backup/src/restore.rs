//! `restore`: a dump into a database, or a cluster to a moment.

mod act;
mod decision;
mod mark;
mod moment;
mod report;
mod server_facts;
mod settings;
mod to;

use release_common::{Context, Outcome};

use crate::cli::RestoreArgs;
use crate::error::Error;

/// Restores what the flags ask for.
///
/// # Errors
/// When it cannot be restored.
pub(crate) fn run(args: &RestoreArgs, context: &mut Context) -> Result<Outcome, Error> {
    match (&args.to, args.at) {
        (Some(target), _) => to::run(args, target, context),
        (None, Some(moment)) => moment::run(args, moment, context),
        (None, None) => Err(Error::NotFound {
            what: "neither a database nor a moment is named".to_owned(),
            hint: "name one with --to or --at".to_owned(),
        }),
    }
}
