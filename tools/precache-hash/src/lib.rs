//! Turns a PWA build folder into its precache manifest and the one hash that triggers the service-worker update.
//!
//! The tool decides which files a release consists of ([`selection`]), what each is called as a URL and by which
//! revision it is known ([`entries`]), and refuses every tree whose manifest would fail in a browser: a name without
//! a URL, two contents for one URL, a file that changes while it is read. One bad entry never empties the list: it
//! is named and nothing is written. Around that it injects a manifest into a worker ([`inject`]), and tells what
//! changed between two releases and what that costs a returning client ([`diff`]).

pub mod additions;
pub mod angular;
pub mod build;
pub mod cli;
pub mod diff;
pub mod entries;
pub mod error;
pub mod hashing;
#[cfg(feature = "http")]
pub mod http;
pub mod inject;
pub mod injection;
pub mod input;
pub mod ngsw;
pub mod problem;
pub mod progress;
pub mod report;
pub mod selection;
pub mod source;
pub mod tree;
pub mod verify;

use release_common::{Context, Outcome};

pub use cli::Cli;
pub use error::Error;

/// Runs the job that the command line asks for.
///
/// # Errors
/// See [`Error`]; its variants name the situations.
pub fn run(cli: Cli, ctx: &mut Context) -> Result<Outcome, Error> {
    match cli.command {
        None => build::run(&cli.build, ctx),
        Some(cli::Command::Inject(args)) => injection::run(&args, ctx),
        Some(cli::Command::Diff(args)) => diff::run(&args, ctx),
        Some(cli::Command::Verify(args)) => verify::run(&args, ctx),
    }
}
