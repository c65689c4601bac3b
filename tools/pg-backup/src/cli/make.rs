//! Flags of what makes backups: `create` and `base`.

use clap::{Args, ValueEnum};
use release_common::output::ReportArgs;
use release_common::units::Span;

use super::shared::{ConnectArgs, SealArgs, StoreArgs};
use crate::layout::Name;

/// Flags of whatever makes a backup.
#[derive(Args, Clone, Debug)]
pub struct MakeArgs {
    /// The release that this backup is made for
    #[arg(long, value_name = "NAME")]
    pub release: Option<Name>,
    /// Keep it under this hold until `release` lifts it, whatever retention says
    #[arg(long, value_name = "NAME")]
    pub hold: Option<Name>,
    /// Print nothing but the id
    #[arg(long, conflicts_with_all = ["format", "json"])]
    pub print_id: bool,
    /// Show what would be done and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Where backups are kept.
    #[command(flatten)]
    pub store: StoreArgs,
    /// How to reach the database.
    #[command(flatten)]
    pub connect: ConnectArgs,
    /// How objects are stored.
    #[command(flatten)]
    pub seal: SealArgs,
    /// Shape of what is reported.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Flags of `create`.
#[derive(Args, Clone, Debug)]
pub struct CreateArgs {
    /// The release's commit, for the record
    #[arg(long, value_name = "COMMIT", requires = "release")]
    pub git: Option<String>,
    /// The release's image with its digest, for the record
    #[arg(long, value_name = "IMAGE", requires = "release")]
    pub image: Option<String>,
    /// The newest migration in the database, for the record
    #[arg(long, value_name = "NAME", requires = "release")]
    pub migration: Option<String>,
    /// One archive, or a file for each table
    #[arg(long, value_name = "LAYOUT", default_value = "custom")]
    pub layout: DumpLayout,
    /// Dump so many tables at a time; needs --layout directory and disk for the dump
    #[arg(short, long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub jobs: u8,
    /// Folder for the files of --layout directory
    #[arg(long, value_name = "FOLDER", env = "PG_BACKUP_SPOOL")]
    pub spool: Option<std::path::PathBuf>,
    /// Give up when a table's lock is not had in this time
    #[arg(long, value_name = "TIME", default_value = "5m")]
    pub lock_timeout: Span,
    /// Also keep the roles' password verifiers
    #[arg(long)]
    pub role_passwords: bool,
    /// What every backup is asked.
    #[command(flatten)]
    pub make: MakeArgs,
}

/// How a dump is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DumpLayout {
    /// One archive, streamed without any local disk
    Custom,
    /// A file for each table, which may be dumped and restored side by side
    Directory,
}

/// Flags of `base`.
#[derive(Args, Clone, Debug)]
pub struct BaseArgs {
    /// Begin at once by an immediate checkpoint, which costs the server more
    #[arg(long)]
    pub fast: bool,
    /// Take at most so many bytes a second from the server
    #[arg(long, value_name = "SIZE")]
    pub max_rate: Option<release_common::units::ByteSize>,
    /// What every backup is asked.
    #[command(flatten)]
    pub make: MakeArgs,
}
