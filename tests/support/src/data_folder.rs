//! A scratch folder that outlives the program at work in it, but not its owner.
//!
//! A database is stopped and started again on the same data, and [`Program`] removes a program's folder with the
//! program. So an idle program holds the folder, and what works in it is started beside that.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::account::Account;
use crate::error::Error;
use crate::program::{Program, Running};
use crate::readiness::Ready;

const HOLD: &str = r#"if [ -n "$2" ]; then chown "$2:" "$1"; fi && echo held && exec sleep infinity"#;
/// `initdb` takes one second, a base backup two; a busy machine may need many times that.
const STEP_LIMIT: Duration = Duration::from_secs(120);

/// A folder that belongs to the account of the database programs. Dropped, or with its owner, it goes with all in it.
///
/// What a program restores to its [`data`](Self::data) can be started by [`Postgres::adopt`](crate::Postgres::adopt).
#[derive(Debug)]
pub struct DataFolder {
    holder: Running,
    account: Account,
}

impl DataFolder {
    /// Makes it, empty.
    pub fn make() -> Result<Self, Error> {
        let account = Account::of_databases();
        let user = if account == Account::Postgres { "postgres" } else { "" };
        let holder = Program::new("sh")
            .args(["-c", HOLD, "hold", "{scratch}", user])
            .ready(Ready::Line("held".to_owned()))
            .start()?;
        Ok(Self { holder, account })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        self.holder.scratch()
    }

    /// Where the data of a cluster lies in it, once somebody has put them there.
    pub fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// The user that it belongs to, by number.
    pub fn owner(&self) -> Result<u32, Error> {
        let owner = fs::metadata(self.path()).map(|metadata| metadata.uid());
        owner.map_err(|source| Error::Scratch { program: "a database".to_owned(), source })
    }

    /// A command that runs the program as that user, in this folder and with `HOME` here.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = self.account.command(program);
        command.current_dir(self.path()).env("HOME", self.path()).env("TMPDIR", self.path());
        command
    }

    /// A path by which that user can run a program of the caller's: its own, or that of a copy in this folder where the
    /// user is kept out of the program's folder, as below a home folder.
    pub fn lend(&self, program: &Path) -> Result<PathBuf, Error> {
        if self.can_run(program)? {
            return Ok(program.to_owned());
        }
        self.copy(program)
    }

    /// Copies a file or a folder into this one, as the caller, who can read it; the modes let the user run it.
    pub(crate) fn copy(&self, path: &Path) -> Result<PathBuf, Error> {
        let copy = self.path().join(path.file_name().unwrap_or(path.as_os_str()));
        // Not over one that may be running.
        let copied = Command::new("cp").args(["-a", "--remove-destination"]).args([path, &copy]).output();
        match copied {
            Ok(output) if output.status.success() => Ok(copy),
            _ => Err(Error::NotInstalled { program: path.to_owned() }),
        }
    }

    /// A name of its own among those that live at the same time, in lower case.
    pub(crate) fn name(&self) -> String {
        self.holder.pid().to_string()
    }

    /// A program that is to work in it.
    pub(crate) fn program(&self, program: impl Into<PathBuf>) -> Program {
        Program::new(program.into()).account(self.account).folder(self.path()).env("HOME", self.path())
    }

    /// Runs a program to its good end.
    pub(crate) fn run(&self, program: Program) -> Result<(), Error> {
        let name = program.name();
        let mut running = program.start()?;
        match running.wait(STEP_LIMIT)? {
            0 => Ok(()),
            code => Err(Error::Failed { program: name, code, output: running.tail() }),
        }
    }

    /// Whether a program can be run by the account.
    pub(crate) fn can_run(&self, program: &Path) -> Result<bool, Error> {
        let look = self.program("test").args(["-x".as_ref(), program.as_os_str()]);
        match self.run(look) {
            Ok(()) => Ok(true),
            Err(Error::Failed { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
