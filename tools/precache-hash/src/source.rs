//! Where the files come from: a folder or a list, without what this tool writes itself.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use crate::cli::BuildArgs;
use crate::error::Error;
use crate::input;
use crate::problem::Problems;
use crate::selection::Selection;
use crate::tree::{self, Found, Tree};

/// Where the files come from.
pub(crate) struct Source {
    folder: PathBuf,
    list: Option<PathBuf>,
}

impl Source {
    /// The folder and the list that `args` name.
    pub(crate) fn of(args: &BuildArgs) -> Result<Source, Error> {
        let is_list = args.dir.as_deref().is_some_and(input::is_stdin);
        match (&args.dir, &args.files_from) {
            (Some(_), None) if is_list => {
                Ok(Source { folder: PathBuf::from("."), list: Some(PathBuf::from("-")) })
            }
            (Some(dir), list) => Ok(Source { folder: dir.clone(), list: list.clone() }),
            (None, Some(list)) => Ok(Source { folder: PathBuf::from("."), list: Some(list.clone()) }),
            (None, None) => Err(Error::NoFolder),
        }
    }

    /// What the user calls the folder.
    pub(crate) fn shown(&self) -> String {
        self.folder.display().to_string()
    }

    /// A list names files that somebody has chosen already; patterns narrow it only when they are given.
    pub(crate) fn selection(&self, args: &BuildArgs) -> Selection {
        let is_chosen = self.list.is_some() && args.include.is_empty() && args.exclude.is_empty();
        let selection = if is_chosen {
            Selection::everything()
        } else {
            Selection::new(&args.include, &args.exclude, args.dot, args.no_maps)
        };
        selection.without(self.own_outputs(args))
    }

    /// Paths of our own outputs below the folder: workers of other names, `-o`, and the file behind stdout.
    pub(crate) fn own_outputs(&self, args: &BuildArgs) -> Vec<String> {
        let mut outputs: Vec<String> =
            args.worker.iter().map(|path| path.trim_start_matches("./").to_owned()).collect();
        let root = self.folder.canonicalize().ok();
        let output = args.output.as_deref().and_then(|path| {
            let parent = match path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                _ => Path::new("."),
            };
            Some(parent.canonicalize().ok()?.join(path.file_name()?))
        });
        let below =
            root.zip(output).and_then(|(root, output)| Some(output.strip_prefix(root).ok()?.to_owned()));
        outputs.extend(below.and_then(|path| path.to_str().map(str::to_owned)));
        outputs
    }

    /// The usable files of the folder for which `is_wanted` holds.
    pub(crate) fn find(&self, args: &BuildArgs, is_wanted: impl Fn(&str) -> bool) -> Result<Tree, Error> {
        let unreadable = |source| Error::Unreadable { name: self.shown(), source };
        let mut tree = match &self.list {
            None => tree::walk(&self.folder, args.symlinks, &is_wanted).map_err(unreadable)?,
            Some(list) => {
                let tree = tree::listed(input::open(list)?, args.null, &self.folder).map_err(unreadable)?;
                if tree.files.is_empty() && tree.problems.is_empty() {
                    return Err(Error::EmptyInput { name: input::name(list) });
                }
                tree
            }
        };
        let stdout = stdout_file();
        tree.files.retain(|found| is_wanted(&found.path) && !is_stdout(found, stdout.as_ref()));
        if tree.problems.is_empty() {
            Ok(tree)
        } else {
            Err(Error::BadFiles { folder: self.shown(), problems: Problems(tree.problems) })
        }
    }
}

/// The file that stdout is redirected to, which must not list itself.
fn stdout_file() -> Option<std::fs::Metadata> {
    let stdout = std::io::stdout().as_fd().try_clone_to_owned().ok()?;
    std::fs::File::from(stdout).metadata().ok().filter(std::fs::Metadata::is_file)
}

fn is_stdout(found: &Found, stdout: Option<&std::fs::Metadata>) -> bool {
    stdout.is_some_and(|stdout| found.location.metadata().is_ok_and(|file| tree::is_same_file(&file, stdout)))
}
