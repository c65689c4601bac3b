//! Behavior that every tool shares, so that six tools feel like one.
//!
//! A tool hands [`run`] a function from its command line and a [`Context`] to an [`Outcome`] or an error.
//! This crate decides everything around it: how the command line, the environment and `slipway.toml` become one
//! set of options, what a closed pipe, a signal or an error means for the exit code, and how results and messages
//! look. It knows no rule of any single tool, opens no socket and is not `async`, but for
//! `Stop`, which its feature of that name brings.

mod clock;
mod common_args;
mod config;
mod console;
mod context;
mod exit;
mod failure;
pub mod fault;
pub mod files;
mod generate;
pub mod output;
mod run;
mod shutdown;
mod stdout;
#[cfg(feature = "async")]
mod stop;
mod test_clock;
pub mod units;
pub mod window;

pub use clock::{Clock, FixedClock, SystemClock};
pub use common_args::{Color, CommonArgs, LogFormat};
pub use config::ConfigError;
pub use console::Console;
pub use context::Context;
pub use exit::{Ending, Exit, Outcome, Signal};
pub use failure::Failure;
pub use run::{Tool, run};
pub use shutdown::Shutdown;
pub use stdout::ClosedOutput;
#[cfg(feature = "async")]
pub use stop::Stop;
pub use test_clock::TestClockError;
