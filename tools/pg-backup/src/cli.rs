//! The command line: flags parse straight into what they mean.

mod ending;
mod keep;
mod make;
mod read;
mod shared;
mod wal;

use std::ffi::OsString;

use clap::{CommandFactory, Parser, Subcommand};
use release_common::output::Format;
use release_common::{ClosedOutput, CommonArgs, Ending, Tool};

pub use self::keep::{
    DoctorArgs, GcArgs, HoldArgs, ReleaseArgs, RetainApplyArgs, RetainCommand, RetainPlanArgs, RpoArgs,
    RtoArgs,
};
pub use self::make::{BaseArgs, CreateArgs, DumpLayout, MakeArgs};
pub use self::read::{CatArgs, ListArgs, RestoreArgs, ShowArgs, VerifyArgs};
pub use self::shared::{BecomeArgs, ConnectArgs, IdArg, IdentityArgs, Last, SealArgs, SeriesArgs, StoreArgs};
pub use self::wal::{WalCheckArgs, WalFetchArgs, WalPushArgs, WalReceiveArgs};

const EXAMPLES: &str = "\
Examples:
  Back up before a release, restore the backup into a scratch cluster, and ask whether that is good enough
    pg-backup create --release v1.4.0 --print-id | pg-backup verify --level restore - && pg-backup rpo --max 1h
  See what there is, and what is proven of it
    pg-backup list
  Delete what is no longer needed
    pg-backup retain plan --format json | pg-backup retain apply -

The database is the one that DATABASE_URL or the PG* variables name; the store is --store or PG_BACKUP_STORE.";

/// Back PostgreSQL up to object storage, and prove it by restoring
///
/// A backup exists once its manifest is written, after everything else was stored and confirmed. It counts once it was
/// restored: `verify --level restore` does that in a scratch cluster and stores the evidence, and `rpo` and `rto` answer
/// from evidence alone, by exit code.
#[derive(Debug, Parser)]
#[command(name = "pg-backup", version, after_long_help = EXAMPLES)]
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
    /// Dump a database into the store
    Create(Box<CreateArgs>),
    /// List backups, and what is proven of each
    List(ListArgs),
    /// Show one backup: its manifest, evidence and holds
    Show(ShowArgs),
    /// Write the content of a backup to stdout, for pg_restore
    Cat(CatArgs),
    /// Prove a backup: checksums, decoding, or a restore into a scratch cluster
    Verify(Box<VerifyArgs>),
    /// Restore a dump into a database, or a cluster to a moment
    Restore(Box<RestoreArgs>),
    /// Make a base backup of a cluster, for restores to any moment
    Base(Box<BaseArgs>),
    /// Store a WAL segment; for archive_command
    WalPush(WalPushArgs),
    /// Fetch a WAL segment; for restore_command, with the exit codes that it needs
    WalFetch(WalFetchArgs),
    /// Store WAL as it is written, over the replication protocol
    WalReceive(Box<WalReceiveArgs>),
    /// Look for gaps in the stored WAL
    WalCheck(WalCheckArgs),
    /// Plan and carry out the deletion of old backups
    #[command(subcommand)]
    Retain(RetainCommand),
    /// Keep a backup whatever retention says
    Hold(HoldArgs),
    /// Lift a hold
    Release(ReleaseArgs),
    /// Tell how much would be lost now; 1 when more than --max
    Rpo(RpoArgs),
    /// Tell how long a restore would take; 1 when longer than --max
    Rto(RtoArgs),
    /// Look for what would make a backup or a restore fail
    Doctor(Box<DoctorArgs>),
    /// Remove what killed runs have left in the store
    Gc(GcArgs),
    /// Become another program, which ends with its parent; for this program itself
    #[command(hide = true)]
    Become(BecomeArgs),
}

impl Command {
    /// The shape of the report, if there is one.
    pub fn format(&self) -> Option<Format> {
        let report = match self {
            Command::Create(args) => &args.make.report,
            Command::List(args) => &args.report,
            Command::Show(args) => &args.report,
            Command::Verify(args) => &args.report,
            Command::Restore(args) => &args.report,
            Command::Base(args) => &args.make.report,
            Command::WalReceive(args) => &args.report,
            Command::WalCheck(args) => &args.report,
            Command::Retain(RetainCommand::Plan(args)) => &args.report,
            Command::Retain(RetainCommand::Apply(args)) => &args.report,
            Command::Hold(args) => &args.report,
            Command::Release(args) => &args.report,
            Command::Rpo(args) => &args.report,
            Command::Rto(args) => &args.report,
            Command::Doctor(args) => &args.report,
            Command::Gc(args) => &args.report,
            Command::Cat(_) | Command::WalPush(_) | Command::WalFetch(_) | Command::Become(_) => return None,
        };
        Some(report.format())
    }
}

impl Tool for Cli {
    fn common(&self) -> &CommonArgs {
        &self.common
    }

    /// PostgreSQL reads the end of `wal-fetch` by a table of its own.
    fn code(ending: Ending, arguments: &[OsString]) -> u8 {
        let command = Cli::command();
        let commands: Vec<_> =
            command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
        ending::code(ending, arguments, &commands)
    }

    fn closed_output(&self) -> ClosedOutput {
        match &self.command {
            Command::List(_)
            | Command::Show(_)
            | Command::Cat(_)
            | Command::WalCheck(_)
            | Command::Rpo(_)
            | Command::Rto(_)
            | Command::Retain(RetainCommand::Plan(_)) => ClosedOutput::Stop,
            Command::Create(_)
            | Command::Verify(_)
            | Command::Restore(_)
            | Command::Base(_)
            | Command::WalPush(_)
            | Command::WalFetch(_)
            | Command::WalReceive(_)
            | Command::Retain(RetainCommand::Apply(_))
            | Command::Hold(_)
            | Command::Release(_)
            | Command::Doctor(_)
            | Command::Gc(_)
            | Command::Become(_) => ClosedOutput::Discard,
        }
    }
}
