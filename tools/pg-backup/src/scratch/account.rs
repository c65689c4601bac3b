//! Who runs the scratch cluster: PostgreSQL refuses root, so root lends its programs to another account.

use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::process::geteuid;

use super::file_error;
use crate::error::Error;

/// The accounts of this machine, passwd(5).
const ACCOUNTS: &str = "/etc/passwd";

/// The account of the scratch cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Account {
    /// Our own.
    Own,
    /// Another, by its numbers.
    Other { user: u32, group: u32 },
}

impl Account {
    /// Our own, unless this is root: then the one called `name`.
    ///
    /// # Errors
    /// When there is no such account, or it is root too.
    pub(super) fn find(name: &str) -> Result<Account, Error> {
        if !geteuid().is_root() {
            return Ok(Account::Own);
        }
        let accounts = std::fs::read_to_string(ACCOUNTS).unwrap_or_default();
        let refused = |what: String| Error::Refused {
            what,
            reason: "scratch_user",
            hint: "name an account of this machine with --scratch-user, or run this as one".to_owned(),
        };
        match numbers(&accounts, name) {
            Some((0, _)) => Err(refused(format!("{name}: PostgreSQL does not run as root"))),
            Some((user, group)) => Ok(Account::Other { user, group }),
            None => {
                Err(refused(format!("{name}: there is no such account, and PostgreSQL does not run as root")))
            }
        }
    }

    /// Gives it a file or folder.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn own(self, path: &Path) -> Result<(), Error> {
        match self {
            Account::Own => Ok(()),
            Account::Other { user, group } => {
                chown(path, Some(user), Some(group)).map_err(file_error(path, "giving it away"))
            }
        }
    }

    /// Makes a command run as it. The standard library also gives up root's other groups.
    pub(super) fn apply(self, command: &mut Command) {
        if let Account::Other { user, group } = self {
            command.uid(user).gid(group);
        }
    }

    /// Makes sure that it can pass through a folder and all above it.
    ///
    /// # Errors
    /// When it cannot.
    pub(super) fn require_entry(&self, folder: &Path) -> Result<(), Error> {
        let Account::Other { user, group } = *self else { return Ok(()) };
        let folder = folder.canonicalize().map_err(file_error(folder, "opening it"))?;
        for above in folder.ancestors() {
            let found = std::fs::metadata(above).map_err(file_error(above, "looking at it"))?;
            let bit = match () {
                () if found.uid() == user => 0o100,
                () if found.gid() == group => 0o010,
                () => 0o001,
            };
            if found.mode() & bit == 0 {
                return Err(Error::Refused {
                    what: format!("{}: the account of the scratch cluster cannot enter it", above.display()),
                    reason: "scratch_folder",
                    hint: "name another folder with --scratch, such as /tmp".to_owned(),
                });
            }
        }
        Ok(())
    }
}

/// User and group of an account.
fn numbers(accounts: &str, name: &str) -> Option<(u32, u32)> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let is_wanted = fields.next() == Some(name);
        let mut number = || fields.next().and_then(|field| field.parse().ok());
        let _password = number();
        let (user, group): (Option<u32>, Option<u32>) = (number(), number());
        if is_wanted { user.zip(group) } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let accounts =
            "root:x:0:0:root:/:/bin/sh\npostgresql:x:7:8::/:\npostgres:x:101:104:PostgreSQL:/:/bin/bash\n";
        assert_eq!(numbers(accounts, "postgres"), Some((101, 104)));
        assert_eq!(numbers(accounts, "root"), Some((0, 0)));
        assert_eq!(numbers(accounts, "nobody"), None);
    }
}
