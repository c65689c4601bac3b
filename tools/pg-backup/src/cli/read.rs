//! Flags of what reads backups: `list`, `show`, `cat`, `verify` and `restore`.

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use release_common::output::ReportArgs;

use super::shared::{ConnectArgs, IdArg, IdentityArgs, SeriesArgs};
use crate::evidence::Level;
use crate::layout::Name;

/// Flags of `list`.
#[derive(Args, Clone, Debug)]
pub struct ListArgs {
    /// Only those made for this release
    #[arg(long, value_name = "NAME")]
    pub release: Option<Name>,
    /// Which backups are meant.
    #[command(flatten)]
    pub series: SeriesArgs,
    /// Shape of what is reported.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Flags of `show`.
#[derive(Args, Clone, Debug)]
pub struct ShowArgs {
    /// Which backup, or - for the id on stdin
    #[arg(value_name = "ID", required_unless_present = "newest", conflicts_with = "newest")]
    pub id: Option<IdArg>,
    /// Mean the newest backup
    #[arg(long)]
    pub newest: bool,
    /// Which backups are meant.
    #[command(flatten)]
    pub series: SeriesArgs,
    /// Shape of what is reported.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Flags of `cat`.
#[derive(Args, Clone, Debug)]
pub struct CatArgs {
    /// Which backup, or - for the id on stdin
    #[arg(value_name = "ID", required_unless_present = "newest", conflicts_with = "newest")]
    pub id: Option<IdArg>,
    /// Mean the newest backup
    #[arg(long)]
    pub newest: bool,
    /// Which of its objects: a name that `show` lists; else the archive
    #[arg(long, value_name = "NAME")]
    pub object: Option<String>,
    /// Which backups are meant.
    #[command(flatten)]
    pub series: SeriesArgs,
    /// What decrypts.
    #[command(flatten)]
    pub identity: IdentityArgs,
}

/// Flags of `verify`.
#[derive(Args, Clone, Debug)]
pub struct VerifyArgs {
    /// Which backup, or - for the id on stdin
    #[arg(value_name = "ID", required_unless_present = "newest", conflicts_with = "newest")]
    pub id: Option<IdArg>,
    /// Mean the newest backup
    #[arg(long)]
    pub newest: bool,
    /// How far to go
    #[arg(long, value_name = "LEVEL", default_value = "checksum")]
    pub level: Level,
    /// Restore so many tables at a time; the archive then needs disk
    #[arg(short, long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub jobs: u8,
    /// Folder for the scratch cluster; else TMPDIR or /tmp
    #[arg(long, value_name = "FOLDER", env = "PG_BACKUP_SCRATCH")]
    pub scratch: Option<PathBuf>,
    /// Account to run the scratch cluster as, when this is root
    #[arg(long, value_name = "USER", default_value = "postgres")]
    pub scratch_user: String,
    /// Folder of the server's programs; else the oldest installed that fit
    #[arg(long, value_name = "FOLDER", env = "PG_BACKUP_PG_BIN")]
    pub pg_bin: Option<PathBuf>,
    /// Which backups are meant.
    #[command(flatten)]
    pub series: SeriesArgs,
    /// What decrypts.
    #[command(flatten)]
    pub identity: IdentityArgs,
    /// Shape of what is reported.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Flags of `restore`.
#[derive(Args, Clone, Debug)]
pub struct RestoreArgs {
    /// Which backup, or - for the id on stdin
    #[arg(value_name = "ID", required_unless_present_any = ["newest", "at"], conflicts_with_all = ["newest", "at"])]
    pub id: Option<IdArg>,
    /// Mean the newest backup
    #[arg(long, conflicts_with = "at")]
    pub newest: bool,
    /// Restore a dump into this database, which must be empty or absent
    #[arg(long, value_name = "DATABASE", required_unless_present = "at", conflicts_with = "at")]
    pub to: Option<String>,
    /// Replace the database of --to, which holds something; its name once more, so that nobody does it by habit
    #[arg(long, value_name = "DATABASE", requires = "to")]
    pub replace: Option<String>,
    /// Restore the cluster to this moment from a base backup and WAL, such as 2026-11-24T02:59:00+09:00
    #[arg(long, value_name = "TIME", requires = "pgdata")]
    pub at: Option<Timestamp>,
    /// The new data folder of --at, which must be empty or absent
    #[arg(long, value_name = "FOLDER")]
    pub pgdata: Option<PathBuf>,
    /// The timeline that --at follows; else the newest that comes from the base backup
    #[arg(long, value_name = "N", requires = "at")]
    pub timeline: Option<u32>,
    /// The system identifier of the cluster that --at restores; else the only one in the store
    #[arg(long, value_name = "NUMBER", requires = "at")]
    pub system_id: Option<String>,
    /// Account that the data of --at belong to and the server runs as, when this is root
    #[arg(long, value_name = "USER", default_value = "postgres")]
    pub server_user: String,
    /// Restore so many tables at a time; the archive then needs disk
    #[arg(short, long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub jobs: u8,
    /// Folder for an archive that is restored by several jobs; else TMPDIR or /tmp
    #[arg(long, value_name = "FOLDER", env = "PG_BACKUP_SPOOL")]
    pub spool: Option<PathBuf>,
    /// Leave out owners and privileges: the roles are not here
    #[arg(long, conflicts_with = "at")]
    pub no_owner: bool,
    /// Show what would be done and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Which backups are meant.
    #[command(flatten)]
    pub series: SeriesArgs,
    /// How to reach the server.
    #[command(flatten)]
    pub connect: ConnectArgs,
    /// What decrypts.
    #[command(flatten)]
    pub identity: IdentityArgs,
    /// Shape of what is reported.
    #[command(flatten)]
    pub report: ReportArgs,
}
