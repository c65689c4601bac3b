//! `verify MANIFEST DIR|URL`: are these the files of that release?
//!
//! 1. [`expectation`] turns the manifest into promises about bytes.
//! 2. [`folder`] or [`remote`] reads each file once, several at a time ([`crew`]), while [`tally`] sums it up.
//! 3. [`verdict`] compares, [`diagnosis`] guesses why something differs, [`report`] says so.
//!
//! Against a server it finds what users of Angular call a hash mismatch (angular/angular #23613): bytes that a CDN
//! minified, an upload converted, or another pod served. A server that stops answering ends the run early.

#[cfg_attr(not(feature = "http"), allow(dead_code, reason = "only requests need addresses"))]
mod address;
mod breaker;
mod crew;
mod diagnosis;
mod expectation;
mod folder;
mod release;
#[cfg(feature = "http")]
mod remote;
mod report;
mod tally;
mod verdict;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::thread::available_parallelism;

use precache_manifest::ManifestHash;
use release_common::{Context, Exit, Failure, Outcome};

use crate::cli::VerifyArgs;
use crate::error::Error;
use crate::input;
pub use address::{BaseUrl, BaseUrlError};
use crew::{Ended, Source};
use expectation::{Expectation, expectations};
use folder::Folder;
use release::ReleaseFinding;
use report::Report;
use verdict::{Finding, Totals};

/// Polite to a server, and enough to hide its latency.
const JOBS_OF_A_SERVER: usize = 8;

/// Where the files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// In a folder.
    Folder(PathBuf),
    /// On a server.
    Url(BaseUrl),
}

impl FromStr for Target {
    type Err = BaseUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if address::is_url(text) { text.parse().map(Target::Url) } else { Ok(Target::Folder(text.into())) }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Folder(path) => path.display().fmt(f),
            Target::Url(base) => base.fmt(f),
        }
    }
}

/// Why there is no whole answer.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A manifest without entries, which is how a broken build looks.
    #[error("{0}: lists no entries")]
    NothingToCheck(String),
    /// The folder is not there.
    #[error("{}: no such folder", .0.display())]
    NoFolder(PathBuf),
    /// A URL was given to a build without HTTP.
    #[error("{0}: this precache-hash was built without an HTTP client")]
    NoHttp(BaseUrl),
    /// The file of `--ca-file` is unusable.
    #[cfg(feature = "http")]
    #[error("certificate authorities: {0}")]
    Authorities(#[from] crate::http::AuthorityError),
    /// Nobody ever answered.
    #[error("{target}: no answer: {why}")]
    Unreachable {
        /// What was asked.
        target: String,
        /// What happened to the first request.
        why: String,
    },
    /// Some files were checked and others were not.
    #[error("the check is incomplete: {0}")]
    Incomplete(String),
    /// The report or a thread could not be had.
    #[error("the check broke off")]
    Broken(#[from] io::Error),
}

impl Failure for VerifyError {
    fn exit(&self) -> Exit {
        match self {
            VerifyError::NothingToCheck(_) | VerifyError::NoFolder(_) | VerifyError::NoHttp(_) => {
                Exit::NotStarted
            }
            #[cfg(feature = "http")]
            VerifyError::Authorities(_) => Exit::NotStarted,
            VerifyError::Unreachable { .. } => Exit::Temporary,
            VerifyError::Incomplete(_) | VerifyError::Broken(_) => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            VerifyError::NoHttp(_) => Some("build it with the cargo feature `http`".into()),
            VerifyError::NothingToCheck(_) => Some("a build step before this one has probably failed".into()),
            _ => None,
        }
    }
}

/// Reads every file and reports what differs.
///
/// # Errors
/// See [`VerifyError`]; the tool changes nothing.
pub fn run(args: &VerifyArgs, ctx: &mut Context) -> Result<Outcome, Error> {
    let manifest = input::manifest(&args.manifest)?;
    let mut expected = expectations(&manifest, args.hash);
    if expected.is_empty() {
        return Err(VerifyError::NothingToCheck(input::name(&args.manifest)).into());
    }
    let source = source(args)?;
    let mut check = Check::new(expected.len());
    expected.extend(manifest.manifest_hash.map(|_| release::expectation()));
    let (expected, shutdown, console) = (Arc::new(expected), ctx.shutdown.clone(), ctx.console);
    let mut report = Report::new(ctx.stdout(), args.report.format());
    let judge = judge(manifest.manifest_hash);
    let ended = crew::read_all(&expected, &source, judge, jobs(args), &shutdown, |expected, judged| {
        check.take(expected, &source.place(expected), judged, &mut report)
    });
    let ended = ended.map_err(VerifyError::Broken)?;
    report.finish(&check.totals, check.release.as_ref()).map_err(VerifyError::Broken)?;
    // On a terminal the conclusion stands below the findings that it sums up.
    ctx.stdout().flush()?;
    console.note(report::conclusion(&check.totals));
    if check.missing == check.totals.files && matches!(args.target, Target::Folder(_)) {
        console.note("every file is missing: --base-href tells at which URL path this folder is published");
    }
    Ok(check.outcome(ended, &args.target)?)
}

fn jobs(args: &VerifyArgs) -> usize {
    let given = args.jobs.map(usize::from);
    given.unwrap_or_else(|| match args.target {
        Target::Folder(_) => available_parallelism().map_or(1, usize::from),
        Target::Url(_) => JOBS_OF_A_SERVER,
    })
}

/// What a thread found out.
enum Judged {
    Entry(Finding),
    Release(ManifestHash, ReleaseFinding),
}

fn judge(release_hash: Option<ManifestHash>) -> crew::Judge<Judged> {
    Box::new(move |expected, reading| match release_hash {
        Some(hash) if release::is_expectation(expected) => {
            Judged::Release(hash, release::judge(hash, &reading))
        }
        _ => Judged::Entry(verdict::judge(expected, reading)),
    })
}

/// The state of a run.
#[derive(Default)]
struct Check {
    totals: Totals,
    missing: usize,
    release: Option<ReleaseFinding>,
    first_unread: Option<String>,
}

impl Check {
    fn new(files: usize) -> Self {
        Check { totals: Totals { files, ..Totals::default() }, ..Check::default() }
    }

    fn take(
        &mut self,
        expected: &Expectation,
        place: &str,
        judged: Judged,
        report: &mut Report<'_>,
    ) -> io::Result<()> {
        let finding = match judged {
            Judged::Entry(finding) => finding,
            Judged::Release(hash, finding) => {
                report.release(hash, place, &finding)?;
                self.release = Some(finding);
                return Ok(());
            }
        };
        if let Finding::Unread(why) = &finding {
            self.first_unread.get_or_insert_with(|| format!("{place}: {why}"));
        }
        self.missing += usize::from(matches!(finding, Finding::Missing { .. }));
        self.totals.add(&finding);
        report.entry(expected, place, &finding)
    }

    /// What the exit code says: a signal first, then what was not checked, then what differs.
    fn outcome(self, ended: Ended, target: &Target) -> Result<Outcome, VerifyError> {
        let is_release_unread = matches!(self.release, Some(ReleaseFinding::Unread(_)));
        let is_release_other = matches!(self.release, Some(ReleaseFinding::Other(_)));
        match ended {
            Ended::Stopped(signal) => Ok(Outcome::Stopped(signal)),
            Ended::GaveUp(false) => Err(VerifyError::Unreachable {
                target: target.to_string(),
                why: self.first_unread.unwrap_or_default(),
            }),
            _ if is_release_unread || !self.totals.is_complete() => {
                Err(VerifyError::Incomplete(report::conclusion(&self.totals)))
            }
            _ if is_release_other || self.totals.mismatched > 0 => Ok(Outcome::Bad),
            _ => Ok(Outcome::Good),
        }
    }
}

fn source(args: &VerifyArgs) -> Result<Arc<dyn Source>, Error> {
    match &args.target {
        Target::Folder(path) if !path.is_dir() => Err(VerifyError::NoFolder(path.clone()).into()),
        Target::Folder(path) => Ok(Arc::new(Folder::new(path.clone(), &args.base_href))),
        Target::Url(base) => remote(base, args),
    }
}

#[cfg(feature = "http")]
fn remote(base: &BaseUrl, args: &VerifyArgs) -> Result<Arc<dyn Source>, Error> {
    let authorities = args.ca_file.as_deref().map(input::text).transpose()?;
    let settings = crate::http::Settings {
        timeout: args.timeout.0,
        retries: args.retries,
        authorities: authorities.map(String::into_bytes),
        connections: jobs(args),
    };
    let client = crate::http::Client::new(&settings).map_err(VerifyError::Authorities)?;
    Ok(Arc::new(remote::Remote::new(base.clone(), client)))
}

#[cfg(not(feature = "http"))]
fn remote(base: &BaseUrl, _args: &VerifyArgs) -> Result<Arc<dyn Source>, Error> {
    Err(VerifyError::NoHttp(base.clone()).into())
}
