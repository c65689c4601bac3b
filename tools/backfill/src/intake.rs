//! From flags, file and stdin to a specification.

use std::io::Read;
use std::path::Path;

use crate::cli::SpecArgs;
use crate::error::Error;
use crate::spec::{Draft, Placed, merge_file};

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Wanted {
    /// This.
    Spec(Box<Placed>),
    /// A job recorded earlier, with what flags say about how to run it.
    Recorded { name: String, draft: Box<Draft> },
}

/// Reads what is asked for.
pub(crate) fn read(args: &SpecArgs) -> Result<Wanted, Error> {
    let mut draft = args.draft();
    if let Some(path) = &args.file {
        merge_file(path, &text(path)?, &mut draft)?;
    }
    match &args.name {
        Some(name) if args.file.is_none() && !draft.says_what() => {
            Ok(Wanted::Recorded { name: name.clone(), draft: Box::new(draft) })
        }
        _ => Ok(Wanted::Spec(Box::new(draft.finish()?))),
    }
}

fn text(path: &Path) -> Result<String, Error> {
    let unreadable = |source| Error::SpecUnreadable { path: path.to_owned(), source };
    if path != Path::new("-") {
        return std::fs::read_to_string(path).map_err(unreadable);
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(unreadable)?;
    if text.trim().is_empty() { Err(Error::EmptyStdin) } else { Ok(text) }
}
