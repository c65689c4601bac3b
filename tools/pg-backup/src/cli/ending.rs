//! The number that a run ends with when PostgreSQL reads it as the end of `restore_command`.
//!
//! PostgreSQL takes 1 to 125 for "there is no such file", which is how it knows the end of the WAL: it then stops to
//! recover and becomes a primary (`RestoreArchivedFile` of its `xlogarchive.c`). A wrong flag or a network that is down
//! would so lose every transaction after them without a word. What is above 125 stops the recovery instead; and 143, as
//! a shell reports SIGTERM, is taken for an orderly shutdown. So everything but the answer itself lies above 200.

use std::ffi::OsString;

use release_common::{Ending, Exit};

/// The commands that scripts read by the house table. Whatever else begins like a command for WAL is `wal-fetch`,
/// rightly spelled or not: a typing error must not promote a server.
const HOUSE: [&str; 3] = ["wal-push", "wal-receive", "wal-check"];
/// What every command for WAL begins with.
const PREFIX: &str = "wal";

/// What `ending` is called for the command that the arguments name.
pub(super) fn code(ending: Ending, arguments: &[OsString], commands: &[String]) -> u8 {
    if is_fetch(arguments, commands) { fetch_code(ending) } else { ending.code() }
}

/// Whether the first word that could be a command is `wal-fetch`: the arguments may be ones that cannot be parsed.
fn is_fetch(arguments: &[OsString], commands: &[String]) -> bool {
    let words = arguments.iter().skip(1).filter_map(|argument| argument.to_str());
    let command = words
        .into_iter()
        .find(|word| word.starts_with(PREFIX) || commands.iter().any(|command| command == word));
    command.is_some_and(|word| word.starts_with(PREFIX) && !HOUSE.contains(&word))
}

/// 200 and the code of the house table, whose hundreds are left out; 75, for which there is no room, becomes 7.
const fn fetch_code(ending: Ending) -> u8 {
    match ending {
        Ending::Exit(Exit::Good) => 0,
        Ending::Exit(Exit::Bad) => 1,
        Ending::Panic => 201,
        Ending::Exit(Exit::NotStarted) => 202,
        Ending::Exit(Exit::Failed) => 203,
        Ending::Exit(Exit::Temporary) => 207,
        Ending::Exit(Exit::Interrupted) => 230,
        Ending::Exit(Exit::Terminated) => 243,
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use release_common::{Ending, Exit};

    use super::code;

    const EVERY: [Ending; 8] = [
        Ending::Exit(Exit::Good),
        Ending::Exit(Exit::Bad),
        Ending::Exit(Exit::NotStarted),
        Ending::Exit(Exit::Failed),
        Ending::Exit(Exit::Temporary),
        Ending::Exit(Exit::Interrupted),
        Ending::Exit(Exit::Terminated),
        Ending::Panic,
    ];

    fn codes(line: &str) -> Vec<u8> {
        let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let commands = ["show".to_owned(), "wal-fetch".to_owned(), "wal-push".to_owned()];
        EVERY.into_iter().map(|ending| code(ending, &arguments, &commands)).collect()
    }

    #[test]
    fn every_end_of_wal_fetch_but_an_answer_stops_a_recovery() {
        let expected = [0, 1, 202, 203, 207, 230, 243, 201];
        for line in [
            "pg-backup wal-fetch 00000002.history x",
            "pg-backup --config slipway.toml wal-fetch --no-such-flag",
            "pg-backup -v wal-fetch show x",
            "pg-backup wal-fetsch a b",
            "pg-backup walfetch",
        ] {
            assert_eq!(codes(line), expected, "{line}");
        }
        assert!(expected[2..].iter().all(|code| *code >= 200));
    }

    #[test]
    fn other_commands_follow_the_house_table() {
        for line in [
            "pg-backup",
            "pg-backup wal-push wal-fetch",
            "pg-backup show wal-fetch",
            "pg-backup -v wal-check",
        ] {
            assert_eq!(codes(line), [0, 1, 2, 3, 75, 130, 143, 101], "{line}");
        }
    }
}
