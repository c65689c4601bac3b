//! The flags of `contract`.

use clap::{Args, Subcommand};
use release_common::output::ReportArgs;
use release_common::units::Span;
use release_postgres::Identifier;

use super::ConnectArgs;

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
