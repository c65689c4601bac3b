//! The stores of the tests, both real: a folder, and a bucket of an S3 server.

use std::path::{Path, PathBuf};

use testbed::{DataFolder, S3Server};

/// A store that the database server's user can reach too.
pub(crate) enum Shelf {
    /// A folder.
    Folder(DataFolder),
    /// A bucket of a real S3 server.
    S3(S3Server),
}

impl Shelf {
    pub(crate) fn folder() -> Shelf {
        Shelf::Folder(DataFolder::make().unwrap())
    }

    pub(crate) fn s3() -> Shelf {
        Shelf::S3(S3Server::start().unwrap())
    }

    /// What `--store` is given.
    pub(crate) fn address(&self) -> String {
        match self {
            Shelf::Folder(folder) => folder.path().join("store").display().to_string(),
            Shelf::S3(server) => format!("s3://{}/backups", server.bucket()),
        }
    }

    /// The variables that lead to it.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        match self {
            Shelf::Folder(_) => Vec::new(),
            Shelf::S3(server) => server.environment(),
        }
    }

    /// The S3 server of a store that is a bucket.
    pub(crate) fn server(&self) -> &S3Server {
        match self {
            Shelf::S3(server) => server,
            Shelf::Folder(folder) => panic!("{}: is no bucket", folder.path().display()),
        }
    }

    /// The folder in which the objects lie as files.
    pub(crate) fn files(&self) -> PathBuf {
        match self {
            Shelf::Folder(folder) => folder.path().join("store"),
            Shelf::S3(server) => server.folder().join(server.bucket()).join("backups"),
        }
    }

    /// Every object, by its path.
    pub(crate) fn objects(&self) -> Vec<PathBuf> {
        files_below(&self.files())
    }

    /// The objects whose name begins so.
    pub(crate) fn named(&self, name: &str) -> Vec<PathBuf> {
        let is_named = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(name);
        self.objects().into_iter().filter(is_named).collect()
    }
}

/// Every file in a folder and those in it, sorted.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// The same by their names in the folder.
pub(crate) fn names_below(folder: &Path) -> Vec<String> {
    let name = |path: &PathBuf| path.strip_prefix(folder).unwrap().display().to_string();
    files_below(folder).iter().map(name).collect()
}
