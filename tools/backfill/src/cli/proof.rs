//! The flags of what proves a job: `verify` and `contract`.

use clap::{Args, Subcommand};
use release_common::output::ReportArgs;
use release_common::units::{Percent, Span};

use super::ConnectArgs;
use crate::spec::Duty;
use crate::sql::Identifier;

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
