//! The command line: flags parse straight into what they mean.

mod contract;
mod proof;
mod spec;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use release_common::output::ReportArgs;
use release_common::units::Span;
use release_common::{ClosedOutput, CommonArgs, Tool};

pub use self::contract::{ContractArgs, ContractCommand, ContractWatchArgs};
pub use self::proof::{DeadLetterCommand, JobArgs, TriggerArgs, TriggerCommand, VerifyArgs};
pub use self::spec::SpecArgs;
use crate::spec::Duty;

const EXAMPLES: &str = "\
Examples:
  See what would be done, how long it takes and what it costs; nothing is kept
    backfill plan job.toml
  Work tonight from 02:00 to 05:00; the same command resumes tomorrow (exit 75: work remains)
    backfill run job.toml
  See from any machine how far it is
    backfill status post-status

The database is the one that DATABASE_URL or the PG* variables name.";

/// Fill a new column in throttled, resumable batches, and verify it
///
/// The migrate phase of expand, migrate, contract: batches of a table's rows are filled off-peak, each in one
/// transaction with its checkpoint, slower when the database has other work. State lives in the schema `backfill` of
/// the same database, so that any number of machines share a job and a killed run resumes.
#[derive(Debug, Parser)]
#[command(name = "backfill", version, after_long_help = EXAMPLES)]
pub struct Cli {
    /// The flags of every tool.
    #[command(flatten)]
    pub common: CommonArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show how a job would run: key, cost, nights; one batch is tried and rolled back
    Plan(Box<PlanArgs>),
    /// Record a job without working on it
    Init(Box<InitArgs>),
    /// Work on a job until it is done or its window closes
    Run(Box<RunArgs>),
    /// Show where jobs stand
    Status(StatusArgs),
    /// Have all workers of a job stop after their batch
    Pause(OrderArgs),
    /// Let a paused job go on
    Resume(OrderArgs),
    /// End a job for good; what is filled stays filled
    Cancel(OrderArgs),
    /// Change the share of time that workers work
    Rate(RateArgs),
    /// Compare every row with its expression
    Verify(VerifyArgs),
    /// List or retry rows that could not be filled
    #[command(name = "deadletter", subcommand)]
    DeadLetter(DeadLetterCommand),
    /// Create, check or drop the dual-write trigger
    #[command(subcommand)]
    Trigger(TriggerCommand),
    /// Tell whether the old column is still used
    #[command(subcommand)]
    Contract(ContractCommand),
    /// Remove what is recorded about a job
    DropState(DropStateArgs),
}

/// How to reach the database.
#[derive(Args, Clone, Debug)]
pub struct ConnectArgs {
    /// Read the address from this file instead of DATABASE_URL
    #[arg(long, value_name = "FILE")]
    pub database_url_file: Option<PathBuf>,
    /// Time to go on trying when the database is unreachable
    #[arg(long, value_name = "TIME", default_value = "60s")]
    pub timeout: Span,
}

/// Flags of `plan`.
#[derive(Args, Clone, Debug)]
pub struct PlanArgs {
    /// What to fill with what.
    #[command(flatten)]
    pub spec: SpecArgs,
    /// How to reach the database.
    #[command(flatten)]
    pub connect: ConnectArgs,
    /// Shape of what is reported.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Flags of `init`.
#[derive(Args, Clone, Debug)]
pub struct InitArgs {
    /// What to fill with what.
    #[command(flatten)]
    pub spec: SpecArgs,
    /// Show the plan and stop
    #[arg(long)]
    pub dry_run: bool,
    /// How to reach the database.
    #[command(flatten)]
    pub connect: ConnectArgs,
    /// Shape of what is reported.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Flags of `run`.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// What to fill with what.
    #[command(flatten)]
    pub spec: SpecArgs,
    /// Show the plan and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Wait for window after window until the job is done
    #[arg(long)]
    pub until_done: bool,
    /// End with 0 when the window closes, for a CronJob that counts other codes as failures
    #[arg(long)]
    pub window_exit_0: bool,
    /// Serve counters to Prometheus at http://ADDRESS/metrics
    #[arg(long, value_name = "ADDRESS")]
    pub metrics: Option<SocketAddr>,
    /// How to reach the database.
    #[command(flatten)]
    pub connect: ConnectArgs,
    /// Shape of what is reported.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Flags of `status`.
#[derive(Args, Clone, Debug)]
pub struct StatusArgs {
    /// Only this job
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Show it again each second until it is done
    #[arg(long, requires = "name")]
    pub watch: bool,
    /// Also show what was done to it and by whom
    #[arg(long)]
    pub events: bool,
    /// How to reach the database.
    #[command(flatten)]
    pub connect: ConnectArgs,
    /// Shape of what is reported.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Flags of `pause`, `resume` and `cancel`.
#[derive(Args, Clone, Debug)]
pub struct OrderArgs {
    /// The job
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// How to reach the database.
    #[command(flatten)]
    pub connect: ConnectArgs,
    /// Shape of what is reported.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Flags of `rate`.
#[derive(Args, Clone, Debug)]
pub struct RateArgs {
    /// The job
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Share of the time that each worker works, such as 0.2 or 20%
    #[arg(value_name = "SHARE")]
    pub duty: Duty,
    /// How to reach the database.
    #[command(flatten)]
    pub connect: ConnectArgs,
    /// Shape of what is reported.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Flags of `drop-state`.
#[derive(Args, Clone, Debug)]
pub struct DropStateArgs {
    /// The job; without it all jobs, and the schema itself
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Do it: progress, dead letters and the record of who did what are lost
    #[arg(long)]
    pub yes: bool,
    /// How to reach the database.
    #[command(flatten)]
    pub connect: ConnectArgs,
    /// Shape of what is reported.
    #[command(flatten)]
    pub report: ReportArgs,
}

impl Tool for Cli {
    fn common(&self) -> &CommonArgs {
        &self.common
    }

    fn closed_output(&self) -> ClosedOutput {
        match &self.command {
            Command::Plan(_)
            | Command::Status(_)
            | Command::DeadLetter(DeadLetterCommand::List(_))
            | Command::Trigger(TriggerCommand::Check(_)) => ClosedOutput::Stop,
            Command::Init(_)
            | Command::Run(_)
            | Command::Pause(_)
            | Command::Resume(_)
            | Command::Cancel(_)
            | Command::Rate(_)
            | Command::Verify(_)
            | Command::DeadLetter(DeadLetterCommand::Retry(_))
            | Command::Trigger(TriggerCommand::Create(_) | TriggerCommand::Drop(_))
            | Command::Contract(_)
            | Command::DropState(_) => ClosedOutput::Discard,
        }
    }
}
