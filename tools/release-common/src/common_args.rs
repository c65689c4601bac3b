//! The flags that mean one thing in every tool.

use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};

/// Flags of every tool; flatten it into the tool's `Cli`.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Shared options")]
pub struct CommonArgs {
    /// Read defaults from this file; flags and environment variables beat them
    ///
    /// The table named after the tool holds defaults; `[env.PROD.<tool>]` overrides them under `--env PROD`.
    #[arg(long, global = true, value_name = "slipway.toml", env = "SLIPWAY_CONFIG")]
    pub config: Option<PathBuf>,

    /// Use the overrides of this environment in the configuration file
    #[arg(long, global = true, value_name = "NAME", env = "SLIPWAY_ENV", requires = "config")]
    pub env: Option<String>,

    /// Color messages: when a terminal reads them, always or never
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,

    /// Print errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Print more: steps with -v, details with -vv
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,

    /// Shape of the log lines on stderr
    #[arg(long, global = true, value_name = "SHAPE", default_value = "human", hide_short_help = true)]
    pub log_format: LogFormat,

    /// Take the time from this file; builds for tests only
    #[arg(long, global = true, value_name = "FILE", hide = true)]
    pub test_clock: Option<PathBuf>,
}

/// When to color messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`
    #[default]
    Auto,
    /// Also in pipes and files
    Always,
    /// Not at all
    Never,
}

/// Shape of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One readable line per event
    #[default]
    Human,
    /// One JSON object per event
    Json,
}
