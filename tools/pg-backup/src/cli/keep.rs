//! Flags of what keeps, deletes and judges: `retain`, `hold`, `release`, `gc`, `rpo`, `rto` and `doctor`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use release_common::output::ReportArgs;
use release_common::units::Span;

use super::shared::{ConnectArgs, IdArg, SeriesArgs};
use crate::layout::Name;

/// What `retain` does.
#[derive(Clone, Debug, Subcommand)]
pub enum RetainCommand {
    /// Show which backups would be deleted, and why the others stay
    Plan(RetainPlanArgs),
    /// Delete what a plan names, if the store is still as it was
    Apply(RetainApplyArgs),
}

/// Flags of `retain plan`.
#[derive(Args, Clone, Debug)]
pub struct RetainPlanArgs {
    /// Keep the newest backup of each of the last N days
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub daily: u32,
    /// Keep the newest backup of each of the last N weeks
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub weekly: u32,
    /// Keep the newest backup of each of the last N months
    #[arg(long, value_name = "N", default_value_t = 6)]
    pub monthly: u32,
    /// Keep the newest backup of each of the last N years
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub yearly: u32,
    /// Keep the backups of the last N releases
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub releases: u32,
    /// Keep the newest N backups
    #[arg(long, value_name = "N")]
    pub newest: Option<u32>,
    /// Keep everything younger than this
    #[arg(long, value_name = "TIME")]
    pub within: Option<Span>,
    /// Keep everything that a restore to any moment of this long needs: base backups and WAL
    #[arg(long, value_name = "TIME")]
    pub pitr: Option<Span>,
    /// Delete nothing younger than this: it may still be under way
    #[arg(long, value_name = "TIME", default_value = "24h")]
    pub grace: Span,
    /// Time zone whose days, weeks and months are meant, such as Europe/Berlin
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    pub zone: String,
    /// Allow a plan that deletes more than half
    #[arg(long)]
    pub allow_large: bool,
    /// Which backups are meant.
    #[command(flatten)]
    pub series: SeriesArgs,
    /// Shape of what is reported.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Flags of `retain apply`.
#[derive(Args, Clone, Debug)]
pub struct RetainApplyArgs {
    /// The plan as `retain plan --format json` wrote it, or - for stdin
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    /// Show what would be done and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Which backups are meant.
    #[command(flatten)]
    pub series: SeriesArgs,
    /// Shape of what is reported.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Flags of `hold`.
#[derive(Args, Clone, Debug)]
pub struct HoldArgs {
    /// Which backup, or - for the id on stdin
    #[arg(value_name = "ID")]
    pub id: IdArg,
    /// The hold's name
    #[arg(long, value_name = "NAME")]
    pub name: Name,
    /// Let it end by itself after this long
    #[arg(long, value_name = "TIME")]
    pub expires: Option<Span>,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Which backups are meant.
    #[command(flatten)]
    pub series: SeriesArgs,
    /// Shape of what is reported.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Flags of `release`.
#[derive(Args, Clone, Debug)]
pub struct ReleaseArgs {
    /// Which backup, or - for the id on stdin
    #[arg(value_name = "ID")]
    pub id: IdArg,
    /// The hold to lift
    #[arg(long, value_name = "NAME")]
    pub name: Name,
    /// Which backups are meant.
    #[command(flatten)]
    pub series: SeriesArgs,
    /// Shape of what is reported.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Flags of `gc`.
#[derive(Args, Clone, Debug)]
pub struct GcArgs {
    /// Leave alone what is younger than this: it may still be under way
    #[arg(long, value_name = "TIME", default_value = "24h")]
    pub grace: Span,
    /// Show what would be done and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Which backups are meant.
    #[command(flatten)]
    pub series: SeriesArgs,
    /// Shape of what is reported.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Flags of `rpo`.
#[derive(Args, Clone, Debug)]
pub struct RpoArgs {
    /// The most that may be lost
    #[arg(long, value_name = "TIME", default_value = "1h")]
    pub max: Span,
    /// Also count WAL that `wal-check` would find without a gap
    #[arg(long)]
    pub with_wal: bool,
    /// Which backups are meant.
    #[command(flatten)]
    pub series: SeriesArgs,
    /// Shape of what is reported.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Flags of `rto`.
#[derive(Args, Clone, Debug)]
pub struct RtoArgs {
    /// The longest that a restore may take
    #[arg(long, value_name = "TIME", default_value = "4h")]
    pub max: Span,
    /// Which backups are meant.
    #[command(flatten)]
    pub series: SeriesArgs,
    /// Shape of what is reported.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Flags of `doctor`.
#[derive(Args, Clone, Debug)]
pub struct DoctorArgs {
    /// Remove what scratch clusters of killed runs have left on this machine
    #[arg(long)]
    pub sweep: bool,
    /// Folder for scratch clusters; else TMPDIR or /tmp
    #[arg(long, value_name = "FOLDER", env = "PG_BACKUP_SCRATCH")]
    pub scratch: Option<PathBuf>,
    /// Account to run the scratch cluster as, when this is root
    #[arg(long, value_name = "USER", default_value = "postgres")]
    pub scratch_user: String,
    /// How to reach the database.
    #[command(flatten)]
    pub connect: ConnectArgs,
    /// Which backups are meant.
    #[command(flatten)]
    pub series: SeriesArgs,
    /// Shape of what is reported.
    #[command(flatten)]
    pub report: ReportArgs,
}
