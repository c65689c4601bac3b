//! What can go wrong, each with its row of the exit table.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use precache_manifest::ManifestHash;
use release_common::{Exit, Failure};
use thiserror::Error;
use ulid::Ulid;

use crate::http::HttpError;
use crate::http_address::HttpAddress;
use crate::jws::JwsError;
use crate::keys::KeyError;
use crate::record::RecordError;
use crate::subject::SubjectError;

/// A situation that a user can act on.
#[derive(Debug, Error)]
pub enum Error {
    /// A terminal is no pipe.
    #[error("no manifest hash: none on the command line, and stdin is a terminal")]
    NoSubject,
    /// What came over stdin is no hash.
    #[error("stdin: names no version")]
    Stdin(#[source] SubjectError),
    /// Stdin could not be read.
    #[error("stdin: cannot be read")]
    StdinUnreadable(#[source] io::Error),
    /// An argument and a pipe.
    #[error("two manifest hashes: one on the command line, one on stdin")]
    TwoSubjects,
    /// A life that no hub accepts.
    #[error("--ttl {0}: longer than 24h")]
    Life(release_common::units::Span),
    /// A file that cannot be read.
    #[error("{path}: cannot be read")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A key file that holds no usable key.
    #[error("{path}: not a usable key")]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        source: KeyError,
    },
    /// A new key could not be made.
    #[error("cannot make a key")]
    NoKey(#[source] KeyError),
    /// A key file that would be lost.
    #[error("{0}: exists already")]
    KeyExists(PathBuf),
    /// A token file without a token.
    #[error("{0}: holds no token")]
    EmptyToken(PathBuf),
    /// A file that cannot be written.
    #[error("{path}: cannot be written")]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An event that cannot be signed.
    #[error("the update cannot be signed")]
    Unsignable(#[source] JwsError),
    /// A state file that is none.
    #[error("{path}: not usable as state")]
    State {
        /// The file.
        path: PathBuf,
        /// Why.
        source: RecordError,
    },
    /// A state file that cannot be written, found before any browser was let in.
    #[error("{path}: cannot be written")]
    StateUnwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An address that cannot be listened on.
    #[error("{address}: cannot listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The system gives no threads.
    #[error("cannot start")]
    Runtime(#[source] io::Error),
    /// The origin could not be asked.
    #[error("{url}: cannot be asked")]
    OriginUnreachable {
        /// Where.
        url: HttpAddress,
        /// Why.
        source: HttpError,
    },
    /// The origin answers with an error of its own.
    #[error("{url}: answers with status {status}")]
    OriginTrouble {
        /// Where.
        url: HttpAddress,
        /// What.
        status: u16,
    },
    /// The origin serves something else than a version.json.
    #[error("{0}: serves no manifest hash")]
    OriginWithoutHash(HttpAddress),
    /// The origin serves another version.
    #[error("{url}: serves {served}, not {wanted}")]
    NotServed {
        /// Where.
        url: HttpAddress,
        /// What it serves.
        served: ManifestHash,
        /// What it should.
        wanted: ManifestHash,
    },
    /// The hub could not be asked, and nothing was published.
    #[error("{hub}: the hub cannot be reached")]
    HubUnreachable {
        /// Where.
        hub: HttpAddress,
        /// Why.
        source: HttpError,
    },
    /// The hub is about to stop or cannot write its state.
    #[error("{hub}: the hub cannot accept updates now: {message}")]
    HubBusy {
        /// Where.
        hub: HttpAddress,
        /// What it says.
        message: String,
    },
    /// Something else answers there.
    #[error("{hub}: not a hub of the protocol sw-force-refresh.v1")]
    NotAHub {
        /// Where.
        hub: HttpAddress,
    },
    /// A hub of another protocol version.
    #[error("{hub}: the hub speaks {protocol}, not sw-force-refresh.v1")]
    OtherProtocol {
        /// Where.
        hub: HttpAddress,
        /// What it speaks.
        protocol: String,
    },
    /// The hub does not accept the update.
    #[error("{hub}: refused, nothing is published: {message}")]
    Refused {
        /// Where.
        hub: HttpAddress,
        /// Which rule, for programs.
        code: String,
        /// Which rule, for people.
        message: String,
    },
    /// The hub knows no such update.
    #[error("{hub}: no update {id}")]
    UnknownEvent {
        /// Where.
        hub: HttpAddress,
        /// Which.
        id: Ulid,
    },
    /// The id belongs to an update to another version.
    #[error("update {id} asks for {published}, not for {wanted}")]
    OtherEvent {
        /// Which.
        id: Ulid,
        /// Its version.
        published: ManifestHash,
        /// The one on the command line.
        wanted: ManifestHash,
    },
    /// The answer to the publication was lost.
    #[error("{hub}: no answer, update {id} may be published")]
    Uncertain {
        /// Where.
        hub: HttpAddress,
        /// Which.
        id: Ulid,
        /// Why.
        source: HttpError,
    },
    /// The hub was there and is no more.
    #[error("{hub}: the hub was lost while update {id} was awaited; it is published")]
    HubLost {
        /// Where.
        hub: HttpAddress,
        /// Which.
        id: Ulid,
        /// What came instead of an answer.
        source: Box<Error>,
    },
    /// The hub came back without its past.
    #[error("{hub}: the hub has forgotten update {id}")]
    Forgotten {
        /// Where.
        hub: HttpAddress,
        /// Which.
        id: Ulid,
    },
    /// The result could not be written.
    #[error("stdout: cannot be written")]
    Stdout(#[from] io::Error),
}

impl Failure for Error {
    fn exit(&self) -> Exit {
        match self {
            Error::NoSubject
            | Error::Stdin(_)
            | Error::StdinUnreadable(_)
            | Error::TwoSubjects
            | Error::Life(_)
            | Error::Unreadable { .. }
            | Error::Key { .. }
            | Error::NoKey(_)
            | Error::KeyExists(_)
            | Error::EmptyToken(_)
            | Error::Unsignable(_)
            | Error::State { .. }
            | Error::StateUnwritable { .. }
            | Error::Listen { .. }
            | Error::Runtime(_)
            | Error::OriginWithoutHash(_)
            | Error::NotServed { .. }
            | Error::NotAHub { .. }
            | Error::OtherProtocol { .. }
            | Error::Refused { .. }
            | Error::UnknownEvent { .. }
            | Error::OtherEvent { .. } => Exit::NotStarted,
            Error::Unwritable { .. }
            | Error::Uncertain { .. }
            | Error::HubLost { .. }
            | Error::Forgotten { .. }
            | Error::Stdout(_) => Exit::Failed,
            Error::OriginUnreachable { .. }
            | Error::OriginTrouble { .. }
            | Error::HubUnreachable { .. }
            | Error::HubBusy { .. } => Exit::Temporary,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Error::NoSubject => "pipe it in: precache-hash --print-hash dist | sw-force-refresh send ...",
            Error::Stdin(SubjectError::Empty) => {
                "the command before the pipe printed nothing: look at its message"
            }
            Error::Stdin(SubjectError::NoMember) => {
                "precache-hash --print-hash or --format json prints what is needed"
            }
            Error::TwoSubjects => "give the hash once; stdin from /dev/null says that nothing is meant",
            Error::KeyExists(_) => "--yes overwrites it; browsers that trust the old key then refuse updates",
            Error::Key { source: KeyError::NotPublic, .. } => "give serve the .public.jwk",
            Error::Key { source: KeyError::NotPrivate, .. } => "give send the .private.jwk",
            Error::NotServed { .. } => "publish when the deploy has reached every server behind this address",
            Error::HubUnreachable { .. } => {
                "is `sw-force-refresh serve` running, and is --hub its --admin address?"
            }
            Error::NotAHub { .. } => "--hub is the --admin address of `serve`, not its --listen address",
            Error::Refused { code, .. } if code == "unknown_key" => {
                "give serve the public key with --verify-key"
            }
            Error::Uncertain { id, .. } | Error::HubLost { id, .. } => {
                return Some(format!(
                    "`sw-force-refresh status --id {id} --until ...` tells and resumes the wait"
                ));
            }
            Error::Forgotten { .. } => "run serve with --state FILE, then publish again",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
