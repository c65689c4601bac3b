//! Backs PostgreSQL up to object storage, proves each backup by restoring it, and says whether that is good enough.
//!
//! What it decides: when a backup exists (its manifest is the last thing written, after the dump program has ended well
//! and the store has confirmed every byte), when it counts (it was restored into a scratch cluster, with the rows, schema
//! and indexes that its snapshot had), and which may go (never the newest one that counts).
//!
//! In reading order: [`layout`] is where things lie, [`manifest`] what a backup is, [`store`] the bucket, `seal` and
//! `unseal` the way in and out; then a module for each command.

pub mod cli;
pub mod counts;
pub mod document;
pub mod encryption;
pub mod error;
pub mod evidence;
pub mod layout;
pub mod manifest;
pub mod store;
pub mod wal_chain;
pub mod wal_header;
pub mod wal_history;
pub mod wal_name;
pub mod wal_record;

mod account;
mod answer;
mod archive;
mod child;
mod commit;
mod deletion;
mod draw;
mod dump;
mod garbage;
mod globals;
mod lease;
mod new_database;
mod newest;
mod objective;
mod opened;
mod privacy;
mod probe;
mod programs;
mod progress;
mod proof;
mod retention;
mod schema;
mod scratch;
mod seal;
mod server;
mod snapshot;
mod spool;
mod tables;
mod unseal;

mod base;
mod cat;
mod create;
mod doctor;
mod gc;
mod holds;
mod list;
mod restore;
mod retain;
mod rpo;
mod rto;
mod show;
mod verify;
mod wal_archive;
mod wal_check;
mod wal_fetch;
mod wal_garbage;
mod wal_push;
mod wal_receive;

use release_common::output::Format;
use release_common::{Context, Outcome};

pub use crate::cli::Cli;
use crate::cli::{Command, RetainCommand};
pub use crate::error::Error;

/// Runs the command line. With `--format json` a failure is told as a summary too.
///
/// # Errors
/// Everything that [`Error`] lists; `Error::exit` maps it to the house table.
pub fn run(cli: Cli, context: &mut Context) -> Result<Outcome, Error> {
    let format = cli.command.format();
    privacy::keep();
    let result = dispatch(&cli.command, context);
    if let (Err(error), Some(Format::Json)) = (&result, format)
        && !matches!(error, Error::Inconclusive { .. })
    {
        // A reader that is gone misses nothing: the error itself goes to stderr.
        let _ = answer::failure(context, error);
    }
    match result {
        Err(Error::Stopped(signal)) => Ok(Outcome::Stopped(signal)),
        result => result,
    }
}

fn dispatch(command: &Command, context: &mut Context) -> Result<Outcome, Error> {
    match command {
        Command::Create(args) => create::run(args, context),
        Command::List(args) => list::run(args, context),
        Command::Show(args) => show::run(args, context),
        Command::Cat(args) => cat::run(args, context),
        Command::Verify(args) => verify::run(args, context),
        Command::Restore(args) => restore::run(args, context),
        Command::Base(args) => base::run(args, context),
        Command::WalPush(args) => wal_push::run(args, context),
        Command::WalFetch(args) => wal_fetch::run(args, context),
        Command::WalReceive(args) => wal_receive::run(args, context),
        Command::WalCheck(args) => wal_check::run(args, context),
        Command::Retain(RetainCommand::Plan(args)) => retain::plan(args, context),
        Command::Retain(RetainCommand::Apply(args)) => retain::apply(args, context),
        Command::Hold(args) => holds::hold(args, context),
        Command::Release(args) => holds::release(args, context),
        Command::Rpo(args) => rpo::run(args, context),
        Command::Rto(args) => rto::run(args, context),
        Command::Doctor(args) => doctor::run(args, context),
        Command::Gc(args) => gc::run(args, context),
        Command::Become(args) => child::become_program(args),
    }
}

/// One thread is enough for waiting; compressing and hashing have threads of their own.
fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Runtime)
}
