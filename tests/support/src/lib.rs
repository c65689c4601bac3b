//! Starts real programs for tests and scripts, and stops them whatever happens to their owner.
//!
//! A test asks for a program and gets it ready to use, on a free port, with a scratch folder of its own. When the
//! owner drops it, panics, is signalled or is killed with SIGKILL, the program, all that it started and the folder go.
//! [`Program`] tells how; [`Chromium`] and [`Site`] are the programs known so far, and the `testbed` command offers all
//! three to shell scripts and Node.

mod chromium;
mod cli;
mod error;
mod output;
mod owner;
mod program;
mod readiness;
mod site;

pub use chromium::Chromium;
pub use cli::{Cli, run};
pub use error::Error;
pub use program::{Program, Running};
pub use readiness::Ready;
pub use rustix::process::Signal;
pub use site::{Request, Site, SiteOptions};
