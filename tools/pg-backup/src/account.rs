//! Who runs a server of ours: PostgreSQL refuses root, so root lends its programs and data to another account.

use std::os::unix::fs::{MetadataExt, lchown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::process::geteuid;

use crate::error::Error;

/// The accounts of this machine, passwd(5).
const ACCOUNTS: &str = "/etc/passwd";

/// The account of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Account {
    /// Our own.
    Own,
    /// Another, by its numbers.
    Other { user: u32, group: u32 },
}

impl Account {
    /// Our own, unless this is root: then the one called `name`, as the flag `flag` says.
    ///
    /// # Errors
    /// When there is no such account, or it is root too.
    pub(crate) fn find(name: &str, flag: &str) -> Result<Account, Error> {
        if !geteuid().is_root() {
            return Ok(Account::Own);
        }
        let accounts = std::fs::read_to_string(ACCOUNTS).unwrap_or_default();
        let refused = |what: String| Error::Refused {
            what,
            reason: "server_user",
            hint: format!("name an account of this machine with {flag}, or run this as one"),
        };
        match numbers(&accounts, name) {
            Some((0, _)) => Err(refused(format!("{name}: PostgreSQL does not run as root"))),
            Some((user, group)) => Ok(Account::Other { user, group }),
            None => {
                Err(refused(format!("{name}: there is no such account, and PostgreSQL does not run as root")))
            }
        }
    }

    /// Gives it a file or folder and everything below; a link itself, not what it leads to.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn own(self, path: &Path) -> std::io::Result<()> {
        let Account::Other { user, group } = self else { return Ok(()) };
        if std::fs::symlink_metadata(path)?.is_dir() {
            for entry in std::fs::read_dir(path)? {
                self.own(&entry?.path())?;
            }
        }
        lchown(path, Some(user), Some(group))
    }

    /// Makes a command run as it. The standard library also gives up root's other groups.
    pub(crate) fn apply(self, command: &mut Command) {
        if let Account::Other { user, group } = self {
            command.uid(user).gid(group);
        }
    }

    /// Makes sure that it can pass through a folder and all above it.
    ///
    /// # Errors
    /// When it cannot.
    pub(crate) fn require_entry(&self, folder: &Path) -> Result<(), Error> {
        let Account::Other { user, group } = *self else { return Ok(()) };
        let folder = folder.canonicalize().map_err(failed(folder, "opening it"))?;
        for above in folder.ancestors() {
            let found = std::fs::metadata(above).map_err(failed(above, "looking at it"))?;
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

fn failed(path: &Path, doing: &'static str) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { path, doing, source }
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
