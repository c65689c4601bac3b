//! A scratch folder that outlives the program at work in it, but not its owner.
//!
//! A database is stopped and started again on the same data, and [`Program`] removes a program's folder with the
//! program. So an idle program holds the folder, and what works in it is started beside that.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::account::Account;
use crate::error::Error;
use crate::program::{Program, Running};
use crate::readiness::Ready;

const HOLD: &str = r#"if [ -n "$2" ]; then chown "$2:" "$1"; fi && echo held && exec sleep infinity"#;
/// `initdb` takes one second, a base backup two; a busy machine may need many times that.
const STEP_LIMIT: Duration = Duration::from_secs(120);

/// A folder that belongs to the account of the database programs.
#[derive(Debug)]
pub(crate) struct DataFolder {
    holder: Running,
    account: Account,
}

impl DataFolder {
    /// Makes it, empty.
    pub(crate) fn make() -> Result<Self, Error> {
        let account = Account::of_databases();
        let user = if account == Account::Postgres { "postgres" } else { "" };
        let holder = Program::new("sh")
            .args(["-c", HOLD, "hold", "{scratch}", user])
            .ready(Ready::Line("held".to_owned()))
            .start()?;
        Ok(Self { holder, account })
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        self.holder.scratch()
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
