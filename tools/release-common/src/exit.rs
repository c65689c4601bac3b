//! The one table of exit codes: what a script may conclude from a tool's end.
//!
//! 75 is `EX_TEMPFAIL` of sysexits(3); 130 and 143 are 128 + the signal's number, as shells report it.

use std::process::ExitCode;

/// The code of a panic, as the language's own runtime has it.
const PANIC: u8 = 101;

/// The exit codes of every tool. Not used: 101, which is a panic and always a bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, and the answer is good.
    Good = 0,
    /// Done, and the answer is bad: findings, a mismatch, a missed target.
    Bad = 1,
    /// Not started: wrong flags, configuration or input; nothing changed.
    NotStarted = 2,
    /// Failed while running; stderr says what is left changed.
    Failed = 3,
    /// Temporary: the same command may run again and resumes.
    Temporary = 75,
    /// Stopped by SIGINT at a safe point.
    Interrupted = 130,
    /// Stopped by SIGTERM at a safe point.
    Terminated = 143,
}

impl Exit {
    /// The number the process ends with.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The one to report when both apply: a signal, then 3, 75, 2, 1, 0.
    #[must_use]
    pub fn or_worse(self, other: Exit) -> Exit {
        if self.severity() >= other.severity() { self } else { other }
    }

    const fn severity(self) -> u8 {
        match self {
            Exit::Good => 0,
            Exit::Bad => 1,
            Exit::NotStarted => 2,
            Exit::Temporary => 3,
            Exit::Failed => 4,
            Exit::Interrupted | Exit::Terminated => 5,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

/// How a run ended, before a tool that obeys another table says its number for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By a row of the house table.
    Exit(Exit),
    /// By a panic.
    Panic,
}

impl Ending {
    /// The number of the house table.
    pub const fn code(self) -> u8 {
        match self {
            Ending::Exit(exit) => exit.code(),
            Ending::Panic => PANIC,
        }
    }
}

/// The signals a tool stops for at a safe point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT, as Ctrl-C sends it.
    Interrupt,
    /// SIGTERM, as a supervisor sends it.
    Terminate,
}

impl Signal {
    /// The name as kill(1) spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Signal::Interrupt => "SIGINT",
            Signal::Terminate => "SIGTERM",
        }
    }
}

/// How a run that met no error ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The answer is good.
    Good,
    /// The answer is bad; the report says why.
    Bad,
    /// Work remains; the same command resumes it.
    Unfinished,
    /// A signal was obeyed at a safe point.
    Stopped(Signal),
}

impl From<Outcome> for Exit {
    fn from(outcome: Outcome) -> Exit {
        match outcome {
            Outcome::Good => Exit::Good,
            Outcome::Bad => Exit::Bad,
            Outcome::Unfinished => Exit::Temporary,
            Outcome::Stopped(Signal::Interrupt) => Exit::Interrupted,
            Outcome::Stopped(Signal::Terminate) => Exit::Terminated,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Exit, Outcome, Signal};

    #[test]
    fn signal_beats_failure_beats_temporary_beats_bad() {
        let ranked = [Exit::Good, Exit::Bad, Exit::Temporary, Exit::Failed, Exit::Interrupted];
        for pair in ranked.windows(2) {
            assert_eq!(pair[0].or_worse(pair[1]), pair[1]);
            assert_eq!(pair[1].or_worse(pair[0]), pair[1]);
        }
    }

    #[test]
    fn outcomes_use_the_numbers_of_the_house_table() {
        let codes = [
            (Outcome::Good, 0),
            (Outcome::Bad, 1),
            (Outcome::Unfinished, 75),
            (Outcome::Stopped(Signal::Interrupt), 130),
            (Outcome::Stopped(Signal::Terminate), 143),
        ];
        for (outcome, code) in codes {
            assert_eq!(Exit::from(outcome).code(), code);
        }
    }
}
