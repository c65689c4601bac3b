//! Whose a scratch folder is, and what becomes of it when its owner was killed.
//!
//! A process is known by its number and the moment at which it started, proc(5): numbers are used again.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use super::{STOP_LIMIT, file_error};
use crate::error::Error;

/// How a folder's name begins; the number of its owner follows.
const PREFIX: &str = "pg-backup-scratch-";
/// The name of the marker in it.
const FILE: &str = "owner.json";
/// Between two looks at processes that end.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What a folder says of its owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Marker {
    pid: u32,
    /// In ticks since the machine was started.
    started: String,
}

impl Marker {
    /// That of this process.
    pub(crate) fn of_this_process() -> Marker {
        let pid = std::process::id();
        Marker { pid, started: start_of(pid).unwrap_or_default() }
    }

    /// Writes it into a folder.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(&self, folder: &Path) -> Result<(), Error> {
        let path = folder.join(FILE);
        let bytes = serde_json::to_vec(self).map_err(Error::Json)?;
        std::fs::write(&path, bytes).map_err(file_error(&path, "writing it"))
    }

    /// Whether that process still runs.
    pub(crate) fn is_alive(&self) -> bool {
        start_of(self.pid).is_some_and(|started| started == self.started)
    }
}

/// What a new folder's name begins with.
pub(super) fn folder_prefix() -> String {
    format!("{PREFIX}{}-", std::process::id())
}

/// Stops and removes the scratch clusters in `folder` whose owners are gone; those that were removed.
///
/// # Errors
/// When the folder cannot be read, or one of them cannot be removed.
pub(crate) fn sweep(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |source| Error::File { path: folder.to_owned(), doing: "listing it", source };
    let mut removed = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)?.flatten() {
        let path = entry.path();
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && is_abandoned(&path) {
            end_servers_in(&path);
            std::fs::remove_dir_all(&path).map_err(file_error(&path, "removing it"))?;
            removed.push(path);
        }
    }
    removed.sort();
    Ok(removed)
}

/// Whether it is one of ours, and nobody's. Without a readable marker the number in the name tells.
fn is_abandoned(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let Some(rest) = name.strip_prefix(PREFIX) else { return false };
    match std::fs::read(path.join(FILE)) {
        Ok(bytes) if !bytes.is_empty() => {
            serde_json::from_slice::<Marker>(&bytes).is_ok_and(|marker| !marker.is_alive())
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => false,
        _ => {
            let owner = rest.split('-').next().and_then(|number| number.parse().ok());
            owner.is_some_and(|pid| start_of(pid).is_none())
        }
    }
}

/// Stops every server that works in the folder, and what fetches for it. A number in `postmaster.pid` could be anybody's;
/// where a process stands is certain, and somebody's shell may stand there too.
pub(crate) fn end_servers_in(folder: &Path) {
    let Ok(folder) = folder.canonicalize() else { return };
    let deadline = Instant::now() + STOP_LIMIT;
    let mut signal = Signal::QUIT;
    loop {
        let found = servers_in(&folder);
        if found.is_empty() {
            return;
        }
        for pid in found {
            // One that has ended meanwhile needs no signal.
            let _ = kill_process(pid, signal);
        }
        if Instant::now() > deadline {
            if signal == Signal::KILL {
                return;
            }
            signal = Signal::KILL;
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

fn servers_in(folder: &Path) -> Vec<Pid> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let stands_in =
        |path: &Path| std::fs::read_link(path.join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder));
    entries
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw)?;
            (stands_in(&entry.path()) && is_of_server(&entry.path())).then_some(pid)
        })
        .collect()
}

/// Whether a process, by its folder in `/proc`, is a server's: one of its own, the `initdb` before it, or the `wal-fetch`
/// that it runs.
fn is_of_server(process: &Path) -> bool {
    let program = std::fs::read_link(process.join("exe")).unwrap_or_default();
    // After an upgrade the name ends in ` (deleted)`.
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    let words = std::fs::read(process.join("cmdline")).unwrap_or_default();
    ["postgres", "initdb"].contains(&name.trim_end_matches(" (deleted)"))
        || words.split(|byte| *byte == 0).any(|word| word == b"wal-fetch")
}

/// When a living process started; none when there is no such process, or it has died and nobody has asked how.
fn start_of(pid: u32) -> Option<String> {
    start_in(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The 22nd field of proc_pid_stat(5). The second one, the program's name, may hold anything, even blanks and brackets.
fn start_in(stat: &str) -> Option<String> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let started = fields.nth(18)?;
    (!matches!(state, "Z" | "X")).then(|| started.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Marker, PREFIX, start_in, sweep};

    #[test]
    fn the_start_is_read_whatever_the_program_is_called() {
        let stat = "42 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 777 20";
        assert_eq!(start_in(stat).as_deref(), Some("777"));
        assert_eq!(start_in(&stat.replace(" S ", " Z ")), None);
        assert_eq!(start_in(""), None);
    }

    #[test]
    fn only_what_is_abandoned_is_swept() {
        let parent = tempfile::tempdir().unwrap();
        let own = Marker::of_this_process();
        let reused = Marker { started: "1".to_owned(), ..own.clone() };
        let folders = [
            (format!("{PREFIX}{}-alive", own.pid), Some(own.clone())),
            (format!("{PREFIX}{}-reused", own.pid), Some(reused)),
            // No process has a number above 2^22.
            (format!("{PREFIX}2000000000-unmarked"), None),
            (format!("{PREFIX}{}-unmarked", own.pid), None),
            ("somebody-else".to_owned(), None),
        ];
        for (name, marker) in &folders {
            let folder = parent.path().join(name);
            std::fs::create_dir(&folder).unwrap();
            marker.iter().for_each(|marker| marker.write(&folder).unwrap());
        }
        let swept = sweep(parent.path()).unwrap();
        let expected = [1, 2].map(|index: usize| parent.path().join(&folders[index].0));
        let mut expected = expected.to_vec();
        expected.sort();
        assert_eq!(swept, expected);
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 3);
    }
}
