//! What can go wrong, each with its row of the exit table and the word by which `summary.reason` tells it.

mod meaning;

use std::io;
use std::path::PathBuf;

use release_common::Signal;
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
