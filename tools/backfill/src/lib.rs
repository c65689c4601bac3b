//! Fills a new column of a big table while the application works on it.
//!
//! What it decides: which rows the next transaction fills, so that each is filled once whatever dies when; how large that
//! transaction is, and how long the pause after it, so that nobody else notices. A batch is a range of keys, and its checkpoint commits with
//! it, so a lost answer, a killed process or a server that crashed costs at most one batch of work and never a row.
//!
//! In reading order: [`spec`] is what the user wants, [`target`] the way through the table, [`reaction`] what a refusal
//! means; the wire is `release_postgres`.

pub mod batch_size;
pub mod bisect;
pub mod cli;
pub mod comparison;
pub mod control;
pub mod error;
pub mod expression;
pub mod job;
pub mod reaction;
pub mod signals;
pub mod spec;
pub mod state;
pub mod statements;
pub mod target;

mod catalog;
mod chance;
mod chunks;
mod connect;
mod contract;
mod deadletter;
mod display;
mod estimate;
mod examine;
mod hook;
mod init;
mod intake;
mod letters;
mod live;
mod metrics;
mod order;
mod owner;
mod passes;
mod patience;
mod plan;
mod report;
mod run;
mod sampler;
mod split;
mod status;
mod transaction;
mod trial;
mod trigger;
mod verify;
mod watch;
mod worker;

use release_common::output::{Format, JsonLines};
use release_common::{Context, Outcome};
use serde_json::Value;

pub use crate::cli::Cli;
use crate::cli::Command;
pub use crate::error::Error;
use crate::job::Desired;

/// Runs the command line.
///
/// # Errors
/// Everything that [`Error`] lists; `Error::exit` maps it to the house table.
pub fn run(cli: Cli, context: &mut Context) -> Result<Outcome, Error> {
    match &cli.command {
        Command::Plan(args) => plan::run(args, context),
        Command::Init(args) => init::run(args, context),
        Command::Run(args) => run::run(args, context),
        Command::Status(args) => status::run(args, context),
        Command::Pause(args) => order::run(args, Desired::Pause, context),
        Command::Resume(args) => order::run(args, Desired::Run, context),
        Command::Cancel(args) => order::run(args, Desired::Cancel, context),
        Command::Rate(args) => order::rate(args, context),
        Command::Verify(args) => verify::run(args, context),
        Command::DeadLetter(command) => deadletter::run(command, context),
        Command::Trigger(command) => trigger::run(command, context),
        Command::Contract(command) => contract::run(command, context),
        Command::DropState(args) => order::drop_state(args, context),
    }
}

/// One thread is enough: the database does the work.
fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Runtime)
}

/// Tells the one answer of a command that has one.
fn answer(context: &mut Context, format: Format, summary: &Value, text: &str) -> Result<(), Error> {
    match format {
        Format::Json => JsonLines::new(context.stdout()).write(summary)?,
        Format::Human | Format::Github => writeln!(context.stdout(), "{text}")?,
    }
    Ok(())
}
