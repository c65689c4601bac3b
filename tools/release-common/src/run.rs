//! The frame around every tool: parse, run, report, exit.
//!
//! Errors print as `error:`, then `caused by:` lines, then one `hint:`. A reader that closed stdout is no error.

use std::ffi::OsString;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgMatches, Command, CommandFactory, FromArgMatches};
use tracing_subscriber::filter::LevelFilter;

use crate::common_args::{CommonArgs, LogFormat};
use crate::config::{self, ConfigError};
use crate::console::Console;
use crate::context::Context;
use crate::exit::{Ending, Exit, Outcome};
use crate::failure::{Failure, is_broken_pipe};
use crate::generate;
use crate::shutdown::Shutdown;
use crate::stdout::{ClosedOutput, ResultWriter};
use crate::test_clock::{self, TestClockError};

/// A tool's command line.
pub trait Tool: CommandFactory + FromArgMatches {
    /// The flags it shares with every tool.
    fn common(&self) -> &CommonArgs;

    /// What it does when its reader leaves. Tools that change state say [`ClosedOutput::Discard`].
    fn closed_output(&self) -> ClosedOutput {
        ClosedOutput::Stop
    }

    /// The number that the process ends with: that of the house table, unless another program runs this one and has a
    /// table of its own. The arguments are raw, since a command line that cannot be read ends here too.
    fn code(ending: Ending, _arguments: &[OsString]) -> u8 {
        ending.code()
    }
}

/// Runs `tool` with the process's arguments, and turns its end into an exit code: of the house table, or what
/// [`Tool::code`] makes of it.
pub fn run<C, E>(tool: impl FnOnce(C, &mut Context) -> Result<Outcome, E>) -> ExitCode
where
    C: Tool,
    E: Failure + 'static,
{
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // The panic has told about itself; nothing of the run is used after it.
    let ending = match catch_unwind(AssertUnwindSafe(|| run_with(&arguments, tool))) {
        Ok(exit) => Ending::Exit(exit),
        Err(_) => Ending::Panic,
    };
    ExitCode::from(C::code(ending, &arguments))
}

fn run_with<C, E>(arguments: &[OsString], tool: impl FnOnce(C, &mut Context) -> Result<Outcome, E>) -> Exit
where
    C: Tool,
    E: Failure + 'static,
{
    if let Some(request) = generate::requested(arguments) {
        return generate_for::<C>(request);
    }
    match parse::<C>(arguments) {
        Ok(cli) => run_parsed(cli, tool),
        Err(refusal) => refusal.report(),
    }
}

fn run_parsed<C, E>(cli: C, tool: impl FnOnce(C, &mut Context) -> Result<Outcome, E>) -> Exit
where
    C: Tool,
    E: Failure + 'static,
{
    let console = Console::new(cli.common());
    start_logging(cli.common());
    let shutdown = match Shutdown::listen(console) {
        Ok(shutdown) => shutdown,
        Err(error) => {
            console.error("cannot listen for signals");
            console.cause(error);
            return Exit::NotStarted;
        }
    };
    let clock = match test_clock::chosen(cli.common(), console) {
        Ok(clock) => clock,
        Err(error) => return report(&error, console),
    };
    let policy = cli.closed_output();
    let stdout = Box::new(ResultWriter::new(policy));
    let mut context = Context::new(stdout, console, clock, shutdown);
    let result = tool(cli, &mut context);
    let flushed = context.stdout().flush();
    match (result, flushed) {
        (Ok(outcome), Ok(())) => outcome.into(),
        (Ok(outcome), Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            if policy == ClosedOutput::Stop { Exit::Good } else { outcome.into() }
        }
        (Ok(outcome), Err(error)) => {
            console.error("stdout: cannot be written");
            console.cause(error);
            Exit::Failed.or_worse(outcome.into())
        }
        (Err(error), _) if policy == ClosedOutput::Stop && is_broken_pipe(&error) => Exit::Good,
        (Err(error), _) => report(&error, console),
    }
}

fn report(error: &(impl Failure + 'static), console: Console) -> Exit {
    console.error(error);
    let mut cause = error.source();
    while let Some(current) = cause {
        console.cause(current);
        cause = current.source();
    }
    if let Some(hint) = error.hint() {
        console.hint(hint);
    }
    error.exit()
}

/// Why a command line was not run; help and version among them.
enum Refusal {
    Clap(Box<clap::Error>),
    Config(Box<ConfigError>),
}

impl Refusal {
    fn report(self) -> Exit {
        match self {
            Refusal::Clap(error) => {
                // Nobody is left to read a help text that cannot be written.
                let _ = error.print();
                if error.exit_code() == 0 { Exit::Good } else { Exit::NotStarted }
            }
            Refusal::Config(error) => report(&*error, Console::new(&CommonArgs::default())),
        }
    }
}

impl From<clap::Error> for Refusal {
    fn from(error: clap::Error) -> Refusal {
        Refusal::Clap(Box::new(error))
    }
}

impl From<ConfigError> for Refusal {
    fn from(error: ConfigError) -> Refusal {
        Refusal::Config(Box::new(error))
    }
}

impl Failure for ConfigError {
    fn exit(&self) -> Exit {
        Exit::NotStarted
    }

    fn hint(&self) -> Option<String> {
        match self {
            ConfigError::UnknownKey { table, .. } => {
                let command = table.rsplit_once("env.").map_or(table.as_str(), |(_, rest)| rest);
                let tool = command.split('.').next_back().unwrap_or(command);
                Some(format!("keys of [{table}] are the long flags that `{tool} --help` lists, without `--`"))
            }
            _ => None,
        }
    }
}

impl Failure for TestClockError {
    fn exit(&self) -> Exit {
        Exit::NotStarted
    }
}

fn parse<C: Tool>(arguments: &[OsString]) -> Result<C, Refusal> {
    let command = C::command();
    let (path, environment) = config_flags(&command, arguments);
    let Some(path) = path else {
        let matches = command.try_get_matches_from(arguments)?;
        return Ok(typed::<C>(&matches, C::command())?);
    };
    let (mut command, configured) = config::configure(command, &path, environment.as_deref())?;
    match command.try_get_matches_from_mut(arguments) {
        Ok(matches) => Ok(typed::<C>(&matches, command)?),
        Err(error) => Err(match configured.blame(&error, arguments) {
            Some(blamed) => blamed.into(),
            None => error.into(),
        }),
    }
}

fn typed<C: Tool>(matches: &ArgMatches, mut command: Command) -> Result<C, clap::Error> {
    C::from_arg_matches(matches).map_err(|error| error.format(&mut command))
}

/// `--config` and `--env`, which are needed before the rest can be parsed.
fn config_flags(command: &Command, arguments: &[OsString]) -> (Option<PathBuf>, Option<String>) {
    let lenient = command.clone().ignore_errors(true).try_get_matches_from(arguments);
    let Ok(matches) = lenient else { return (None, None) };
    let mut innermost = &matches;
    while let Some((_, inner)) = innermost.subcommand() {
        innermost = inner;
    }
    let path = innermost.try_get_one::<PathBuf>("config").ok().flatten().cloned();
    let environment = innermost.try_get_one::<String>("env").ok().flatten().cloned();
    (path, environment)
}

fn generate_for<C: Tool>(request: generate::Request) -> Exit {
    let console = Console::new(&CommonArgs::default());
    let mut stdout = ResultWriter::new(ClosedOutput::Stop);
    let written = generate::write(request, C::command(), &mut stdout).and_then(|known| {
        stdout.flush()?;
        Ok(known)
    });
    match written {
        Ok(true) => Exit::Good,
        Ok(false) => {
            console.error("--generate takes man, man SUBCOMMAND, bash, zsh or fish");
            Exit::NotStarted
        }
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Good,
        Err(error) => {
            console.error("stdout: cannot be written");
            console.cause(error);
            Exit::Failed
        }
    }
}

fn start_logging(args: &CommonArgs) {
    let level = match (args.quiet, args.verbose) {
        (true, _) => LevelFilter::ERROR,
        (false, 0) => LevelFilter::WARN,
        (false, 1) => LevelFilter::INFO,
        (false, _) => LevelFilter::DEBUG,
    };
    let logs = tracing_subscriber::fmt().with_max_level(level).with_writer(io::stderr).with_ansi(false);
    // A second initialization can only come from a test that runs two tools in one process; the first one stays.
    let _ = match args.log_format {
        LogFormat::Human => logs.try_init(),
        LogFormat::Json => logs.json().try_init(),
    };
}
