//! Where the bucket is: `s3://BUCKET/PREFIX`, `gs://`, `az://`, `file:///FOLDER` or a folder.
//!
//! Keys come from the platform's own chain (the `AWS_*`, `GOOGLE_*` and `AZURE_*` variables, web identity tokens,
//! instance metadata), never from flags.

use std::fmt;
use std::path::{Path as FilePath, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, Checksum};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use thiserror::Error;

use crate::error::Error;

/// Longest time for one request; a part of 8 MiB needs 1.1 Mbit/s to be sent in it.
const REQUEST_LIMIT: Duration = Duration::from_secs(60);
/// A store that takes longer to be connected to is not there.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// An address that is none.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum LocationError {
    /// Nothing that this program knows.
    #[error(
        "`{0}` is no store: s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX, file:///FOLDER or a folder"
    )]
    Scheme(String),
    /// No bucket is named.
    #[error("`{0}` names no bucket")]
    Bucket(String),
    /// A key in the address would be shown to everybody.
    #[error("an address must hold no key: keys come from the environment or the platform")]
    Secret,
}

/// Where the bucket is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A bucket, and the prefix of all names in it.
    Bucket {
        /// Whose.
        provider: Provider,
        /// Its name.
        bucket: String,
        /// Before every name; may be empty.
        prefix: Path,
    },
    /// A local folder.
    Folder(PathBuf),
}

/// Who keeps buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// Amazon S3, and what speaks its protocol.
    S3,
    /// Google Cloud Storage.
    Google,
    /// Azure Blob Storage.
    Azure,
}

impl Provider {
    const fn scheme(self) -> &'static str {
        match self {
            Provider::S3 => "s3",
            Provider::Google => "gs",
            Provider::Azure => "az",
        }
    }
}

impl Location {
    /// The folder that is used when no other is named.
    pub fn fallback() -> Location {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let data =
            variable("XDG_DATA_HOME").or_else(|| variable("HOME").map(|home| home.join(".local/share")));
        Location::Folder(data.unwrap_or_else(|| PathBuf::from("/var/lib")).join("pg-backup"))
    }

    /// Whether it is on this machine's own disk.
    pub fn folder(&self) -> Option<&FilePath> {
        match self {
            Location::Folder(folder) => Some(folder),
            Location::Bucket { .. } => None,
        }
    }

    pub(super) fn connect(&self, patience: Duration) -> Result<(Arc<dyn ObjectStore>, Path), Error> {
        let refused = |source| Error::StoreSettings { store: self.to_string(), source: Box::new(source) };
        match self {
            Location::Bucket { provider, bucket, prefix } => {
                let store = provider.connect(bucket, patience).map_err(refused)?;
                Ok((store, prefix.clone()))
            }
            Location::Folder(folder) => {
                let store = LocalFileSystem::new_with_prefix(folder).map_err(refused)?.with_fsync(true);
                Ok((Arc::new(store), Path::default()))
            }
        }
    }
}

impl Provider {
    fn connect(self, bucket: &str, patience: Duration) -> object_store::Result<Arc<dyn ObjectStore>> {
        // A provider that was installed already is this one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let retry = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(10),
                base: 2.0,
            },
            // The time alone bounds them.
            max_retries: usize::MAX,
            retry_timeout: patience,
        };
        let request_limit = REQUEST_LIMIT.min(patience.max(Duration::from_secs(1)));
        let client = || {
            let allows_http = std::env::var("AWS_ALLOW_HTTP").is_ok_and(|value| value == "true");
            ClientOptions::new()
                .with_allow_http(allows_http)
                .with_timeout(request_limit)
                .with_connect_timeout(CONNECT_LIMIT.min(request_limit))
        };
        Ok(match self {
            // The server refuses a part that was damaged on its way.
            Provider::S3 => Arc::new(
                AmazonS3Builder::from_env()
                    .with_bucket_name(bucket)
                    .with_checksum_algorithm(Checksum::SHA256)
                    .with_client_options(client())
                    .with_retry(retry)
                    .build()?,
            ),
            Provider::Google => Arc::new(
                GoogleCloudStorageBuilder::from_env()
                    .with_bucket_name(bucket)
                    .with_client_options(client())
                    .with_retry(retry)
                    .build()?,
            ),
            Provider::Azure => Arc::new(
                MicrosoftAzureBuilder::from_env()
                    .with_container_name(bucket)
                    .with_client_options(client())
                    .with_retry(retry)
                    .build()?,
            ),
        })
    }
}

impl FromStr for Location {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Location, LocationError> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return if text.is_empty() || text == "-" {
                Err(LocationError::Scheme(text.to_owned()))
            } else {
                Ok(Location::Folder(PathBuf::from(text)))
            };
        };
        if rest.contains('@') {
            return Err(LocationError::Secret);
        }
        let provider = match scheme {
            "s3" => Provider::S3,
            "gs" => Provider::Google,
            "az" | "azure" => Provider::Azure,
            "file" if rest.starts_with('/') => return Ok(Location::Folder(PathBuf::from(rest))),
            _ => return Err(LocationError::Scheme(text.to_owned())),
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(LocationError::Bucket(text.to_owned()));
        }
        let prefix =
            Path::parse(prefix.trim_end_matches('/')).map_err(|_| LocationError::Scheme(text.to_owned()))?;
        Ok(Location::Bucket { provider, bucket: bucket.to_owned(), prefix })
    }
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::Bucket { provider, bucket, prefix } => {
                write!(formatter, "{}://{bucket}", provider.scheme())?;
                if prefix.as_ref().is_empty() { Ok(()) } else { write!(formatter, "/{prefix}") }
            }
            Location::Folder(folder) => write!(formatter, "{}", folder.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Location, LocationError};

    #[test]
    fn an_address_is_shown_as_it_is_written() {
        for text in ["s3://bucket", "s3://bucket/a/b", "gs://b/p", "az://c", "/var/backups", "backups"] {
            assert_eq!(text.parse::<Location>().map(|location| location.to_string()).as_deref(), Ok(text));
        }
        assert_eq!("file:///srv/x".parse::<Location>().map(|l| l.to_string()).as_deref(), Ok("/srv/x"));
        assert_eq!(
            "s3://bucket/a/".parse::<Location>().map(|l| l.to_string()).as_deref(),
            Ok("s3://bucket/a")
        );
    }

    #[test]
    fn what_is_no_address_is_refused_and_a_key_is_not_repeated() {
        for text in ["", "-", "http://x/y", "s3://", "s3:///prefix", "file://relative"] {
            assert!(text.parse::<Location>().is_err(), "{text}");
        }
        let refused = "s3://AKIA:geheim@bucket/x".parse::<Location>();
        assert_eq!(refused, Err(LocationError::Secret));
    }
}
