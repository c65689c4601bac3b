//! Files that hold keys and tokens: read as they are, written so that nobody else reads them.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::keys::{self, SigningKey, VerifyingKey};

/// The private key in `path`.
pub(crate) fn signing_key(path: &Path) -> Result<SigningKey, Error> {
    SigningKey::from_json(&read(path)?).map_err(|source| Error::Key { path: path.to_owned(), source })
}

/// The public keys in all of `paths`.
pub(crate) fn verifying_keys(paths: &[PathBuf]) -> Result<Vec<VerifyingKey>, Error> {
    let mut all = Vec::new();
    for path in paths {
        let found = keys::verifying_keys_from_json(&read(path)?);
        all.extend(found.map_err(|source| Error::Key { path: path.clone(), source })?);
    }
    Ok(all)
}

/// The token in `path`, without the line end that editors add.
pub(crate) fn token(path: Option<&Path>) -> Result<Option<String>, Error> {
    let Some(path) = path else { return Ok(None) };
    let token = read(path)?.trim().to_owned();
    if token.is_empty() { Err(Error::EmptyToken(path.to_owned())) } else { Ok(Some(token)) }
}

/// Writes a private key: only its owner may read it, and an existing file is replaced only as a whole.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let unwritable = |source| Error::Unwritable { path: path.to_owned(), source };
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let temporary = PathBuf::from(name);
    // What an interrupted run left behind is of no use to anybody.
    let _ = fs::remove_file(&temporary);
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary).map_err(unwritable)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.and_then(|()| fs::rename(&temporary, path)).map_err(unwritable)
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::Unreadable { path: path.to_owned(), source })
}
