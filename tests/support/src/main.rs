//! The `testbed` command.

use clap::Parser;

fn main() -> std::process::ExitCode {
    testbed::run(testbed::Cli::parse())
}
