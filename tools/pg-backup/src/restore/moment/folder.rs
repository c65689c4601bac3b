//! The new data folder: never one that holds anything of somebody else's.
//!
//! A document of ours lies in it from the first moment to the last of a restore. So a folder that a killed run left is
//! told from a cluster that somebody uses, and the same command may empty it and begin anew.

use std::fs::{self, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, test_kill_process};
use serde_json::json;

use crate::account::Account;
use crate::error::Error;
use crate::layout::BackupId;
use crate::scratch::{Marker, end_servers_in};

/// What tells a folder that is being restored; PostgreSQL does not look at it.
pub(super) const MARKER: &str = "pg-backup-restore.json";

/// What the private folder of a recovering server is called.
pub(super) const PRIVATE_PREFIX: &str = "pg-backup-";

/// A data folder that is ours for now.
#[derive(Debug)]
pub(super) struct DataFolder {
    path: PathBuf,
    account: Account,
}

/// What a folder holds before a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    /// Nothing; it may not even be there.
    Nothing,
    /// What a run that was killed has left.
    Leftovers,
}

/// Looks whether something may be restored to this folder; nothing is changed.
///
/// # Errors
/// When it holds anything that no restore of ours has left, another restore is at work in it, or a server that
/// others reach runs in it: that one is somebody's.
pub(super) fn look(path: &Path) -> Result<Before, Error> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Before::Nothing),
        Err(source) => return Err(failed(path, "looking into it")(source)),
    };
    if entries.count() == 0 {
        return Ok(Before::Nothing);
    }
    if !path.join(MARKER).exists() {
        return Err(Error::Refused {
            what: format!("{}: is not empty", path.display()),
            reason: "not_empty",
            hint: "name a new folder with --pgdata; a server's own must be moved away first".to_owned(),
        });
    }
    if owner(path).is_some_and(|owner| owner.is_alive() && owner != Marker::of_this_process()) {
        return Err(Error::Busy { what: format!("{}: another restore is at work in it", path.display()) });
    }
    if let Some(pid) = running(path).filter(|_| is_reachable(path)) {
        return Err(Error::Busy { what: format!("{}: a server runs in it, process {pid}", path.display()) });
    }
    Ok(Before::Leftovers)
}

/// The process that runs a server in this folder.
fn running(path: &Path) -> Option<i32> {
    let text = fs::read_to_string(path.join("postmaster.pid")).ok()?;
    let pid: i32 = text.lines().next()?.trim().parse().ok()?;
    let is_alive =
        Pid::from_raw(pid).is_some_and(|pid| test_kill_process(pid) != Err(rustix::io::Errno::SRCH));
    // The number may belong to somebody else by now: a server works in its data folder. One that works nowhere has
    // ended, and nobody has asked how yet.
    let is_elsewhere = match (fs::read_link(format!("/proc/{pid}/cwd")), path.canonicalize()) {
        (Ok(cwd), Ok(own)) => cwd != own,
        (Err(error), _) => error.kind() == io::ErrorKind::NotFound && Path::new("/proc/self").exists(),
        (Ok(_), Err(_)) => false,
    };
    Some(pid).filter(|_| is_alive && !is_elsewhere)
}

/// Whether the server listens where others reach it, as none of ours does: the fifth line of `postmaster.pid` is the folder
/// of its socket. Before it listens the line is not there.
fn is_reachable(path: &Path) -> bool {
    let text = fs::read_to_string(path.join("postmaster.pid")).unwrap_or_default();
    let socket = Path::new(text.lines().nth(4).unwrap_or_default().trim());
    let name = socket.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| !name.starts_with(PRIVATE_PREFIX))
}

/// Who restores into the folder, or did until it was killed.
fn owner(path: &Path) -> Option<Marker> {
    let document: serde_json::Value = serde_json::from_slice(&fs::read(path.join(MARKER)).ok()?).ok()?;
    serde_json::from_value(document.get("owner")?.clone()).ok()
}

impl DataFolder {
    /// Makes the folder, or empties one that a killed run has left.
    ///
    /// # Errors
    /// As [`look`], and when the system refuses.
    pub(super) fn make(
        path: &Path,
        account: Account,
        base: &BackupId,
        target: &str,
    ) -> Result<DataFolder, Error> {
        let before = look(path)?;
        if before == Before::Leftovers {
            // The kernel has asked the server of the killed run to end. It takes up to a minute for that: PostgreSQL
            // before 16 may begin to wait for its children just when it is asked.
            end_servers_in(path);
            empty(path).map_err(failed(path, "emptying it"))?;
        }
        fs::create_dir_all(path).map_err(failed(path, "making it"))?;
        fs::set_permissions(path, Permissions::from_mode(0o700))
            .map_err(failed(path, "closing it to others"))?;
        let path = path.canonicalize().map_err(failed(path, "opening it"))?;
        let marker = json!({
            "type": "restore", "base": base, "target": target, "owner": Marker::of_this_process(),
        });
        let marker = marker.to_string();
        let written = release_common::files::write_atomically(&path.join(MARKER), marker.as_bytes());
        written.map_err(failed(&path, "marking it"))?;
        Ok(DataFolder { path, account })
    }

    /// Where it is, absolute.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts the content of a tar file into it, which is read to its very end.
    pub(super) fn unpack(&self, tar: impl Read) -> io::Result<()> {
        let mut archive = tar::Archive::new(tar);
        archive.set_preserve_permissions(true);
        archive.set_overwrite(true);
        for entry in archive.entries()? {
            let mut entry = entry?;
            if !entry.unpack_in(&self.path)? {
                let name = entry.path()?.display().to_string();
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("{name} leads out of the folder"),
                ));
            }
        }
        // Only the true end of the stream proves what was read.
        io::copy(&mut archive.into_inner(), &mut io::sink()).map(drop)
    }

    /// Gives everything to the account of the server.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn give_away(&self) -> Result<(), Error> {
        self.account.own(&self.path).map_err(failed(&self.path, "giving it to the server's account"))
    }

    /// Writes a file of settings, or makes an empty one.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        let path = self.path.join(name);
        let written = fs::write(&path, text);
        let written = written.and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o600)));
        written.and_then(|()| self.account.own(&path)).map_err(failed(&path, "writing it"))
    }

    /// A file's text; nothing when it is not there.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn read(&self, name: &str) -> Result<String, Error> {
        let path = self.path.join(name);
        match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            read => read.map_err(failed(&path, "reading it")),
        }
    }

    /// Removes a file, if it is there.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn remove(&self, name: &str) -> Result<(), Error> {
        let path = self.path.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&path, "removing it")(error)),
            _ => Ok(()),
        }
    }

    /// Whether it holds this file.
    pub(super) fn has(&self, name: &str) -> bool {
        self.path.join(name).exists()
    }
}

/// Removes everything, the marker last: until then the folder is known for what it is.
fn empty(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_name() == MARKER {
            continue;
        }
        // A link is removed, not what it leads to.
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?
        } else {
            fs::remove_file(entry.path())?
        }
    }
    Ok(())
}

fn failed(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |source| Error::File { path, doing, source }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::process::{Child, Command, Stdio};

    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

    use super::{Before, DataFolder, look};
    use crate::account::Account;
    use crate::error::Error;

    fn make(folder: &Path) -> Result<DataFolder, Error> {
        let id = "20261123T104046Z-0123456789abcdef".parse().unwrap();
        DataFolder::make(folder, Account::Own, &id, "x")
    }

    #[test]
    fn a_folder_that_holds_anything_else_is_refused_and_left_alone() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("data");
        assert_eq!(look(&folder).unwrap(), Before::Nothing);
        fs::create_dir(&folder).unwrap();
        assert_eq!(look(&folder).unwrap(), Before::Nothing);
        fs::write(folder.join("PG_VERSION"), "15\n").unwrap();
        for refused in [look(&folder).map(drop), make(&folder).map(drop)] {
            assert!(refused.unwrap_err().to_string().ends_with("data: is not empty"));
        }
        assert!(folder.join("PG_VERSION").exists());
    }

    #[test]
    fn what_a_killed_run_has_left_is_emptied() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("data");
        make(&folder).unwrap();
        fs::create_dir(folder.join("base")).unwrap();
        fs::write(folder.join("base/1"), "rows").unwrap();
        assert_eq!(look(&folder).unwrap(), Before::Leftovers);
        make(&folder).unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }

    /// A process that works in the folder, and a `postmaster.pid` that says that it is a server with this socket.
    fn server(folder: &Path, socket: &str) -> Child {
        let mut command = Command::new("sleep");
        command.arg("600").current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null());
        let server = command.spawn().unwrap();
        let pid = format!("{}\n{}\n1\n5432\n{socket}\n", server.id(), folder.display());
        fs::write(folder.join("postmaster.pid"), pid).unwrap();
        server
    }

    #[test]
    fn a_server_that_others_reach_is_left_alone() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("data");
        make(&folder).unwrap();
        let mut server = server(&folder, "/var/run/postgresql");
        for refused in [look(&folder).map(drop), make(&folder).map(drop)] {
            assert!(refused.unwrap_err().to_string().contains("a server runs in it"));
        }
        assert!(server.try_wait().unwrap().is_none(), "it runs on");
        server.kill().unwrap();
        // It has ended and is still known by its number, as happens where a container's first process waits for none.
        let id = WaitId::Pid(Pid::from_child(&server));
        waitid(id, WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
        assert_eq!(look(&folder).unwrap(), Before::Leftovers);
        server.wait().unwrap();
    }

    #[test]
    fn whoever_is_no_server_and_only_stands_in_the_folder_lives_on() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("data");
        make(&folder).unwrap();
        let mut shell = server(&folder, "/tmp/pg-backup-x");
        make(&folder).unwrap();
        assert!(shell.try_wait().unwrap().is_none(), "as an operator's shell does");
        shell.kill().unwrap();
        shell.wait().unwrap();
    }

    #[test]
    fn a_file_that_leads_out_of_the_folder_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let folder = make(&parent.path().join("data")).unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_size(4);
        header.as_gnu_mut().unwrap().name[..9].copy_from_slice(b"../escape");
        header.set_cksum();
        let mut builder = tar::Builder::new(Vec::new());
        builder.append(&header, &b"rows"[..]).unwrap();
        assert!(folder.unpack(&builder.into_inner().unwrap()[..]).is_err());
        assert!(!parent.path().join("escape").exists());
    }
}
