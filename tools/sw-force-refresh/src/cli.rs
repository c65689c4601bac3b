//! The command line: flags parse straight into what they mean.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};
use precache_manifest::ManifestHash;
use release_common::output::ReportArgs;
use release_common::units::{Percent, Span};
use release_common::{ClosedOutput, CommonArgs, Tool};
use ulid::Ulid;

use crate::admission::Origin;
use crate::audience::LabelChoice;
use crate::event::Severity;
use crate::http_address::HttpAddress;
use crate::subject::{self, SubjectError};

const EXAMPLES: &str = "\
Examples:
  Make a key pair, once: staging.private.jwk signs, staging.public.jwk goes to hub and browsers
    sw-force-refresh keygen --out staging
  See what would be published; without --dry-run, --until 95% waits until 95% of the clients run it
    precache-hash --print-hash dist | sw-force-refresh send --key release.private.jwk --dry-run
  Make shell completions
    sw-force-refresh --generate bash";

/// Tell every connected browser to take the new version, and wait
///
/// A hub (`serve`) holds the current update and gives it to every browser that connects. `send` signs an update,
/// publishes it, and with --until waits until that share of the browsers runs the new version.
#[derive(Debug, Parser)]
#[command(name = "sw-force-refresh", version, after_long_help = EXAMPLES)]
pub struct Cli {
    /// The flags of every tool.
    #[command(flatten)]
    pub common: CommonArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the hub that browsers connect to
    Serve(ServeArgs),
    /// Publish an update, and wait for its adoption
    Send(Box<SendArgs>),
    /// Show what a hub holds, or wait for an update published earlier
    Status(StatusArgs),
    /// Withdraw an update
    Cancel(CancelArgs),
    /// Make a key pair for signing updates
    Keygen(KeygenArgs),
}

/// Flags of `serve`.
#[derive(Args, Debug)]
pub struct ServeArgs {
    /// Address for browsers; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Address for `send`, `status`, probes and metrics; keep it private
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9090")]
    pub admin: SocketAddr,
    /// Public key (JWK or JWK set) whose updates are accepted; repeat it to rotate keys
    #[arg(long, value_name = "FILE", required = true)]
    pub verify_key: Vec<PathBuf>,
    /// Origin whose pages may connect, exactly as browsers spell it; repeatable
    #[arg(long, value_name = "ORIGIN", required_unless_present = "allow_no_origin")]
    pub origin: Vec<Origin>,
    /// Also let programs connect that send no Origin (never browsers)
    #[arg(long)]
    pub allow_no_origin: bool,
    /// File that keeps the current updates across restarts
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// File with a token that publishers must present besides their signature
    #[arg(long, value_name = "FILE")]
    pub publish_token_file: Option<PathBuf>,
    /// Time between two heartbeats, in whole seconds
    #[arg(long, value_name = "TIME", default_value = "25s", value_parser = whole_seconds)]
    pub hb: Span,
    /// Time in which a client must answer a heartbeat
    #[arg(long, value_name = "TIME", default_value = "10s")]
    pub hb_deadline: Span,
    /// Time in which a client must take what it is sent
    #[arg(long, value_name = "TIME", default_value = "10s")]
    pub write_deadline: Span,
    /// Time over which connections are closed when the hub stops
    #[arg(long, value_name = "TIME", default_value = "20s")]
    pub drain: Span,
    /// Time after which a client that is away counts as gone
    #[arg(long, value_name = "TIME", default_value = "60s")]
    pub gone_after: Span,
    /// Most connections at one time; by default what the limit of open files allows
    #[arg(long, value_name = "NUMBER")]
    pub max_conns: Option<usize>,
    /// Shape of what is reported.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Where the hub is.
#[derive(Args, Clone, Debug)]
pub struct HubArgs {
    /// Admin address of the hub
    #[arg(long, value_name = "URL", env = "SW_FORCE_REFRESH_HUB", default_value = "http://127.0.0.1:9090")]
    pub hub: HttpAddress,
    /// File with the token that the hub asks publishers for
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

/// How long to wait for what.
#[derive(Args, Clone, Debug)]
pub struct WaitArgs {
    /// Wait until this share of the clients runs the new version
    #[arg(long, value_name = "PERCENT")]
    pub until: Option<Percent>,
    /// Longest time to wait
    #[arg(long, value_name = "TIME", default_value = "10m", requires = "until")]
    pub timeout: Span,
    /// With fewer matched clients the answer is bad: a share of three means nothing
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub min_clients: u64,
    /// An update that matches no client is good
    #[arg(long)]
    pub allow_empty: bool,
}

/// Flags of `send`.
#[derive(Args, Debug)]
pub struct SendArgs {
    /// Manifest hash to run: bare, with `sha256:`, or `-` for stdin, which also takes precache-hash JSON
    #[arg(value_name = "HASH")]
    pub hash: Option<Subject>,
    /// Private key (JWK) that signs the update
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// How soon clients obey
    #[arg(long, value_name = "SEVERITY", default_value = "normal")]
    pub severity: Severity,
    /// Short for --severity critical
    #[arg(long, conflicts_with = "severity")]
    pub critical: bool,
    /// Only clients with this label; repeat a key for any of its values
    #[arg(long, value_name = "KEY=VALUE")]
    pub audience: Vec<LabelChoice>,
    /// Only this share of all browsers, in whole percent
    #[arg(long, value_name = "PERCENT", default_value = "100", value_parser = whole_percent)]
    pub rollout: u8,
    /// Spread the reloads over this time
    #[arg(long, value_name = "TIME", default_value = "5s")]
    pub jitter: Span,
    /// Time after which clients defer no longer
    #[arg(long, value_name = "TIME", default_value = "15m")]
    pub deadline: Span,
    /// Time after which the update is void, at most 24h
    #[arg(long, value_name = "TIME", default_value = "6h")]
    pub ttl: Span,
    /// version.json of the origin: publish only if it serves the hash, three times in a row
    #[arg(long, value_name = "URL")]
    pub preflight_url: Option<HttpAddress>,
    /// Why this update is published, for the record
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Who publishes it, for the record: a deploy id or the address of a run
    #[arg(long, value_name = "TEXT")]
    pub iss: Option<String>,
    /// Id of the update (a ULID): publishing it again resumes the wait
    #[arg(long, value_name = "ID")]
    pub id: Option<Ulid>,
    /// Show what would be signed and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Where the hub is.
    #[command(flatten)]
    pub hub: HubArgs,
    /// How long to wait for what.
    #[command(flatten)]
    pub wait: WaitArgs,
    /// Shape of what is reported.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Flags of `status`.
#[derive(Args, Debug)]
pub struct StatusArgs {
    /// Only the update with this id; with --until wait for it
    #[arg(long, value_name = "ID", conflicts_with = "hash")]
    pub id: Option<Ulid>,
    /// Only updates to this version
    #[arg(long, value_name = "HASH")]
    pub hash: Option<ManifestHash>,
    /// Show it again each second until stopped
    #[arg(long, conflicts_with = "until")]
    pub watch: bool,
    /// Where the hub is.
    #[command(flatten)]
    pub hub: HubArgs,
    /// How long to wait for what.
    #[command(flatten)]
    pub wait: WaitArgs,
    /// Shape of what is reported.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Flags of `cancel`.
#[derive(Args, Debug)]
pub struct CancelArgs {
    /// Id of the update to withdraw
    #[arg(value_name = "ID")]
    pub id: Ulid,
    /// Private key (JWK) that signs the withdrawal
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// Why it is withdrawn, for the record
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Where the hub is.
    #[command(flatten)]
    pub hub: HubArgs,
    /// Shape of what is reported.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Flags of `keygen`.
#[derive(Args, Debug)]
pub struct KeygenArgs {
    /// Write NAME.private.jwk and NAME.public.jwk
    #[arg(long, value_name = "NAME")]
    pub out: PathBuf,
    /// Overwrite files that exist: what they signed is then worth nothing
    #[arg(long)]
    pub yes: bool,
    /// Shape of what is reported.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Where the hash comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// From stdin.
    Stdin,
    /// From the command line.
    Hash(ManifestHash),
}

impl FromStr for Subject {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Subject, SubjectError> {
        if text == "-" { Ok(Subject::Stdin) } else { subject::parse(text).map(Subject::Hash) }
    }
}

impl Tool for Cli {
    fn common(&self) -> &CommonArgs {
        &self.common
    }

    fn closed_output(&self) -> ClosedOutput {
        match self.command {
            Command::Status(_) => ClosedOutput::Stop,
            Command::Serve(_) | Command::Send(_) | Command::Cancel(_) | Command::Keygen(_) => {
                ClosedOutput::Discard
            }
        }
    }
}

/// Clients are told the heartbeat in whole seconds.
fn whole_seconds(text: &str) -> Result<Span, String> {
    let span: Span = text.parse().map_err(|error| format!("{error}"))?;
    let is_whole = span.0.subsec_nanos() == 0 && span.0.as_secs() > 0;
    if is_whole { Ok(span) } else { Err(format!("`{text}` is not a whole number of seconds above zero")) }
}

/// Events carry the rollout as an integer.
fn whole_percent(text: &str) -> Result<u8, String> {
    let number = text.strip_suffix('%').unwrap_or(text);
    match number.parse() {
        Ok(percent) if percent <= 100 => Ok(percent),
        _ => Err(format!("`{text}` is not a whole percentage from 0 to 100")),
    }
}
