//! Flags of what moves WAL.

use std::path::PathBuf;

use clap::Args;
use release_common::output::ReportArgs;

use super::shared::{ConnectArgs, IdentityArgs, SealArgs, StoreArgs};

/// Flags of `wal-push`.
#[derive(Args, Clone, Debug)]
pub struct WalPushArgs {
    /// The file, as `%p` of archive_command names it
    #[arg(value_name = "PATH")]
    pub path: PathBuf,
    /// The system identifier of the cluster, for files that do not tell it; else that of the data folder they lie in
    #[arg(long, value_name = "NUMBER")]
    pub system_id: Option<String>,
    /// Where backups are kept.
    #[command(flatten)]
    pub store: StoreArgs,
    /// How objects are stored.
    #[command(flatten)]
    pub seal: SealArgs,
}

/// Flags of `wal-fetch`.
#[derive(Args, Clone, Debug)]
pub struct WalFetchArgs {
    /// The file's name, as `%f` of restore_command tells it
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Where to put it, as `%p` tells it
    #[arg(value_name = "PATH")]
    pub path: PathBuf,
    /// The system identifier of the cluster; else the only one in the store
    #[arg(long, value_name = "NUMBER")]
    pub system_id: Option<String>,
    /// Fetch so many segments ahead
    #[arg(long, value_name = "N", default_value_t = 0, requires = "spool")]
    pub prefetch: u8,
    /// Folder outside the data folder for segments fetched ahead
    #[arg(long, value_name = "FOLDER")]
    pub spool: Option<PathBuf>,
    /// Where backups are kept.
    #[command(flatten)]
    pub store: StoreArgs,
    /// What decrypts.
    #[command(flatten)]
    pub identity: IdentityArgs,
}

/// Flags of `wal-receive`.
#[derive(Args, Clone, Debug)]
pub struct WalReceiveArgs {
    /// Folder for segments on their way to the store
    #[arg(long, value_name = "FOLDER")]
    pub spool: PathBuf,
    /// The replication slot, which is made if it is absent
    #[arg(long, value_name = "NAME", default_value = "pg_backup")]
    pub slot: String,
    /// Stop once everything up to now is stored
    #[arg(long)]
    pub once: bool,
    /// Where backups are kept.
    #[command(flatten)]
    pub store: StoreArgs,
    /// How to reach the server.
    #[command(flatten)]
    pub connect: ConnectArgs,
    /// How objects are stored.
    #[command(flatten)]
    pub seal: SealArgs,
    /// Shape of what is reported.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Flags of `wal-check`.
#[derive(Args, Clone, Debug)]
pub struct WalCheckArgs {
    /// Also read every segment and compare its checksum
    #[arg(long)]
    pub read: bool,
    /// The system identifier of the cluster; else the only one in the store
    #[arg(long, value_name = "NUMBER")]
    pub system_id: Option<String>,
    /// Where backups are kept.
    #[command(flatten)]
    pub store: StoreArgs,
    /// What decrypts.
    #[command(flatten)]
    pub identity: IdentityArgs,
    /// Shape of what is reported.
    #[command(flatten)]
    pub report: ReportArgs,
}
