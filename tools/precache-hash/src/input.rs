//! Reads what a command is given: a file, or stdin for `-`.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use precache_manifest::{Manifest, read};

use crate::error::Error;

/// What the user calls `path`.
pub fn name(path: &Path) -> String {
    if is_stdin(path) { "stdin".to_owned() } else { path.display().to_string() }
}

/// Whether `path` means stdin.
pub fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// A reader of `path`.
///
/// # Errors
/// When the file cannot be opened.
pub fn open(path: &Path) -> Result<Box<dyn Read>, Error> {
    if is_stdin(path) {
        return Ok(Box::new(std::io::stdin()));
    }
    match File::open(path) {
        Ok(file) => Ok(Box::new(file)),
        Err(source) => Err(Error::Unreadable { name: name(path), source }),
    }
}

/// The text of `path`.
///
/// # Errors
/// When it cannot be read, is not UTF-8, or is empty.
pub fn text(path: &Path) -> Result<String, Error> {
    let mut text = String::new();
    open(path)?.read_to_string(&mut text).map_err(|source| Error::Unreadable { name: name(path), source })?;
    if text.trim().is_empty() {
        return Err(Error::EmptyInput { name: name(path) });
    }
    Ok(text)
}

/// The manifest in `path`.
///
/// # Errors
/// When it cannot be read or is no manifest.
pub fn manifest(path: &Path) -> Result<Manifest, Error> {
    read::manifest(&text(path)?)
        .map_err(|reason| Error::Manifest { name: name(path), reason: Box::new(reason) })
}
