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
/// When it is refused or fails.
pub(crate) fn run(args: &RestoreArgs, context: &mut Context) -> Result<Outcome, Error> {
    match (args.at, &args.to) {
        (Some(target), _) => moment::run(args, target, context),
        (None, Some(target)) => to::run(args, target, context),
        // The flags ask for one of both.
        (None, None) => Err(Error::Refused {
            what: "neither a database nor a moment is named".to_owned(),
            reason: "usage",
            hint: "--to DATABASE, or --at TIME --pgdata FOLDER".to_owned(),
        }),
    }
}
