//! `--generate man|bash|zsh|fish`: the manual page and shell completions from the command line's one definition.
//!
//! The flag stands first, before anything is parsed, because the tool's own required arguments would be missing.
//! `--generate man SUBCOMMAND` prints the page of a subcommand.

use std::ffi::OsString;
use std::io::{self, Write};

use clap::Command;
use clap_complete::{Shell, generate};
use clap_mangen::Man;

/// What to generate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// The page of the tool, or of one of its subcommands.
    Man(Option<String>),
    /// The completions of a shell.
    Completions(Shell),
    /// Something else, as it was typed.
    Unknown(String),
}

/// The request that `arguments`, program name first, make; `None` for an ordinary run.
pub(crate) fn requested(arguments: &[OsString]) -> Option<Request> {
    let words: Vec<&str> = arguments.iter().skip(1).map_while(|word| word.to_str()).collect();
    let (kind, rest) = match words.as_slice() {
        ["--generate"] => ("", [].as_slice()),
        ["--generate", kind, rest @ ..] => (*kind, rest),
        [first, rest @ ..] => (first.strip_prefix("--generate=")?, rest),
        [] => return None,
    };
    Some(match kind {
        "man" => Request::Man(rest.first().map(|name| (*name).to_owned())),
        "bash" => Request::Completions(Shell::Bash),
        "zsh" => Request::Completions(Shell::Zsh),
        "fish" => Request::Completions(Shell::Fish),
        other => Request::Unknown(other.to_owned()),
    })
}

/// Writes the page or the completions; `Ok(false)` when the request names nothing that can be generated.
pub(crate) fn write(request: Request, mut command: Command, out: &mut dyn Write) -> io::Result<bool> {
    let name = command.get_name().to_owned();
    match request {
        Request::Man(None) => Man::new(command).render(out)?,
        Request::Man(Some(subcommand)) => {
            command.build();
            let Some(found) = command.find_subcommand(&subcommand) else {
                return Ok(false);
            };
            let page = found.clone().name(format!("{name}-{subcommand}"));
            Man::new(page).render(out)?;
        }
        Request::Completions(shell) => {
            // The generator panics when its writer fails, and memory does not.
            let mut script = Vec::new();
            generate(shell, &mut command, name, &mut script);
            out.write_all(&script)?;
        }
        Request::Unknown(_) => return Ok(false),
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::{Request, Shell, requested};

    fn check(words: &[&str], expected: Option<Request>) {
        let arguments: Vec<_> = ["tool"].iter().chain(words).map(Into::into).collect();
        assert_eq!(requested(&arguments), expected, "{words:?}");
    }

    #[test]
    fn only_a_leading_flag_is_a_request() {
        check(&["--generate", "man"], Some(Request::Man(None)));
        check(&["--generate=man", "inject"], Some(Request::Man(Some("inject".into()))));
        check(&["--generate", "fish"], Some(Request::Completions(Shell::Fish)));
        check(&["--generate", "pdf"], Some(Request::Unknown("pdf".into())));
        check(&["--generate"], Some(Request::Unknown(String::new())));
        check(&["dist", "--generate", "man"], None);
        check(&[], None);
    }
}
