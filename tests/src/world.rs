//! A scratch folder in which examples run: the tracked `testdata`, and the built tools on the path.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::{Error, binaries, root, tracked_files};

/// The folder; removed when dropped.
#[derive(Debug)]
pub struct World {
    scratch: TempDir,
    folder: PathBuf,
    path: OsString,
    environment: Vec<(String, String)>,
}

/// What a shell line did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Did {
    /// Its exit code; -1 for a signal.
    pub exit: i32,
    /// Both streams, in order.
    pub output: String,
}

impl World {
    /// A copy of `testdata`, as a fresh clone has it, entered at `folder` (empty for its top).
    pub fn new(folder: &str) -> Result<Self, Error> {
        let scratch = tempfile::tempdir()?;
        for file in tracked_files()?.iter().filter(|file| file.starts_with("testdata")) {
            let copy = scratch.path().join(file);
            fs::create_dir_all(copy.parent().unwrap_or(scratch.path()))?;
            fs::copy(root().join(file), copy)?;
        }
        let inherited = env::var_os("PATH").unwrap_or_default();
        let folders = [binaries()?].into_iter().chain(env::split_paths(&inherited));
        let path = env::join_paths(folders).map_err(|_| Error::NotBuilt(PathBuf::from("PATH")))?;
        Ok(Self { folder: scratch.path().join(folder), scratch, path, environment: Vec::new() })
    }

    /// Sets an environment variable of the shell lines.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Where shell lines run.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Runs a shell line as a reader does who types it.
    pub fn run(&self, line: &str) -> Result<Did, Error> {
        let script = format!("exec 2>&1\n{line}\n");
        let ran = Command::new("bash")
            .args(["-c", &script])
            .current_dir(self.folder())
            .env("PATH", &self.path)
            .env("HOME", self.scratch.path())
            .env("NO_COLOR", "1")
            .env("LC_ALL", "C.UTF-8")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .output()?;
        let output = String::from_utf8_lossy(&ran.stdout).into_owned();
        Ok(Did { exit: ran.status.code().unwrap_or(-1), output })
    }
}
