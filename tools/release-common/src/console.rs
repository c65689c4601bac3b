//! Messages for people, on stderr: warnings, notes, and whether color and progress are welcome.
//!
//! Follows <https://no-color.org> and the command line guidelines: nothing here ever reaches stdout.

use std::io::{IsTerminal, Write};

use crate::common_args::{Color, CommonArgs};

/// Writes messages to stderr as the shared flags ask for.
#[derive(Clone, Copy, Debug)]
pub struct Console {
    is_quiet: bool,
    is_colored: bool,
    is_terminal: bool,
}

impl Console {
    /// Follows the flags and the terminal.
    pub fn new(args: &CommonArgs) -> Console {
        let is_terminal = std::io::stderr().is_terminal() && !is_dumb_terminal();
        let is_colored = match args.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => is_terminal && !is_color_refused(),
        };
        Console { is_quiet: args.quiet, is_colored, is_terminal }
    }

    /// Whether a progress display is welcome: a terminal reads stderr and nobody asked for quiet.
    pub fn wants_progress(&self) -> bool {
        self.is_terminal && !self.is_quiet
    }

    /// Whether messages are colored.
    pub fn is_colored(&self) -> bool {
        self.is_colored
    }

    /// Prints something the user should know although the run goes on.
    pub fn warn(&self, message: impl std::fmt::Display) {
        if !self.is_quiet {
            self.print("\u{1b}[33m", "warning", message);
        }
    }

    /// Prints a reason why the answer is bad, whatever was asked about messages.
    pub fn finding(&self, message: impl std::fmt::Display) {
        self.print("\u{1b}[31m", "finding", message);
    }

    /// Prints a remark that explains what the tool does.
    pub fn note(&self, message: impl std::fmt::Display) {
        if !self.is_quiet {
            self.print("\u{1b}[36m", "note", message);
        }
    }

    pub(crate) fn error(&self, message: impl std::fmt::Display) {
        self.print("\u{1b}[31m", "error", message);
    }

    pub(crate) fn cause(&self, message: impl std::fmt::Display) {
        self.print("", "caused by", message);
    }

    pub(crate) fn hint(&self, message: impl std::fmt::Display) {
        self.print("\u{1b}[32m", "hint", message);
    }

    /// A message that cannot be written has no reader left to miss it.
    fn print(&self, color: &str, label: &str, message: impl std::fmt::Display) {
        let mut stderr = std::io::stderr().lock();
        let _ = if self.is_colored && !color.is_empty() {
            writeln!(stderr, "{color}{label}:\u{1b}[0m {message}")
        } else {
            writeln!(stderr, "{label}: {message}")
        };
    }
}

fn is_dumb_terminal() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

fn is_color_refused() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}
