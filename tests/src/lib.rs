//! What the tests over the whole workspace share: where it lies, what it tracks, where its programs are.
//!
//! Cargo tells a test the binaries of its own package only. Those of the workspace lie beside the test's executable
//! (as in ripgrep's `tests/util.rs`), built by `scripts/test` or by `cargo build --workspace`.

pub mod document;
pub mod help;
pub mod world;

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Why a test over the workspace cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The binary lies not where cargo puts it.
    #[error("{}: not built; run: cargo build --workspace", .0.display())]
    NotBuilt(PathBuf),
    /// Git did not list the files.
    #[error("git ls-files failed in {}: {reason}", root.display())]
    NotTracked {
        /// The workspace.
        root: PathBuf,
        /// What git said.
        reason: String,
    },
    /// The system refused a file or a process of the test itself.
    #[error("cannot set the test up")]
    System(#[from] io::Error),
}

/// The workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("/")).to_owned()
}

/// The folder of the built programs.
pub fn binaries() -> Result<PathBuf, Error> {
    let test = env::current_exe()?;
    // The test is target/debug/deps/NAME-HASH.
    Ok(test.ancestors().nth(2).unwrap_or(Path::new("/")).to_owned())
}

/// The built program of that name.
pub fn binary(name: &str) -> Result<PathBuf, Error> {
    let path = binaries()?.join(name);
    if path.is_file() { Ok(path) } else { Err(Error::NotBuilt(path)) }
}

/// Every tracked file, relative to the workspace.
pub fn tracked_files() -> Result<Vec<PathBuf>, Error> {
    let root = root();
    let refuse = |reason| Error::NotTracked { root: root.clone(), reason };
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(&root).output();
    let listed = listed.map_err(|error| refuse(error.to_string()))?;
    if !listed.status.success() {
        return Err(refuse(String::from_utf8_lossy(&listed.stderr).into_owned()));
    }
    let names = String::from_utf8_lossy(&listed.stdout).into_owned();
    let paths = names.split_terminator('\0').map(PathBuf::from);
    // A file may be deleted and not yet committed.
    Ok(paths.filter(|path| root.join(path).is_file()).collect())
}
