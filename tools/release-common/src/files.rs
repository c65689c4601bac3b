//! Files that are either wholly there or not at all.
//!
//! A temporary file beside the target is written, synced and renamed over it, and the folder is synced, so a
//! reader or a crash sees the old bytes or the new ones. See rename(2) and fsync(2). The temporary name carries the
//! process id, so that the next write removes what a killed process left.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

/// How every temporary file's name begins; tools that list folders leave such names out.
pub const TEMPORARY_PREFIX: &str = ".slipway-";

/// Whether a write changed the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// The file is new or has new bytes.
    Changed,
    /// The file had these bytes already and was left alone.
    Unchanged,
}

/// Writes `bytes` to `path`, whole or not at all. Equal content is not rewritten, symbolic links are followed,
/// permissions of an existing file are kept.
///
/// # Errors
/// Those of the file system; the target is then as before.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<Written> {
    let target = resolve_link(path);
    if fs::read(&target).is_ok_and(|old| old == bytes) {
        return Ok(Written::Unchanged);
    }
    let folder = parent(&target);
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    remove_leftovers(folder, &name);
    let suffix = format!("-{name}");
    let prefix = format!("{TEMPORARY_PREFIX}{}-", std::process::id());
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(&suffix);
    let permissions = fs::metadata(&target).map(|metadata| metadata.permissions());
    let mut temporary = builder.tempfile_in(folder)?;
    temporary.write_all(bytes)?;
    temporary.as_file().set_permissions(permissions.unwrap_or_else(|_| default_permissions()))?;
    temporary.as_file().sync_all()?;
    temporary.persist(&target).map_err(|refused| refused.error)?;
    File::open(folder)?.sync_all()?;
    Ok(Written::Changed)
}

/// Removes temporary files for `name` whose process is gone. One that cannot be removed does no harm to the write.
fn remove_leftovers(folder: &Path, name: &str) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let file = entry.file_name();
        let owner = file.to_str().and_then(|file| {
            let owned = file.strip_prefix(TEMPORARY_PREFIX)?.strip_suffix(name)?;
            Pid::from_raw(owned.split('-').next()?.parse().ok()?)
        });
        if owner.is_some_and(|pid| test_kill_process(pid) == Err(Errno::SRCH)) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn resolve_link(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Temporary files are private; what replaces them is readable like any other build output.
fn default_permissions() -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o644)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::{Written, write_atomically};

    #[test]
    fn equal_content_is_not_rewritten() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("out.json");
        assert_eq!(write_atomically(&file, b"one").unwrap(), Written::Changed);
        assert_eq!(write_atomically(&file, b"one").unwrap(), Written::Unchanged);
        assert_eq!(write_atomically(&file, b"two").unwrap(), Written::Changed);
        assert_eq!(fs::read(&file).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn links_are_followed_and_permissions_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::write(&file, b"old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        symlink(&file, &link).unwrap();
        write_atomically(&link, b"new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn what_a_killed_process_left_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        // No process id is above 2^22 on Linux; the test itself is alive.
        let (dead, other) = (".slipway-2000000000-x-out.json", ".slipway-2000000000-x-other.json");
        let alive = format!(".slipway-{}-x-out.json", std::process::id());
        for name in [dead, other, &alive] {
            fs::write(folder.path().join(name), b"half").unwrap();
        }
        write_atomically(&folder.path().join("out.json"), b"whole").unwrap();
        let is_left = |name: &str| folder.path().join(name).exists();
        assert_eq!((is_left(dead), is_left(other), is_left(&alive)), (false, true, true));
    }

    #[test]
    fn a_missing_folder_is_an_error_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert!(write_atomically(&folder.path().join("absent/file"), b"x").is_err());
    }
}
