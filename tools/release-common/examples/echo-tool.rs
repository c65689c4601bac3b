//! The smallest tool there can be; `tests/frame.rs` and `tests/simulation.rs` run it to see what every tool inherits.

use clap::{Args, Parser, Subcommand};
use release_common::units::{ByteSize, Span};
use release_common::{CommonArgs, Context, Exit, Failure, Outcome, Tool, fault};

/// Echo the options it was given
#[derive(Parser)]
#[command(name = "echo-tool", version)]
struct Cli {
    #[command(flatten)]
    common: CommonArgs,

    /// Largest size
    #[arg(long, env = "ECHO_LIMIT", default_value = "1kB")]
    limit: ByteSize,

    /// Names to echo
    #[arg(long)]
    name: Vec<String>,

    /// Say it loudly
    #[arg(long)]
    loud: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print the options
    Show(Show),
    /// Print lines without end
    Flood,
    /// Fail with a cause and a hint
    Fail,
    /// Say that the answer is bad
    Judge,
    /// Wait for a signal
    Wait,
    /// Print three steps, each after a point where a test may end it
    Steps,
    /// Print the time for every line of stdin
    Time,
}

#[derive(Args)]
struct Show {
    /// How long to wait
    #[arg(long, default_value = "1s")]
    wait: Span,
}

impl Tool for Cli {
    fn common(&self) -> &CommonArgs {
        &self.common
    }
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("the pond is empty")]
    Empty(#[source] std::io::Error),
    #[error("stdout")]
    Output(#[from] std::io::Error),
}

impl Failure for Error {
    fn exit(&self) -> Exit {
        Exit::Failed
    }

    fn hint(&self) -> Option<String> {
        Some("fill the pond".into())
    }
}

fn tool(cli: Cli, ctx: &mut Context) -> Result<Outcome, Error> {
    match cli.command {
        Command::Show(show) => {
            let (limit, names, loud) = (cli.limit.0, cli.name.join(","), cli.loud);
            writeln!(ctx.stdout(), "limit={limit} names={names} loud={loud} wait={}", show.wait)?;
            Ok(Outcome::Good)
        }
        Command::Flood => loop {
            writeln!(ctx.stdout(), "line")?;
        },
        Command::Fail => Err(Error::Empty(std::io::Error::other("somebody fished"))),
        Command::Judge => Ok(Outcome::Bad),
        Command::Steps => {
            for step in 1..=3 {
                fault::point("step");
                writeln!(ctx.stdout(), "step {step}")?;
                ctx.stdout().flush()?;
            }
            Ok(Outcome::Good)
        }
        Command::Time => {
            for line in std::io::stdin().lines() {
                line?;
                let (now, is_simulated) = (ctx.clock.now(), ctx.clock.is_simulated());
                writeln!(ctx.stdout(), "{now} simulated={is_simulated}")?;
                ctx.stdout().flush()?;
            }
            Ok(Outcome::Good)
        }
        Command::Wait => {
            let (sender, receiver) = std::sync::mpsc::channel();
            ctx.shutdown.on_request(move |signal| {
                let _ = sender.send(signal);
            });
            writeln!(ctx.stdout(), "waiting")?;
            ctx.stdout().flush()?;
            let signal = receiver.recv().map_err(|error| Error::Empty(std::io::Error::other(error)))?;
            Ok(Outcome::Stopped(signal))
        }
    }
}

fn main() -> std::process::ExitCode {
    release_common::run(tool)
}
