//! A program that must not outlive us, whatever becomes of us.
//!
//! What we start is ended when we are done or fail; only `kill -9` leaves us no time. Then the kernel sends it a signal
//! (prctl(2), `PR_SET_PDEATHSIG`), which setpriv(1) of util-linux asks for. It is tied to the thread that started the
//! program: here always the one that waits for it. Where setpriv is missing, an orphan is found by what it holds.

use std::path::PathBuf;
use std::process::Command;

/// SIGQUIT, by which PostgreSQL stops at once.
const LAST: &str = "QUIT";

/// The same command, guarded. Its standard streams and its user must be set after this: they cannot be read back.
pub(crate) fn guarded(command: Command) -> Command {
    let Some(setpriv) = setpriv() else { return command };
    let mut result = Command::new(setpriv);
    result.args(["--pdeathsig", LAST, "--"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => result.env(name, value),
            None => result.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        result.current_dir(folder);
    }
    result
}

fn setpriv() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("setpriv")).find(|program| program.is_file())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::guarded;

    #[test]
    fn the_program_is_the_same_with_all_that_it_was_given() {
        let mut command = Command::new("sh");
        command
            .args(["-c", "echo \"$1 $GUARDED $(pwd)\"", "sh", "a b"])
            .env("GUARDED", "yes")
            .current_dir("/");
        let output = guarded(command).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "a b yes /\n");
    }
}
