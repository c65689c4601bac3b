//! What a server is told so that it recovers to a moment: lines of `postgresql.auto.conf`, which beat all other files.
//!
//! No secret is among them: `restore_command` names the store and the file of the identity, and gets keys from the
//! environment of the server, as everything of ours does.

use std::path::PathBuf;

use jiff::Timestamp;

use crate::wal_record::WalPlace;

/// Our lines stand between these two, so that they can be taken out again.
const BEGIN: &str = "# pg-backup: these lines are for the restore";
const END: &str = "# pg-backup: end";

/// Where to stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Before the first commit after this moment.
    Time(Timestamp),
    /// After this position, which is the end of the WAL when nothing was committed after the moment.
    Lsn(String),
}

/// How WAL is fetched and where replay stops.
#[derive(Clone, Debug)]
pub(super) struct Recovery {
    /// This program.
    pub(super) program: PathBuf,
    /// The store's address, absolute.
    pub(super) store: String,
    /// Seconds to go on trying.
    pub(super) timeout_s: u64,
    pub(super) place: WalPlace,
    /// Files of identities, absolute.
    pub(super) identities: Vec<PathBuf>,
    pub(super) timeline: u32,
    pub(super) target: Target,
}

impl Recovery {
    /// The file's text with our lines at its end.
    pub(super) fn add_to(&self, text: &str) -> String {
        let (name, value) = match &self.target {
            Target::Time(time) => {
                ("recovery_target_time", time.strftime("%Y-%m-%d %H:%M:%S%.6f+00").to_string())
            }
            Target::Lsn(lsn) => ("recovery_target_lsn", lsn.clone()),
        };
        let settings = [
            ("restore_command", self.restore_command()),
            (name, value),
            ("recovery_target_inclusive", "on".to_owned()),
            ("recovery_target_timeline", self.timeline.to_string()),
            ("recovery_target_action", "promote".to_owned()),
            ("primary_conninfo", String::new()),
        ];
        let mut result = format!("{}{BEGIN}\n", without(text));
        // Every kind of target is set: the source may have had another, and two are refused.
        let kinds = ["recovery_target", "recovery_target_name", "recovery_target_xid"];
        let others = ["recovery_target_time", "recovery_target_lsn"].into_iter().filter(|kind| *kind != name);
        for other in kinds.into_iter().chain(others) {
            result.push_str(&format!("{other} = ''\n"));
        }
        for (name, value) in settings {
            result.push_str(&format!("{name} = {}\n", quoted(&value)));
        }
        result.push_str(&format!("archive_mode = off\n{END}\n"));
        result
    }

    fn restore_command(&self) -> String {
        let mut words = vec![
            self.program.display().to_string(),
            "wal-fetch".to_owned(),
            "--store".to_owned(),
            self.store.clone(),
            "--cluster".to_owned(),
            self.place.cluster.to_string(),
            "--system-id".to_owned(),
            self.place.system_id.clone(),
            "--timeout".to_owned(),
            format!("{}s", self.timeout_s),
        ];
        for identity in &self.identities {
            words.extend(["--identity".to_owned(), identity.display().to_string()]);
        }
        let words: Vec<_> = words.iter().map(|word| word_of_shell(word)).collect();
        format!("{} \"%f\" \"%p\"", words.join(" "))
    }
}

/// The file's text once the restore is done: WAL of the restored server must not get into the store unasked.
pub(super) fn after(text: &str) -> String {
    format!(
        "{}# pg-backup: restored; remove this line when this server is to archive again\narchive_mode = off\n",
        without(text)
    )
}

/// The text without our lines.
fn without(text: &str) -> String {
    let mut is_ours = false;
    let mut result = String::new();
    for line in text.lines() {
        match line {
            BEGIN => is_ours = true,
            END if is_ours => is_ours = false,
            _ if is_ours => {}
            _ => result.push_str(&format!("{line}\n")),
        }
    }
    result
}

/// A word that a POSIX shell reads as it is, after PostgreSQL has put names for `%` and a letter.
fn word_of_shell(word: &str) -> String {
    let word = word.replace('%', "%%");
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "/._:=@+-".contains(character);
    if !word.is_empty() && word.chars().all(is_plain) {
        word
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// A value of a configuration file.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::{Recovery, Target, after, without};
    use crate::wal_record::WalPlace;

    fn recovery(store: &str) -> Recovery {
        Recovery {
            program: "/opt/it's/pg-backup".into(),
            store: store.to_owned(),
            timeout_s: 60,
            place: WalPlace { cluster: "erp".parse().unwrap(), system_id: "7".to_owned() },
            identities: vec!["/etc/key file".into()],
            timeline: 2,
            target: Target::Time("2026-11-24T02:59:00.1234567+09:00".parse().unwrap()),
        }
    }

    #[test]
    fn the_command_is_one_that_shell_and_postgres_read_as_it_is_meant() {
        let text = recovery("s3://b/100%").add_to("");
        let expected = "restore_command = '''/opt/it''\\\\''''s/pg-backup'' wal-fetch --store ''s3://b/100%%'' \
            --cluster erp --system-id 7 --timeout 60s --identity ''/etc/key file'' \"%f\" \"%p\"'\n";
        assert!(text.contains(expected), "{text}");
        assert!(text.contains("recovery_target_time = '2026-11-23 17:59:00.123456+00'\n"), "{text}");
        assert!(text.contains("recovery_target_lsn = ''\n"), "{text}");
        assert!(text.contains("archive_mode = off\n"), "{text}");
    }

    #[test]
    fn our_lines_are_written_once_and_taken_out_again() {
        let own = "# Do not edit\nwork_mem = '64MB'\n";
        let once = recovery("/srv").add_to(own);
        assert_eq!(recovery("/srv").add_to(&once), once);
        assert_eq!(without(&once), own);
        let restored = after(&once);
        assert!(restored.starts_with(own) && restored.ends_with("archive_mode = off\n"), "{restored}");
        assert!(!restored.contains("restore_command"), "{restored}");
    }

    #[test]
    fn only_one_target_is_set() {
        let text = Recovery { target: Target::Lsn("0/3000060".to_owned()), ..recovery("/srv") }.add_to("");
        assert!(text.contains("recovery_target_lsn = '0/3000060'\n"), "{text}");
        assert!(text.contains("recovery_target_time = ''\n"), "{text}");
    }
}
