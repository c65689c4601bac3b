//! `contract`: whether the old column may go.
//!
//! Three witnesses must agree. The catalog knows what depends on the column, and which functions have its name in their
//! bodies ([`blockers`]). The server's statistics know what ran ([`statements`] reads the texts, [`history`] compares
//! the counters of several looks). The sessions tell who is still connected ([`sessions`]). [`verdict`] puts them
//! together: what nobody could see is unknown, and never clean.

mod blockers;
mod history;
mod observation;
mod sessions;
mod subject;
mod verdict;

mod changes;
mod expressions;
mod scope;
mod sources;
mod statements;
mod usage;

mod catalog;
mod check;
mod lines;
mod report;
mod statistics;
mod store;
mod watch;

use release_common::{Context, Outcome};

use self::check::Checker;
use self::report::Reporter;
use self::verdict::Answer;
use crate::cli::{ContractArgs, ContractCommand};
use crate::error::Error;

/// Runs `contract check` or `contract watch`.
pub(crate) fn run(command: &ContractCommand, context: &mut Context) -> Result<Outcome, Error> {
    let runtime = crate::runtime()?;
    match command {
        ContractCommand::Check(args) => runtime.block_on(check(args, context)),
        ContractCommand::Watch(args) => runtime.block_on(watch::run(args, context)),
    }
}

async fn check(args: &ContractArgs, context: &mut Context) -> Result<Outcome, Error> {
    let mut checker = Checker::open(args, context).await?;
    let report = checker.check().await?;
    let job = checker.job.clone();
    Reporter::new(context, args.report.format(), &job).summary(&report)?;
    Ok(if report.answer == Answer::Clean { Outcome::Good } else { Outcome::Bad })
}
