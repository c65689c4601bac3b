//! Everything that ends a run without an answer.

use std::path::PathBuf;

use precache_manifest::read::ReadError;
use release_common::{Exit, Failure};
use thiserror::Error;

use crate::entries::EntriesError;
use crate::inject::InjectError;
use crate::problem::{FileProblem, Problems};
use crate::verify::VerifyError;

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum Error {
    /// Neither a folder nor a list was named.
    #[error("no build folder named")]
    NoFolder,
    /// A folder or list that cannot be read.
    #[error("{name}: cannot be read")]
    Unreadable {
        /// What was named.
        name: String,
        /// Why.
        source: std::io::Error,
    },
    /// `--format ngsw` without its configuration.
    #[error("--format ngsw needs --ngsw-config")]
    NoNgswConfig,
    /// An Angular configuration with a mistake.
    #[error("{name}:{reason}")]
    NgswConfig {
        /// The file.
        name: String,
        /// Line, field and mistake.
        reason: Box<crate::ngsw::ConfigError>,
    },
    /// A previous `ngsw.json` that is none.
    #[error("{name}:{reason}")]
    PreviousNgsw {
        /// The file.
        name: String,
        /// Line and mistake.
        reason: Box<crate::ngsw::PreviousError>,
    },
    /// A time that cannot be used.
    #[error(transparent)]
    Timestamp(#[from] crate::ngsw::TimestampError),
    /// A selected file without digest: a mistake in this tool.
    #[error(transparent)]
    MissingHash(#[from] crate::ngsw::MissingHash),
    /// A list or manifest on stdin without content: a stage before in the pipe has failed.
    #[error("{name}: is empty")]
    EmptyInput {
        /// `stdin` or the file.
        name: String,
    },
    /// Files that cannot be listed.
    #[error("{folder}: {problems}")]
    BadFiles {
        /// The build folder.
        folder: String,
        /// What is wrong with which file.
        problems: Problems<FileProblem>,
    },
    /// Every problem is a file that was written to meanwhile.
    #[error("{folder}: {problems}")]
    ChangedFiles {
        /// The build folder.
        folder: String,
        /// Which files.
        problems: Problems<FileProblem>,
    },
    /// Files above the size limit.
    #[error("{folder}: {files}")]
    TooLarge {
        /// The build folder.
        folder: String,
        /// Path and size of each.
        files: Problems<String>,
    },
    /// Nothing to list.
    #[error("{folder}: no file matches {patterns}")]
    NoMatches {
        /// The build folder.
        folder: String,
        /// The include patterns.
        patterns: String,
    },
    /// Entries that make no manifest.
    #[error(transparent)]
    Entries(#[from] EntriesError),
    /// A manifest that cannot be read.
    #[error("{name}: {reason}")]
    Manifest {
        /// `stdin` or the file.
        name: String,
        /// What is wrong.
        reason: Box<ReadError>,
    },
    /// A worker that cannot take the manifest.
    #[error("{worker}: {reason}")]
    Inject {
        /// The worker.
        worker: String,
        /// What is wrong.
        reason: InjectError,
    },
    /// The manifest hash is needed and unknown.
    #[error("{name}: does not carry the manifest hash")]
    NoManifestHash {
        /// `stdin` or the file.
        name: String,
    },
    /// Both manifests from stdin.
    #[error("OLD and NEW cannot both be stdin")]
    TwoStdins,
    /// A file that cannot be written.
    #[error("{path}: cannot be written", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A verification without a whole answer.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// A result that cannot be written.
    #[error("stdout: cannot be written")]
    Output(#[from] std::io::Error),
}

impl Failure for Error {
    fn exit(&self) -> Exit {
        match self {
            Error::NoFolder
            | Error::Unreadable { .. }
            | Error::EmptyInput { .. }
            | Error::BadFiles { .. }
            | Error::NoMatches { .. }
            | Error::Entries(_)
            | Error::Manifest { .. }
            | Error::Inject { .. }
            | Error::NoManifestHash { .. }
            | Error::NoNgswConfig
            | Error::NgswConfig { .. }
            | Error::PreviousNgsw { .. }
            | Error::Timestamp(_)
            | Error::TwoStdins => Exit::NotStarted,
            Error::TooLarge { .. } => Exit::Bad,
            Error::ChangedFiles { .. } => Exit::Temporary,
            Error::Write { .. } | Error::Output(_) | Error::MissingHash(_) => Exit::Failed,
            Error::Verify(reason) => reason.exit(),
        }
    }

    fn hint(&self) -> Option<String> {
        let text = match self {
            Error::NoFolder => "name it, as in `precache-hash dist`, or list files with --files-from",
            Error::EmptyInput { .. } => "the command before it in the pipe may have failed",
            Error::TooLarge { .. } => "raise --max-size, or leave them out with --skip-large",
            Error::ChangedFiles { .. } => "run it again when the build has ended",
            Error::NoMatches { .. } => "name patterns with --include, such as --include '**/*'",
            Error::NoManifestHash { .. } => {
                "make the manifest with `precache-hash --format json`, or name the hash with --manifest-hash"
            }
            Error::Inject { reason, .. } => return reason.hint(),
            Error::Verify(reason) => return reason.hint(),
            Error::Write { .. } => "files written before it are complete; the same command may run again",
            Error::Unreadable { .. }
            | Error::BadFiles { .. }
            | Error::Entries(_)
            | Error::Manifest { .. }
            | Error::TwoStdins
            | Error::NoNgswConfig
            | Error::NgswConfig { .. }
            | Error::PreviousNgsw { .. }
            | Error::Timestamp(_)
            | Error::MissingHash(_)
            | Error::Output(_) => return None,
        };
        Some(text.to_owned())
    }
}
