//! What each situation means: for the exit code, for `summary.reason`, and for whoever has to go on from there.

use release_common::{Exit, Failure, Signal};
use release_postgres::DatabaseError;

use super::Error;
use crate::store::StoreError;

impl Error {
    /// Whether what was stored has changed, as opposed to the way to it.
    pub(crate) fn is_damage(&self) -> bool {
        matches!(self, Error::Store { source: StoreError::Damaged(_), .. } | Error::Manifest { .. })
    }

    /// Whether the store has not answered, or said "later".
    pub(crate) fn is_out_of_reach(&self) -> bool {
        matches!(self, Error::Store { source: StoreError::Unreachable(_), .. })
    }

    /// What fails a run that has begun is no refusal any more: something may be left.
    pub(crate) fn once_begun(self) -> Error {
        match self {
            Error::Store { source: StoreError::NoBucket(_) | StoreError::Denied(_), .. } => Error::Failed {
                what: crate::answer::with_causes(&self),
                reason: self.reason(),
                hint: self.hint().unwrap_or_default(),
            },
            error => error,
        }
    }

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

impl From<Signal> for Error {
    fn from(signal: Signal) -> Error {
        Error::Stopped(signal)
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
