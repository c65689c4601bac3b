//! The command line: flags parse straight into what they mean.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use release_common::output::ReportArgs;
use release_common::units::{Percent, Span};
use release_common::{ClosedOutput, CommonArgs, Tool};

use crate::spec::{Assignment, Draft, Duty, Place, When};
use crate::sql::{Identifier, TableName};

const EXAMPLES: &str = "\
Examples:
  See what would be done, how long it takes and what it costs; nothing is kept
    backfill plan job.toml
  Work tonight from 02:00 to 05:00; the same command resumes tomorrow (exit 75: work remains)
    backfill run job.toml
  Compare old and new column, then ask whether the old one may go
    backfill verify post-status && backfill contract check post-status

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

/// What to fill with what. A file and flags may be mixed; flags win.
#[derive(Args, Clone, Debug)]
pub struct SpecArgs {
    /// Specification in TOML or JSON, - for stdin
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Name of the job; alone it means the job recorded earlier
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Table to fill
    #[arg(long, value_name = "TABLE")]
    pub table: Option<TableName>,
    /// Column to fill and the SQL expression to fill it with; repeatable
    #[arg(long, value_name = "COLUMN=EXPRESSION", value_parser = assignment)]
    pub set: Vec<Assignment>,
    /// Old column, for the trigger and the contract check; repeatable
    #[arg(long, value_name = "COLUMN")]
    pub source: Vec<Identifier>,
    /// SQL condition: which rows the job is about at all
    #[arg(long, value_name = "CONDITION")]
    pub scope: Option<String>,
    /// SQL condition: which rows still need it [default: those that differ]
    #[arg(long = "where", value_name = "CONDITION")]
    pub condition: Option<String>,
    /// Column of the unique key to walk along; repeat it for a key of several
    #[arg(long, value_name = "COLUMN")]
    pub key: Vec<Identifier>,
    /// Hours to work in, or `always` [default: 02:00-05:00 Asia/Seoul]
    #[arg(long, value_name = "WINDOW")]
    pub window: Option<When>,
    /// Most rows per transaction [default: 1000]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub batch_size: Option<u32>,
    /// Share of the time that a worker works [default: 0.5]
    #[arg(long, value_name = "SHARE")]
    pub duty: Option<Duty>,
    /// Workers of this process [default: 1]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub workers: Option<u32>,
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

/// Flags of `verify`.
#[derive(Args, Clone, Debug)]
pub struct VerifyArgs {
    /// The job
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Look at this share of the table's blocks only, and tell what that proves
    #[arg(long, value_name = "PERCENT", conflicts_with_all = ["repair", "follow"])]
    pub sample: Option<Percent>,
    /// Verify again and again, for as long as the application writes both columns
    #[arg(long)]
    pub follow: bool,
    /// Time between two rounds of --follow
    #[arg(long, value_name = "TIME", default_value = "5m", requires = "follow")]
    pub every: Span,
    /// Fill the rows that differ
    #[arg(long)]
    pub repair: bool,
    /// Show old and new values of rows that differ (they may be personal data)
    #[arg(long)]
    pub show_values: bool,
    /// Most differing rows to list
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    pub list: u32,
    /// Share of the time to read
    #[arg(long, value_name = "SHARE", default_value = "1")]
    pub duty: Duty,
    /// How to reach the database.
    #[command(flatten)]
    pub connect: ConnectArgs,
    /// Shape of what is reported.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// What to do with rows that could not be filled.
#[derive(Debug, Subcommand)]
pub enum DeadLetterCommand {
    /// Show them, with the server's code and words
    List(JobArgs),
    /// Try each again, and forget those that pass
    Retry(JobArgs),
}

/// What to do with the trigger.
#[derive(Debug, Subcommand)]
pub enum TriggerCommand {
    /// Create it: from then on each written row gets its new value
    Create(TriggerArgs),
    /// Tell whether it is there, enabled and as created
    Check(JobArgs),
    /// Drop it
    Drop(TriggerArgs),
}

/// Flags of `trigger create` and `trigger drop`.
#[derive(Args, Clone, Debug)]
pub struct TriggerArgs {
    /// The job
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Print the SQL and stop
    #[arg(long)]
    pub dry_run: bool,
    /// How to reach the database.
    #[command(flatten)]
    pub connect: ConnectArgs,
    /// Shape of what is reported.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Flags of commands about one job.
#[derive(Args, Clone, Debug)]
pub struct JobArgs {
    /// The job
    #[arg(value_name = "NAME")]
    pub name: String,
    /// How to reach the database.
    #[command(flatten)]
    pub connect: ConnectArgs,
    /// Shape of what is reported.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Whether the old column may go.
#[derive(Debug, Subcommand)]
pub enum ContractCommand {
    /// Answer now, from the catalog, running sessions and what was observed so far
    Check(ContractArgs),
    /// Observe statements until the answer is final
    Watch(ContractWatchArgs),
}

/// Flags of `contract check`.
#[derive(Args, Clone, Debug)]
pub struct ContractArgs {
    /// The job
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Old column to ask about, instead of the job's; repeatable
    #[arg(long, value_name = "COLUMN")]
    pub column: Vec<Identifier>,
    /// How long no statement may have used the column
    #[arg(long, value_name = "TIME", default_value = "24h")]
    pub quiet_for: Span,
    /// Sessions older than this moment are clients of the old version
    #[arg(long, value_name = "TIMESTAMP")]
    pub deployed_at: Option<jiff::Timestamp>,
    /// How to reach the database.
    #[command(flatten)]
    pub connect: ConnectArgs,
    /// Shape of what is reported.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Flags of `contract watch`.
#[derive(Args, Clone, Debug)]
pub struct ContractWatchArgs {
    /// What to ask.
    #[command(flatten)]
    pub check: ContractArgs,
    /// Time between two looks at the statements
    #[arg(long, value_name = "TIME", default_value = "1m")]
    pub every: Span,
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

impl SpecArgs {
    /// What the flags say, before any file.
    pub fn draft(&self) -> Draft {
        let flag = |name: &'static str| move || Place::Flag(name.to_owned());
        let mut draft = Draft::default();
        draft.name.offer(self.name.clone(), flag("name"));
        draft.table.offer(self.table.clone(), flag("table"));
        draft.set.offer(given(&self.set), flag("set"));
        draft.set_places = self.set.iter().map(|_| Place::Flag("set".to_owned())).collect();
        draft.source.offer(given(&self.source), flag("source"));
        draft.scope.offer(self.scope.clone(), flag("scope"));
        draft.condition.offer(self.condition.clone(), flag("where"));
        draft.key.offer(given(&self.key), flag("key"));
        draft.window.offer(self.window.clone(), flag("window"));
        draft.size.offer(self.batch_size, flag("batch-size"));
        draft.duty.offer(self.duty, flag("duty"));
        draft.workers.offer(self.workers, flag("workers"));
        draft
    }
}

fn given<T: Clone>(values: &[T]) -> Option<Vec<T>> {
    (!values.is_empty()).then(|| values.to_vec())
}

/// `column=expression`; the expression may hold equal signs of its own.
fn assignment(text: &str) -> Result<Assignment, String> {
    let Some((column, expression)) = text.split_once('=') else {
        return Err(format!("`{text}` is not COLUMN=EXPRESSION"));
    };
    if expression.trim().is_empty() {
        return Err(format!("`{text}` has no expression"));
    }
    let column = column.trim().parse().map_err(|error: crate::sql::NameError| error.to_string())?;
    Ok(Assignment { column, expression: expression.trim().to_owned() })
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
            _ => ClosedOutput::Discard,
        }
    }
}
