//! `verify`: against folders, a real web server, a TLS server of another make, and servers that misbehave.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails, fails its test")]

mod fake;
mod folder;
mod server;
mod tls;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use assert_cmd::Command;
use assert_cmd::cargo::cargo_bin;

/// Far more than any run on this machine takes.
const LIMIT: Duration = Duration::from_secs(60);

/// A small build in a scratch folder, with manifests of it beside.
pub(crate) struct Build {
    folder: tempfile::TempDir,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Build {
    /// A build of these files; each holds its own name and a line feed.
    pub(crate) fn of(names: &[&str]) -> Self {
        let build = Build { folder: tempfile::tempdir().unwrap() };
        for name in names {
            build.write(&format!("dist/{name}"), format!("{name}\n"));
        }
        build
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Makes `manifest` with these flags.
    pub(crate) fn manifest(&self, flags: &[&str]) {
        let flags = flags.iter().copied().chain(["--include", "**/*", "-o", "manifest", "dist"]);
        let run = self.run(&flags.collect::<Vec<_>>(), "");
        assert_eq!(run.code, 0, "{run:?}");
    }

    pub(crate) fn run(&self, arguments: &[&str], stdin: &str) -> Run {
        let mut command = Command::new(cargo_bin!("precache-hash"));
        command.args(arguments).current_dir(self.folder.path()).write_stdin(stdin).timeout(LIMIT);
        let output = command.output().unwrap();
        Run {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs `verify manifest` with more arguments.
    pub(crate) fn verify(&self, arguments: &[&str]) -> Run {
        self.run(&[&["verify", "manifest"], arguments].concat(), "")
    }
}

impl Run {
    /// Compares the exit code, and the whole stdout.
    #[track_caller]
    pub(crate) fn check(&self, code: i32, stdout: &str) {
        assert_eq!((self.code, self.stdout.as_str()), (code, stdout), "{}", self.stderr);
    }
}
