//! Finds the files of a build folder, by walking it or from a list.
//!
//! `walkdir` walks on one thread: on 10,000 files that takes a hundredth of the time of hashing them, so the parallel
//! walk of its successor `ignore` would bring nothing.

use std::fs::Metadata;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use crate::cli::Symlinks;
use crate::problem::FileProblem;

/// A regular file below the build folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// Its path relative to the folder, with `/` between folders.
    pub path: String,
    /// Where to open it.
    pub location: PathBuf,
}

/// What a folder holds: files sorted by path, and the entries that cannot be used.
#[derive(Debug, Default)]
pub struct Tree {
    /// Usable files.
    pub files: Vec<Found>,
    /// The rest, each named.
    pub problems: Vec<FileProblem>,
}

/// Walks `folder`. `is_wanted` sees the relative path of each file; the rest of the tree is never opened.
///
/// # Errors
/// When the folder itself cannot be read.
pub fn walk(folder: &Path, symlinks: Symlinks, is_wanted: impl Fn(&str) -> bool) -> std::io::Result<Tree> {
    let root = folder.canonicalize()?;
    std::fs::read_dir(&root)?;
    let follows = matches!(symlinks, Symlinks::Inside | Symlinks::Anywhere);
    let mut tree = Tree::default();
    let mut walker = WalkDir::new(&root).min_depth(1).follow_links(follows).into_iter();
    while let Some(entry) = walker.next() {
        match entry {
            Ok(entry) if entry.path_is_symlink() && !tree.may_follow(&entry, &root, symlinks, &is_wanted) => {
                if entry.file_type().is_dir() {
                    walker.skip_current_dir();
                }
            }
            Ok(entry) => tree.take(entry, &root, &is_wanted),
            Err(error) => tree.take_error(&error, &root, &is_wanted),
        }
    }
    tree.files.sort_unstable();
    tree.problems.sort_by(|a, b| a.path().cmp(b.path()));
    Ok(tree)
}

impl Tree {
    fn take(&mut self, entry: DirEntry, root: &Path, is_wanted: &impl Fn(&str) -> bool) {
        if entry.file_type().is_dir() {
            return;
        }
        let Some(path) = self.relative(entry.path(), root) else {
            return;
        };
        if !is_wanted(&path) {
            return;
        }
        if entry.file_type().is_file() {
            self.files.push(Found { path, location: entry.into_path() });
        } else {
            self.problems.push(FileProblem::NotAFile { path });
        }
    }

    fn may_follow(
        &mut self,
        entry: &DirEntry,
        root: &Path,
        symlinks: Symlinks,
        is_wanted: &impl Fn(&str) -> bool,
    ) -> bool {
        let Some(path) = self.relative(entry.path(), root) else {
            return false;
        };
        let is_relevant = entry.file_type().is_dir() || is_wanted(&path);
        match symlinks {
            Symlinks::Anywhere => true,
            Symlinks::Skip => false,
            Symlinks::Refuse => {
                if is_relevant {
                    self.problems.push(FileProblem::LinkRefused { path });
                }
                false
            }
            Symlinks::Inside => {
                let is_inside = entry.path().canonicalize().is_ok_and(|target| target.starts_with(root));
                if !is_inside && is_relevant {
                    self.problems.push(FileProblem::LinkLeaves { path });
                }
                is_inside
            }
        }
    }

    /// What the walker could not enter or follow.
    fn take_error(&mut self, error: &walkdir::Error, root: &Path, is_wanted: &impl Fn(&str) -> bool) {
        let Some(path) = error.path().and_then(|path| self.relative(path, root)) else {
            return;
        };
        if error.loop_ancestor().is_some() {
            self.problems.push(FileProblem::LinkLoop { path });
            return;
        }
        let location = root.join(&path);
        let is_link = location.symlink_metadata().is_ok_and(|metadata| metadata.file_type().is_symlink());
        let is_folder = location.symlink_metadata().is_ok_and(|metadata| metadata.file_type().is_dir());
        if is_link && is_wanted(&path) {
            self.problems.push(FileProblem::LinkDangles { path });
        } else if is_folder || is_wanted(&path) {
            let reason = error.io_error().map(ToString::to_string).unwrap_or_default();
            self.problems.push(FileProblem::Unreadable { path, reason });
        }
    }

    /// The path below `root` as text; a name that is not UTF-8 has no URL and becomes a problem.
    fn relative(&mut self, path: &Path, root: &Path) -> Option<String> {
        let relative = path.strip_prefix(root).unwrap_or(path);
        match relative.to_str() {
            Some(text) => Some(text.to_owned()),
            None => {
                self.problems.push(FileProblem::NotUtf8 { path: relative.to_string_lossy().into_owned() });
                None
            }
        }
    }
}

/// Reads a list of files. Names are relative to the current folder, as find(1) and git-ls-files(1) print them, or to
/// `folder`; files outside `folder` are problems.
///
/// # Errors
/// When the list or the folder cannot be read.
pub fn listed(mut list: impl Read, is_null_separated: bool, folder: &Path) -> std::io::Result<Tree> {
    let mut bytes = Vec::new();
    list.read_to_end(&mut bytes)?;
    let root = folder.canonicalize()?;
    let separator = if is_null_separated { 0 } else { b'\n' };
    let mut tree = Tree::default();
    for name in bytes.split(|byte| *byte == separator).filter(|name| !name.is_empty()) {
        let name = PathBuf::from(std::ffi::OsString::from_vec(name.to_vec()));
        tree.take_listed(&name, &root);
    }
    tree.files.sort_unstable();
    tree.files.dedup();
    Ok(tree)
}

impl Tree {
    fn take_listed(&mut self, name: &Path, root: &Path) {
        let shown = name.to_string_lossy().into_owned();
        let Ok(location) = std::path::absolute(name) else {
            return;
        };
        // The folder part is resolved, the name itself is not: a link is listed under its own name.
        let parent = location.parent().and_then(|parent| parent.canonicalize().ok());
        let resolved = parent.zip(location.file_name()).map(|(parent, file)| parent.join(file));
        let inside = resolved
            .filter(|path| path.starts_with(root))
            .or_else(|| Some(root.join(name)).filter(|path| path.exists()));
        let Some(location) = inside else {
            self.problems.push(FileProblem::Outside { path: shown });
            return;
        };
        let Some(path) = self.relative(&location, root) else {
            return;
        };
        match location.metadata() {
            Ok(metadata) if metadata.is_file() => self.files.push(Found { path, location }),
            Ok(_) => self.problems.push(FileProblem::NotAFile { path }),
            Err(error) => self.problems.push(FileProblem::Unreadable { path, reason: error.to_string() }),
        }
    }
}

/// Whether both are the same file.
pub fn is_same_file(a: &Metadata, b: &Metadata) -> bool {
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}
