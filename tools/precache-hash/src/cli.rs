//! The command line: types only.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use precache_manifest::{Algorithm, ManifestHash};
use release_common::output::ReportArgs;
use release_common::units::{ByteSize, Span};
use release_common::{CommonArgs, Tool};

use crate::additions::{Addition, Prefix, Template};
use crate::selection::Pattern;
use crate::verify::Target;

const EXAMPLES: &str = "\
Examples:
  precache-hash dist                                  the array for Workbox
  precache-hash --print-hash dist                     the hash that stands for the release
  precache-hash --format json --hash md5 dist | precache-hash inject src/sw.js -o dist/sw.js";

/// Hash a PWA build folder into a precache manifest and one manifest hash
///
/// The manifest goes to stdout. By default it is the array that Workbox injects into a service worker; the same
/// files always give the same bytes. The manifest hash is the SHA-256 of the sorted checksum lines, so that
/// `precache-hash --format sums DIR | sha256sum` equals `precache-hash --print-hash DIR`.
///
/// The service worker, `ngsw.json`, `version.json`, `manifest-hash.js` and this tool's own output are never listed.
#[derive(Clone, Debug, Parser)]
#[command(name = "precache-hash", version, args_conflicts_with_subcommands = true, after_long_help = EXAMPLES)]
pub struct Cli {
    /// What to hash and how to print it.
    #[command(flatten)]
    pub build: BuildArgs,

    /// Another job than making a manifest.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Flags of every tool.
    #[command(flatten)]
    pub common: CommonArgs,
}

impl Tool for Cli {
    fn common(&self) -> &CommonArgs {
        &self.common
    }
}

/// The other jobs.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Put a manifest into a service worker, and write version.json
    Inject(InjectArgs),
    /// Tell what changed between two manifests, and what a client must fetch
    Diff(DiffArgs),
    /// Check that a folder or a server has exactly the files of a manifest
    Verify(VerifyArgs),
}

/// Shape of the manifest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// The array that workbox-build injects
    #[default]
    Workbox,
    /// The whole ngsw.json of Angular's service worker
    Ngsw,
    /// Everything known, as one JSON object
    Json,
    /// Checksum lines that `sha256sum -c` reads
    Sums,
    /// One URL per line, or ended by NUL with -0
    Urls,
}

/// What happens to symbolic links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Symlinks {
    /// Follow links that stay inside the folder, refuse the others
    #[default]
    Inside,
    /// Follow links wherever they lead
    Anywhere,
    /// Leave links out
    Skip,
    /// Refuse links
    Refuse,
}

fn algorithm(text: &str) -> Result<Algorithm, String> {
    text.parse().map_err(|error: precache_manifest::entry::UnknownAlgorithm| error.to_string())
}

fn integrity_algorithm(text: &str) -> Result<Algorithm, String> {
    match text {
        "sha256" => Ok(Algorithm::Sha256),
        "sha384" => Ok(Algorithm::Sha384),
        other => Err(format!("`{other}` is not sha256 or sha384")),
    }
}

fn manifest_hash(text: &str) -> Result<ManifestHash, String> {
    text.parse().map_err(|error: precache_manifest::ManifestHashError| error.to_string())
}

/// Flags of the main job.
#[derive(Args, Clone, Debug)]
pub struct BuildArgs {
    /// The build folder; `-` reads a list of files from stdin
    #[arg(value_name = "DIR")]
    pub dir: Option<PathBuf>,

    /// Shape of the manifest
    #[arg(long, value_name = "FORMAT", default_value = "workbox", help_heading = "Output")]
    pub format: Format,

    /// Digest for revisions [default: md5 for workbox, sha1 for ngsw, else sha256]
    #[arg(long, value_name = "NAME", value_parser = algorithm, help_heading = "Output")]
    pub hash: Option<Algorithm>,

    /// Print only the manifest hash, 64 hexadecimal digits
    #[arg(long, conflicts_with = "output", help_heading = "Output")]
    pub print_hash: bool,

    /// Write to this file, whole or not at all, and only if it changes
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,

    /// Add integrity metadata by this digest: sha256 or sha384
    #[arg(long, value_name = "NAME", value_parser = integrity_algorithm, help_heading = "Output")]
    pub integrity: Option<Algorithm>,

    /// End listed names by NUL: for --files-from and --format urls
    #[arg(short = '0', long = "null", help_heading = "Output")]
    pub null: bool,

    /// List files that match; may be given more than once [default: **/*.{js,wasm,css,html}]
    #[arg(long, value_name = "GLOB", help_heading = "Files")]
    pub include: Vec<Pattern>,

    /// Leave out files that match; may be given more than once [default: **/node_modules/**/*]
    #[arg(long, value_name = "GLOB", help_heading = "Files")]
    pub exclude: Vec<Pattern>,

    /// Let wildcards match names that begin with a dot
    #[arg(long, help_heading = "Files")]
    pub dot: bool,

    /// Leave out source maps, whatever --include says
    #[arg(long, help_heading = "Files")]
    pub no_maps: bool,

    /// What to do with symbolic links
    #[arg(long, value_name = "POLICY", default_value = "inside", help_heading = "Files")]
    pub symlinks: Symlinks,

    /// Take this list of files instead of walking the folder; `-` is stdin
    #[arg(long, value_name = "FILE", help_heading = "Files")]
    pub files_from: Option<PathBuf>,

    /// Never list this file: a service worker of another name; may be given more than once
    #[arg(long, value_name = "PATH", help_heading = "Files")]
    pub worker: Vec<String>,

    /// Refuse larger files; 0 is no limit
    #[arg(long, value_name = "SIZE", default_value = "2MiB", help_heading = "Files")]
    pub max_size: ByteSize,

    /// Leave too large files out with a warning instead
    #[arg(long, help_heading = "Files")]
    pub skip_large: bool,

    /// Replace the beginning A of URLs by B; the first that fits wins
    #[arg(long, value_name = "A=B", help_heading = "Entries")]
    pub prefix: Vec<Prefix>,

    /// Give URLs that match this JavaScript regular expression no revision
    #[arg(long, value_name = "REGEX", help_heading = "Entries")]
    pub no_revision: Vec<crate::additions::UrlRegex>,

    /// Add an entry that is no file; without a revision its content never changes
    #[arg(long, value_name = "URL[=REVISION]", help_heading = "Entries")]
    pub add: Vec<Addition>,

    /// Add a page made from templates: URL=GLOB[,GLOB...] or URL=text:TEXT
    #[arg(long, value_name = "URL=SOURCES", help_heading = "Entries")]
    pub templated: Vec<Template>,

    /// Angular's configuration, for --format ngsw
    #[arg(long, value_name = "FILE", help_heading = "Angular")]
    pub ngsw_config: Option<PathBuf>,

    /// What the application's URLs begin with, for --format ngsw
    #[arg(long, value_name = "PATH", default_value = "/", help_heading = "Angular")]
    pub base_href: String,

    /// Encode names in ngsw.json too, where Angular leaves %, #, ?, \ bare
    #[arg(long, help_heading = "Angular")]
    pub encode_names: bool,

    /// Milliseconds since 1970 for ngsw.json [default: SOURCE_DATE_EPOCH, else now]
    #[arg(long, value_name = "MS", help_heading = "Angular")]
    pub timestamp: Option<u64>,

    /// Keep the timestamp of this ngsw.json if nothing else differs
    #[arg(long, value_name = "FILE", help_heading = "Angular")]
    pub previous: Option<PathBuf>,

    /// Exit 1 on warnings
    #[arg(long, help_heading = "Checks")]
    pub strict: bool,

    /// Exit 1 when all files together are larger
    #[arg(long, value_name = "SIZE", help_heading = "Checks")]
    pub max_total: Option<ByteSize>,

    /// Exit 1 when there are more entries
    #[arg(long, value_name = "N", help_heading = "Checks")]
    pub max_files: Option<usize>,

    /// Hash on this many threads [default: one per processor]
    #[arg(short, long, value_name = "N", help_heading = "Checks")]
    pub jobs: Option<NonZeroUsize>,
}

const INJECT_EXAMPLES: &str = "\
Examples:
  precache-hash dist | precache-hash inject src/sw.js -o dist/sw.js
  precache-hash --format json --hash md5 dist | precache-hash inject src/sw.js -o dist/sw.js --version-file dist/version.json
  precache-hash --format json dist | precache-hash inject --version-file dist/version.json --release 2026.11.2";

/// Put a manifest into a service worker, and write version.json
///
/// The manifest comes from stdin in any format. The injection point must stand in the worker exactly once. Files are
/// written whole or not at all, version.json last, because it announces the release.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = INJECT_EXAMPLES)]
pub struct InjectArgs {
    /// The worker with the injection point
    #[arg(value_name = "WORKER", required_unless_present = "version_file")]
    pub worker: Option<PathBuf>,

    /// The manifest; `-` is stdin
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub manifest: PathBuf,

    /// Write the worker here instead of to stdout
    #[arg(short, long, value_name = "FILE", requires = "worker")]
    pub output: Option<PathBuf>,

    /// The text that the manifest replaces
    #[arg(long, value_name = "TEXT", default_value = "self.__WB_MANIFEST")]
    pub at: String,

    /// Write the release's hash and name here
    #[arg(long, value_name = "FILE")]
    pub version_file: Option<PathBuf>,

    /// Write a script here that tells the page its own hash, and precache it
    ///
    /// The page loads it by `<script src="manifest-hash.js"></script>`; it adds `<meta name="manifest-hash">`. The
    /// file stands beside the worker and is no part of the hash.
    #[arg(long, value_name = "FILE")]
    pub page_hash: Option<PathBuf>,

    /// Name of the release in version.json [default: the first 12 digits of the hash]
    #[arg(long, value_name = "NAME")]
    pub release: Option<String>,

    /// The manifest hash, when the manifest does not carry it
    #[arg(long, value_name = "HASH", value_parser = manifest_hash)]
    pub manifest_hash: Option<ManifestHash>,

    /// Drop the worker's reference to its source map, which the injection would make wrong
    #[arg(long)]
    pub drop_source_map: bool,

    /// Check everything and write nothing
    #[arg(long)]
    pub dry_run: bool,
}

const DIFF_EXAMPLES: &str = "\
Examples:
  precache-hash diff old.json new.json
  precache-hash diff old.json new.json --json | jq .fetch_bytes
  precache-hash diff old.json new.json --files dist --max-delta 500kB";

/// Tell what changed between two manifests, and what a client must fetch
///
/// Exit 0 when they are the same, 1 when they differ, as diff(1) does. With a budget or --keep the question is
/// another one: 0 within the budget, 1 above it.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = DIFF_EXAMPLES)]
pub struct DiffArgs {
    /// The manifest of the running release, in any format
    #[arg(value_name = "OLD")]
    pub old: PathBuf,

    /// The manifest of the next release; one of the two may be `-`
    #[arg(value_name = "NEW")]
    pub new: PathBuf,

    /// The next release's folder, for sizes and the gzip estimate
    #[arg(long, value_name = "DIR")]
    pub files: Option<PathBuf>,

    /// Print only the URLs that clients of the old release still need
    #[arg(long)]
    pub keep: bool,

    /// Exit 1 when a returning client must fetch more
    #[arg(long, value_name = "SIZE")]
    pub max_delta: Option<ByteSize>,

    /// Exit 1 when all files of the next release are larger
    #[arg(long, value_name = "SIZE")]
    pub max_total: Option<ByteSize>,

    /// Exit 1 when the next release has more entries
    #[arg(long, value_name = "N")]
    pub max_files: Option<usize>,

    /// Exit 1 when an immutable name has new content
    #[arg(long)]
    pub strict: bool,

    /// Shape of the report.
    #[command(flatten)]
    pub report: ReportArgs,
}

const VERIFY_EXAMPLES: &str = "\
Examples:
  precache-hash verify release.json dist
  precache-hash --format json dist | precache-hash verify - https://app.example/
  precache-hash verify dist/ngsw.json https://cdn.example/ --json -j 16";

/// Check that a folder or a server has exactly the files of a manifest
///
/// Exit 0 when all are equal, 1 when one is missing or has other bytes, 75 when the server never answered, 3 when only
/// a part could be checked. Only what differs is printed, with what was found and the likely reason.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = VERIFY_EXAMPLES)]
pub struct VerifyArgs {
    /// The manifest, in any format; `-` is stdin
    #[arg(value_name = "MANIFEST")]
    pub manifest: PathBuf,

    /// The folder, or the URL at which it is published
    #[arg(value_name = "DIR|URL")]
    pub target: Target,

    /// URL path at which the folder is published
    #[arg(long, value_name = "PATH", default_value = "/")]
    pub base_href: String,

    /// What the revisions are [default: as their length tells]
    #[arg(long, value_name = "NAME", value_parser = algorithm)]
    pub hash: Option<Algorithm>,

    /// Read this many files at a time [default: 8, or one per processor]
    ///
    /// Eight requests to a server; one thread per processor for a folder.
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,

    /// Wait this long for one answer, its body included
    #[arg(long, value_name = "SPAN", default_value = "30s", help_heading = "Server")]
    pub timeout: Span,

    /// Try again this often after no answer or a passing error
    ///
    /// The pauses between tries grow. Passing errors are the statuses 408, 425, 429, 500, 502, 503 and 504.
    #[arg(long, value_name = "N", default_value = "2", help_heading = "Server")]
    pub retries: u32,

    /// Trust these certificate authorities instead of Mozilla's
    ///
    /// A file in PEM form. Mozilla's are built in; those of the system are not read.
    #[arg(long, value_name = "FILE", help_heading = "Server")]
    pub ca_file: Option<PathBuf>,

    /// Shape of the report.
    #[command(flatten)]
    pub report: ReportArgs,
}
