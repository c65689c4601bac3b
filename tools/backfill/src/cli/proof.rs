//! The flags of what comes after the filling: `verify`, `deadletter` and `trigger`.

use clap::{Args, Subcommand};
use release_common::output::ReportArgs;
use release_common::units::{Percent, Span};

use super::ConnectArgs;
use crate::spec::Duty;

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
