//! What can go wrong between a test and the program it needs; each text names the program.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a program is not at the caller's service.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The scratch folder could not be made.
    #[error("cannot make a scratch folder for {program}")]
    Scratch {
        /// The program that needed it.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// The supervisor that runs the program could not be started.
    #[error("cannot start the supervisor of {program} (it needs bash, setsid and setpriv)")]
    Start {
        /// The program that was to run.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// The program's own log file could not be written.
    #[error("{}: cannot write the output of {program}", path.display())]
    Log {
        /// The program whose output it was to hold.
        program: String,
        /// The log file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The program ended although it was still needed.
    #[error("{program} ended with exit code {code} before {awaited}; its last output:\n{output}")]
    Ended {
        /// The program that ended.
        program: String,
        /// Its exit code; 128 and more is a signal.
        code: i32,
        /// What was waited for.
        awaited: String,
        /// The last lines it printed.
        output: String,
    },
    /// The program had one thing to do and did not.
    #[error("{program} failed with exit code {code}; its last output:\n{output}")]
    Failed {
        /// The program that failed.
        program: String,
        /// Its exit code; 128 and more is a signal.
        code: i32,
        /// The last lines it printed.
        output: String,
    },
    /// The event did not come in time.
    #[error("{program}: waited {}s in vain for {awaited}; its last output:\n{output}", limit.as_secs_f32())]
    TimedOut {
        /// The program that was waited for.
        program: String,
        /// What was waited for.
        awaited: String,
        /// How long.
        limit: Duration,
        /// The last lines it printed.
        output: String,
    },
    /// A signal could not be sent.
    #[error("cannot signal {program}")]
    Signal {
        /// The program that was signalled.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// The readiness address is not one that can be asked.
    #[error("{url}: only http://HOST:PORT/PATH can be waited for")]
    Url {
        /// The address as given.
        url: String,
    },
    /// The web server could not listen or could not open its log.
    #[error("cannot serve {}", root.display())]
    Serve {
        /// The folder that was to be served.
        root: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The owner of the program could not be watched.
    #[error("cannot watch the owner, process {owner}")]
    Owner {
        /// The process id as given.
        owner: i32,
        /// What the system said.
        source: io::Error,
    },
    /// The program is not on this machine.
    #[error("{}: not installed; run: scripts/setup test", program.display())]
    NotInstalled {
        /// Where it was looked for.
        program: PathBuf,
    },
    /// The system gave no free port.
    #[error("cannot find a free port")]
    Port(#[source] io::Error),
    /// Another process has taken the port that was free when it was chosen.
    #[error("{program}: another process has taken its port")]
    PortTaken {
        /// The program that was to listen.
        program: String,
    },
    /// The text is not a setting.
    #[error("{text}: a setting is NAME=VALUE")]
    Setting {
        /// The text as given.
        text: String,
    },
    /// A program's own file could not be written.
    #[error("{}: cannot be written", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The server refused a statement, or `psql` did not reach it.
    #[error("{url}: {message}")]
    Sql {
        /// The database.
        url: String,
        /// What `psql` said.
        message: String,
    },
    /// The object store did not do what it was asked for.
    #[error("{url}: {message}")]
    Store {
        /// What was asked for.
        url: String,
        /// What it answered, or why it did not.
        message: String,
    },
    /// The ready line could not be printed.
    #[error("cannot print the ready line")]
    Report(#[source] io::Error),
}
