//! What a failed request to the store means for its user.

use std::error::Error as _;
use std::io;

use thiserror::Error;

/// Why a request failed.
#[derive(Debug, Error)]
pub enum StoreError {
    /// There is no such bucket or folder.
    #[error("there is no such bucket")]
    NoBucket(#[source] Told),
    /// The keys are wrong or may not do this.
    #[error("the store refuses these keys")]
    Denied(#[source] Told),
    /// The request cannot succeed however often it is sent.
    #[error("the store refuses the request")]
    Refused(#[source] Told),
    /// No answer, or one that says "later".
    #[error("the store cannot be reached or does not answer")]
    Unreachable(#[source] Told),
    /// What came is not what was stored.
    #[error("{0}")]
    Damaged(String),
}

/// What the client library tells, once: its errors repeat those below them.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct Told(String);

impl Told {
    fn of(error: &object_store::Error) -> Told {
        let causes = std::iter::successors(error.source(), |cause| (*cause).source());
        let mut text = error.to_string();
        for cause in causes.map(ToString::to_string) {
            if !text.contains(&cause) {
                text.push_str(&format!(": {cause}"));
            }
        }
        // The time alone bounds the tries.
        Told(text.replace(&format!(", max_retries: {}", usize::MAX), ""))
    }
}

impl StoreError {
    /// Sorts by what a user can do.
    pub(crate) fn understand(error: object_store::Error) -> StoreError {
        let text = whole_text(&error);
        let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
        match &error {
            _ if says(&["NoSuchBucket"]) => StoreError::NoBucket(Told::of(&error)),
            _ if says(&["SignatureDoesNotMatch", "InvalidAccessKeyId", "AccessDenied", "ExpiredToken"]) => {
                StoreError::Denied(Told::of(&error))
            }
            object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
                StoreError::Denied(Told::of(&error))
            }
            object_store::Error::NotFound { .. } => StoreError::Damaged("the object is missing".to_owned()),
            object_store::Error::NotSupported { .. }
            | object_store::Error::NotImplemented { .. }
            | object_store::Error::InvalidPath { .. }
            | object_store::Error::UnknownConfigurationKey { .. } => StoreError::Refused(Told::of(&error)),
            _ if says(&["status code: 4"]) && !says(&["status code: 408", "status code: 429"]) => {
                StoreError::Refused(Told::of(&error))
            }
            _ if is_local(&error) => StoreError::Refused(Told::of(&error)),
            _ => StoreError::Unreachable(Told::of(&error)),
        }
    }
}

/// Whether a bucket that answers says that the object is not there.
pub(super) fn is_absent(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::NotFound { .. }) && !whole_text(error).contains("NoSuchBucket")
}

/// A local folder fails for reasons that waiting does not mend, such as a full disk.
fn is_local(error: &object_store::Error) -> bool {
    let mut cause = error.source();
    while let Some(current) = cause {
        let is_network = |error: &io::Error| {
            matches!(
                error.kind(),
                io::ErrorKind::ConnectionRefused
                    | io::ErrorKind::ConnectionReset
                    | io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::BrokenPipe
                    | io::ErrorKind::TimedOut
                    | io::ErrorKind::UnexpectedEof
            )
        };
        if current.downcast_ref::<io::Error>().is_some_and(|error| !is_network(error)) {
            return matches!(error, object_store::Error::Generic { store: "LocalFileSystem", .. });
        }
        cause = current.source();
    }
    false
}

/// The error and all its causes: the body of the store's answer stands in one of them.
fn whole_text(error: &object_store::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(current) = cause {
        text.push_str(&format!(": {current}"));
        cause = current.source();
    }
    text
}
