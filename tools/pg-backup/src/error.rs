//! What can go wrong, each with its row of the exit table and the word by which `summary.reason` tells it.

use std::io;
use std::path::PathBuf;

use release_common::{Exit, Failure, Signal};
use release_postgres::DatabaseError;
use thiserror::Error;

use crate::child::Ended;
use crate::document::DocumentError;
use crate::store::StoreError;

/// A situation that a user can act on.
#[derive(Debug, Error)]
pub enum Error {
    /// The store failed.
    #[error("{store}: {doing} failed")]
    Store {
        /// Which.
        store: String,
        /// What was being done.
        doing: String,
        /// Why.
        source: StoreError,
    },
    /// The store cannot be used as it is set up.
    #[error("{store}: cannot be used")]
    StoreSettings {
        /// Which.
        store: String,
        /// Why.
        source: Box<object_store::Error>,
    },
    /// The bucket belongs to somebody else.
    #[error("{store}: is not empty and holds no backups of pg-backup: `{key}`")]
    ForeignBucket {
        /// Which.
        store: String,
        /// What is in it.
        key: String,
    },
    /// Written by another version of this program.
    #[error("{store}: has format {format}, and this version reads {supported}")]
    StoreFormat {
        /// Which.
        store: String,
        /// What it says.
        format: u32,
        /// What is read.
        supported: u32,
    },
    /// The document that makes a bucket ours is damaged.
    #[error("{store}: v1/store.json cannot be read")]
    Marker {
        /// Which.
        store: String,
        /// Why.
        source: serde_json::Error,
    },
    /// The local folder cannot be made.
    #[error("{path}: cannot be made", path = path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A document that is far larger than any of ours.
    #[error("{key}: is too large to be a document of pg-backup")]
    TooLarge {
        /// Which.
        key: String,
    },
    /// A document could not be made.
    #[error("a document cannot be written as JSON")]
    Json(#[source] serde_json::Error),
    /// A manifest cannot be believed.
    #[error("{id}: its manifest cannot be used")]
    Manifest {
        /// Of which backup.
        id: String,
        /// Why.
        source: DocumentError,
    },
    /// A public key is none.
    #[error("{place}: {reason}")]
    Recipient {
        /// Where it stands.
        place: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// A file with keys cannot be read.
    #[error("{path}: cannot be read", path = path.display())]
    KeyFile {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds no identity.
    #[error("{path}: holds a line that is no identity of age", path = path.display())]
    Identity {
        /// Which.
        path: PathBuf,
    },
    /// Encrypted, and nothing to decrypt with.
    #[error("{id}: is encrypted, and no identity is given")]
    NoIdentity {
        /// Which backup.
        id: String,
    },
    /// The source of a stream failed.
    #[error("the data could not be read to their end: {reason}")]
    Source {
        /// Why.
        reason: String,
    },
    /// No client program fits the server.
    #[error("the server is PostgreSQL {needed}, and {}", match found {
        Some((_, version)) => format!("the newest pg_dump found is {version}"),
        None => "no pg_dump was found".to_owned(),
    })]
    ClientVersion {
        /// The server's major version.
        needed: u32,
        /// The newest that is installed.
        found: Option<(u32, String)>,
    },
    /// A program is not installed.
    #[error("{name} of PostgreSQL {major} is not installed")]
    NoProgram {
        /// Which.
        name: &'static str,
        /// Of which version.
        major: u32,
    },
    /// A program cannot be started.
    #[error("{path}: cannot be started", path = path.display())]
    Start {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The way to or from a program broke.
    #[error("{name}: its input or output cannot be used")]
    Pipe {
        /// Which.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// A program failed.
    #[error("{} failed ({}): {}", .0.name, .0.status, .0.last_words())]
    Program(Box<Ended>),
    /// The address of the database is none.
    #[error("the address of the database cannot be used")]
    Address(#[source] Box<DatabaseError>),
    /// The database is out of reach.
    #[error("{database}: cannot be reached")]
    Unreachable {
        /// Which.
        database: String,
        /// Why.
        source: Box<DatabaseError>,
    },
    /// A statement of ours failed.
    #[error("{database}: {doing} failed")]
    Database {
        /// Which.
        database: String,
        /// What was being done.
        doing: String,
        /// Why.
        source: Box<DatabaseError>,
    },
    /// A file of the local disk.
    #[error("{path}: {doing} failed", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// Why.
        source: io::Error,
    },
    /// Something else works on the same.
    #[error("{what}")]
    Busy {
        /// What, and who.
        what: String,
    },
    /// What was asked for is not there.
    #[error("{what}")]
    NotFound {
        /// What, and where it was looked for.
        what: String,
        /// The next step.
        hint: String,
    },
    /// A rule of safety forbids it; nothing has changed.
    #[error("{what}")]
    Refused {
        /// What would happen.
        what: String,
        /// The word for `summary.reason`.
        reason: &'static str,
        /// The next step.
        hint: String,
    },
    /// Begun and not finished; what is left is said.
    #[error("{what}")]
    Failed {
        /// What failed, and what is left.
        what: String,
        /// The word for `summary.reason`.
        reason: &'static str,
        /// The next step.
        hint: String,
    },
    /// This machine cannot tell; the answer is told already.
    #[error("{what}")]
    Inconclusive {
        /// What it lacks.
        what: String,
        /// The next step.
        hint: String,
    },
    /// A pipe that brought nothing.
    #[error("stdin: {what}")]
    Stdin {
        /// What is wrong with it.
        what: String,
    },
    /// A signal asked to stop.
    #[error("stopped by {}", .0.name())]
    Stopped(Signal),
    /// The system gives no runtime.
    #[error("cannot start")]
    Runtime(#[source] io::Error),
    /// The result could not be written.
    #[error("stdout: cannot be written")]
    Stdout(#[from] io::Error),
}

impl Error {
    /// What a failed statement means: the way to the database, or the statement itself.
    pub(crate) fn database(doing: &str, database: &str, source: DatabaseError) -> Error {
        let is_absent = source.sqlstate().is_none_or(|code| code.ends_session() || code.code() == "53300");
        // A lock that is not had in time: lock_timeout, and NOWAIT.
        if source.sqlstate().is_some_and(|code| code.code() == "55P03") {
            return Error::Busy { what: format!("{database}: {doing}: {source}") };
        }
        // No such database, a wrong password, a user that may not connect.
        if source.sqlstate().is_some_and(|code| matches!(code.code(), "3D000" | "28P01" | "28000")) {
            return Error::Refused {
                what: format!("{database}: {source}"),
                reason: "database_denied",
                hint: "the address comes from --database-url-file, DATABASE_URL or the PG* variables"
                    .to_owned(),
            };
        }
        let database = database.to_owned();
        if is_absent && !matches!(source, DatabaseError::Row(_)) {
            return Error::Unreachable { database, source: Box::new(source) };
        }
        Error::Database { database, doing: doing.to_owned(), source: Box::new(source) }
    }

    /// One word for machines.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Error::Store { source, .. } => match source {
                StoreError::NoBucket(_) => "no_bucket",
                StoreError::Denied(_) => "store_denied",
                StoreError::Refused(_) => "store_refused",
                StoreError::Unreachable(_) => "store_unreachable",
                StoreError::Damaged(_) => "object_damaged",
            },
            Error::StoreSettings { .. } => "store_settings",
            Error::ForeignBucket { .. } => "foreign_bucket",
            Error::StoreFormat { .. } => "store_format",
            Error::Marker { .. } => "store_marker",
            Error::Folder { .. } => "folder",
            Error::TooLarge { .. } => "too_large",
            Error::Json(_) => "json",
            Error::Manifest { .. } => "manifest",
            Error::Recipient { .. } | Error::KeyFile { .. } | Error::Identity { .. } => "keys",
            Error::NoIdentity { .. } => "no_identity",
            Error::Source { .. } => "source",
            Error::ClientVersion { .. } => "client_version",
            Error::NoProgram { .. } | Error::Start { .. } => "no_program",
            Error::Pipe { .. } => "pipe",
            Error::Program(_) => "program_failed",
            Error::Address(_) => "database_address",
            Error::Unreachable { .. } => "database_unreachable",
            Error::Database { .. } => "database",
            Error::File { .. } => "file",
            Error::Busy { .. } => "busy",
            Error::NotFound { .. } => "not_found",
            Error::Refused { reason, .. } | Error::Failed { reason, .. } => reason,
            Error::Inconclusive { .. } => "inconclusive",
            Error::Stdin { .. } => "stdin",
            Error::Stopped(_) => "stopped",
            Error::Runtime(_) => "runtime",
            Error::Stdout(_) => "stdout",
        }
    }
}

impl Failure for Error {
    fn exit(&self) -> Exit {
        match self {
            Error::Store { source, .. } => match source {
                StoreError::NoBucket(_) | StoreError::Denied(_) => Exit::NotStarted,
                StoreError::Unreachable(_) => Exit::Temporary,
                StoreError::Refused(_) | StoreError::Damaged(_) => Exit::Failed,
            },
            Error::StoreSettings { .. }
            | Error::ForeignBucket { .. }
            | Error::StoreFormat { .. }
            | Error::Marker { .. }
            | Error::Folder { .. }
            | Error::Manifest { .. }
            | Error::Recipient { .. }
            | Error::KeyFile { .. }
            | Error::Identity { .. }
            | Error::NoIdentity { .. }
            | Error::ClientVersion { .. }
            | Error::NoProgram { .. }
            | Error::Start { .. }
            | Error::Address(_)
            | Error::NotFound { .. }
            | Error::Refused { .. }
            | Error::Inconclusive { .. }
            | Error::Stdin { .. }
            | Error::Runtime(_) => Exit::NotStarted,
            Error::Unreachable { .. } | Error::Busy { .. } => Exit::Temporary,
            Error::Stopped(Signal::Interrupt) => Exit::Interrupted,
            Error::Stopped(Signal::Terminate) => Exit::Terminated,
            Error::TooLarge { .. }
            | Error::Json(_)
            | Error::Source { .. }
            | Error::Pipe { .. }
            | Error::Program(_)
            | Error::Database { .. }
            | Error::File { .. }
            | Error::Failed { .. }
            | Error::Stdout(_) => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Error::Store { source: StoreError::NoBucket(_), .. } => {
                "make the bucket, or name another with --store"
            }
            Error::Store { source: StoreError::Denied(_), .. } => {
                "look at AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or at the role of this machine"
            }
            Error::Store { source: StoreError::Unreachable(_), .. } => {
                "the same command may run again; AWS_ENDPOINT names a server that is not Amazon's"
            }
            Error::ForeignBucket { .. } => "give backups a prefix of their own: --store s3://BUCKET/PREFIX",
            Error::StoreFormat { .. } => "use the version of pg-backup that wrote it",
            Error::NoIdentity { .. } => {
                "name the file with the secret key: --identity FILE or PG_BACKUP_IDENTITY"
            }
            Error::ClientVersion { needed, .. } => {
                return Some(format!("install postgresql-client-{needed}, or name a folder with --pg-bin"));
            }
            Error::NoProgram { major, .. } => {
                return Some(format!("install postgresql-{major}, or name a folder with --pg-bin"));
            }
            Error::Address(_) => "set DATABASE_URL, or PGHOST, PGPORT, PGUSER and PGDATABASE",
            Error::Unreachable { .. } => {
                "the address comes from --database-url-file, DATABASE_URL or the PG* variables"
            }
            Error::Stdin { .. } => "the command before the pipe failed: look at its message",
            Error::Busy { .. } => "the same command may run again when the other is done",
            Error::NotFound { hint, .. }
            | Error::Refused { hint, .. }
            | Error::Failed { hint, .. }
            | Error::Inconclusive { hint, .. } => {
                return Some(hint.clone()).filter(|hint| !hint.is_empty());
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
