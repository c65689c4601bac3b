//! Whether the old column may go.

mod changes;
mod expressions;
mod scope;
mod sources;
mod statements;
mod subject;
mod usage;

use release_common::{Context, Outcome};

use crate::cli::ContractCommand;
use crate::error::Error;

pub(crate) fn run(_: &ContractCommand, _: &mut Context) -> Result<Outcome, Error> {
    Ok(Outcome::Good)
}
