//! Whom the restored data belong to: PostgreSQL refuses root, so root gives them to another account.

use std::os::unix::fs::lchown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::process::geteuid;

use crate::error::Error;

/// The accounts of this machine, passwd(5).
const ACCOUNTS: &str = "/etc/passwd";

/// The account of the restored server.
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
        match numbers(&accounts, name) {
            Some((user, group)) if user != 0 => Ok(Account::Other { user, group }),
            _ => Err(Error::Refused {
                what: format!("{name}: is no account that PostgreSQL runs as, and it does not run as root"),
                reason: "server_user",
                hint: "name an account of this machine with --server-user, or run this as one".to_owned(),
            }),
        }
    }

    /// Gives it a file or folder and everything below; a link itself, not what it leads to.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn own(self, path: &Path) -> std::io::Result<()> {
        let Account::Other { user, group } = self else { return Ok(()) };
        if std::fs::symlink_metadata(path)?.is_dir() {
            for entry in std::fs::read_dir(path)? {
                self.own(&entry?.path())?;
            }
        }
        lchown(path, Some(user), Some(group))
    }

    /// Makes a command run as it. The standard library also gives up root's other groups.
    pub(super) fn apply(self, command: &mut Command) {
        if let Account::Other { user, group } = self {
            command.uid(user).gid(group);
        }
    }
}

/// User and group of an account.
fn numbers(accounts: &str, name: &str) -> Option<(u32, u32)> {
    accounts.lines().find_map(|line| {
        let fields: Vec<_> = line.split(':').collect();
        match fields.as_slice() {
            [found, _, user, group, ..] if *found == name => user.parse().ok().zip(group.parse().ok()),
            _ => None,
        }
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
