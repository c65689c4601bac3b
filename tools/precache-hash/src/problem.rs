//! Files that cannot be part of a manifest, each with its name and its reason.

use std::fmt;

use thiserror::Error;

/// One file that cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum FileProblem {
    /// The operating system refuses to open or read it.
    #[error("{path}: cannot be read: {reason}")]
    Unreadable {
        /// Relative to the folder.
        path: String,
        /// What the operating system says.
        reason: String,
    },
    /// Its name has no URL.
    #[error("{path}: the name is not UTF-8")]
    NotUtf8 {
        /// Relative to the folder, with replacement characters.
        path: String,
    },
    /// A device, socket, pipe or folder.
    #[error("{path}: is not a regular file")]
    NotAFile {
        /// Relative to the folder.
        path: String,
    },
    /// A link to nothing.
    #[error("{path}: the link leads to nothing")]
    LinkDangles {
        /// Relative to the folder.
        path: String,
    },
    /// A link to a folder above itself.
    #[error("{path}: the link leads in a circle")]
    LinkLoop {
        /// Relative to the folder.
        path: String,
    },
    /// A link out of the folder.
    #[error("{path}: the link leaves the folder")]
    LinkLeaves {
        /// Relative to the folder.
        path: String,
    },
    /// A link, and links are refused.
    #[error("{path}: is a symbolic link")]
    LinkRefused {
        /// Relative to the folder.
        path: String,
    },
    /// A listed file that lies elsewhere.
    #[error("{path}: is not below the folder")]
    Outside {
        /// As listed.
        path: String,
    },
    /// It was written to meanwhile.
    #[error("{path}: changed while it was hashed")]
    Changed {
        /// Relative to the folder.
        path: String,
    },
}

impl FileProblem {
    /// The file's path.
    pub fn path(&self) -> &str {
        match self {
            FileProblem::Unreadable { path, .. }
            | FileProblem::NotUtf8 { path }
            | FileProblem::NotAFile { path }
            | FileProblem::LinkDangles { path }
            | FileProblem::LinkLoop { path }
            | FileProblem::LinkLeaves { path }
            | FileProblem::LinkRefused { path }
            | FileProblem::Outside { path }
            | FileProblem::Changed { path } => path,
        }
    }
}

/// How many problems are named before the rest is counted.
const NAMED: usize = 10;

/// All problems of a folder, as one text: a single one on the same line, several below each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems<P>(pub Vec<P>);

impl<P: fmt::Display> fmt::Display for Problems<P> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = self.0.as_slice() {
            return write!(formatter, "{only}");
        }
        write!(formatter, "{} files:", self.0.len())?;
        for problem in self.0.iter().take(NAMED) {
            write!(formatter, "\n  {problem}")?;
        }
        match self.0.len().saturating_sub(NAMED) {
            0 => Ok(()),
            more => write!(formatter, "\n  and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Problems;

    #[test]
    fn one_is_named_inline_and_many_are_counted() {
        assert_eq!(Problems(vec!["a: x"]).to_string(), "a: x");
        assert_eq!(Problems(vec!["a", "b"]).to_string(), "2 files:\n  a\n  b");
        assert!(Problems(vec!["a"; 12]).to_string().ends_with("\n  and 2 more"));
    }
}
