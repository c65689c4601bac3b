//! Writes that succeed only while an object is the one that was read.

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutMode, PutOptions, PutPayload, UpdateVersion};

use super::{DOCUMENT_LIMIT, Store, failure};
use crate::error::Error;

/// Which of the objects that have had a name it is.
#[derive(Clone, Debug, Default)]
pub struct Version(Option<UpdateVersion>);

/// What came of a write that depends on the version.
#[derive(Clone, Debug)]
pub enum Written {
    /// It is there, as this version.
    Done(Version),
    /// Another object has that name now, or none.
    Changed,
    /// This store knows no such write.
    Unsupported,
}

impl Store {
    /// A small document and which one it is; none when it is not there.
    ///
    /// # Errors
    /// When the store fails, or the object is far too large.
    pub async fn read_version(&self, key: &Path) -> Result<Option<(Bytes, Version)>, Error> {
        let doing = format!("reading {key}");
        match self.inner.get(&self.absolute(key)).await {
            Ok(found) if found.meta.size > DOCUMENT_LIMIT => Err(Error::TooLarge { key: key.to_string() }),
            Ok(found) => {
                let version =
                    UpdateVersion { e_tag: found.meta.e_tag.clone(), version: found.meta.version.clone() };
                let bytes = found.bytes().await.map_err(|error| self.error(&doing, error))?;
                Ok(Some((bytes, Version(Some(version)))))
            }
            Err(error) if failure::is_absent(&error) => Ok(None),
            Err(error) => Err(self.error(&doing, error)),
        }
    }

    /// Writes an object if the one that was read is still there.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn update(
        &self,
        key: &Path,
        bytes: impl Into<Bytes>,
        version: &Version,
    ) -> Result<Written, Error> {
        let Some(version) = version.0.clone().filter(|version| version.e_tag.is_some()) else {
            return Ok(Written::Unsupported);
        };
        let options = PutOptions { mode: PutMode::Update(version), ..PutOptions::default() };
        let payload = PutPayload::from_bytes(bytes.into());
        match self.inner.put_opts(&self.absolute(key), payload, options).await {
            Ok(done) => Ok(Written::Done(Version(Some(done.into())))),
            Err(object_store::Error::Precondition { .. } | object_store::Error::AlreadyExists { .. }) => {
                Ok(Written::Changed)
            }
            Err(error) if failure::is_absent(&error) => Ok(Written::Changed),
            Err(object_store::Error::NotImplemented { .. } | object_store::Error::NotSupported { .. }) => {
                Ok(Written::Unsupported)
            }
            Err(error) => Err(self.error(&format!("writing {key}"), error)),
        }
    }
}
