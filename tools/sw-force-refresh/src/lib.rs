//! Brings every connected browser to a new version, and knows when they run it.
//!
//! The update is a state, not a message: a hub holds the current signed event per audience and gives it to every
//! browser that connects; the socket only makes it fast. Success is what clients run, not what they acknowledge: a
//! client counts as updated when its own hello, after the reload, names the wanted manifest hash.
//!
//! Who decides what, in reading order: [`event`] and [`audience`] say what may be asked of whom, [`jws`] and [`keys`]
//! who may ask, [`wire`] how hub and browser talk. [`hub`] holds what a hub knows, [`cohort`] counts, [`adoption`]
//! judges the counts. [`admission`] guards the public listener. The rest carries decisions out: `serve` with its
//! listeners and sessions, `send`, `status`, `cancel` and `keygen` with their reports.

pub mod admission;
pub mod adoption;
pub mod api;
pub mod audience;
pub mod cohort;
pub mod event;
pub mod hub;
pub mod jws;
pub mod keys;
pub mod metrics;
pub mod plan;
pub mod record;
pub mod subject;
pub mod wire;

pub mod cli;
pub mod error;
pub mod http_address;

mod admin;
mod cancel;
mod chance;
mod http;
mod hub_client;
mod keygen;
mod preflight;
mod progress;
mod report;
mod secrets;
mod send;
mod serve;
mod session;
mod socket;
mod status;
mod stdin;
mod switchboard;
mod wait;

use release_common::{Context, Outcome};

pub use crate::cli::Cli;
use crate::cli::Command;
pub use crate::error::Error;

/// Runs the command line.
///
/// # Errors
/// Everything that [`Error`] lists; `Error::exit` maps it to the house table.
pub fn run(cli: Cli, context: &mut Context) -> Result<Outcome, Error> {
    match &cli.command {
        Command::Serve(args) => serve::run(args, context),
        Command::Send(args) => send::run(args, context),
        Command::Status(args) => status::run(args, context),
        Command::Cancel(args) => cancel::run(args, context),
        Command::Keygen(args) => keygen::run(args, context),
    }
}

/// For commands that make a few calls: one thread is enough.
fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Runtime)
}
