//! A server that recovers where nobody else can reach it, and what its log says of the end.
//!
//! Neither the end of `pg_ctl` nor that it takes connections proves anything: a server whose target is never reached
//! takes them until it finds out. So it counts when it has left recovery and its log says where it stopped.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child as Process, Command, Stdio};
use std::time::{Duration, Instant};

use release_common::Stop;
use release_postgres::Database;
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;

use super::folder::{DataFolder, PRIVATE_PREFIX};
use crate::account::Account;
use crate::child;
use crate::cli::Last;
use crate::error::Error;
use crate::programs::Programs;
use crate::server::Server;

/// Between two looks at a server that recovers or stops.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// A fast stop writes a checkpoint of all that was replayed.
const STOP_LIMIT: Duration = Duration::from_secs(300);
/// The postmaster itself kills what is left of its processes after five seconds.
const DROP_LIMIT: Duration = Duration::from_secs(8);
/// A server that says so and still does not answer never will.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// What it says when it takes connections.
const READY: &str = "ready to accept connections";

/// A running server.
#[derive(Debug)]
pub(super) struct Recovering {
    process: Process,
    /// Private: its socket, its rules of access, its log.
    folder: tempfile::TempDir,
    /// A role that exists in it.
    user: String,
}

/// How a recovery ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The target was reached.
    Reached(Facts),
    /// Everything was replayed and nothing was committed after the target; the last position.
    OutOfWal(String),
}

/// What the recovered server tells.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Facts {
    pub(super) in_recovery: bool,
    /// When the last transaction that is in it was committed; none when none was replayed.
    pub(super) last_commit: Option<jiff::Timestamp>,
    pub(super) timeline: u32,
    pub(super) system_id: String,
}

const FACTS: &str =
    "select pg_is_in_recovery() as in_recovery, pg_last_xact_replay_timestamp() as last_commit,
    (select timeline_id from pg_control_checkpoint()) as timeline,
    (select system_identifier::text from pg_control_system()) as system_id";

impl Recovering {
    /// Starts a server on the folder that only we can reach.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start(
        programs: &Programs,
        data: &DataFolder,
        account: Account,
        user: &str,
    ) -> Result<Recovering, Error> {
        let postgres = programs.require("postgres")?;
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::File { path, doing: "making it", source }
        };
        // Below /tmp, since the path of a socket must be short.
        let made = tempfile::Builder::new()
            .prefix(PRIVATE_PREFIX)
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in("/tmp");
        let folder = made.map_err(failed(Path::new("/tmp")))?;
        let log = folder.path().join("log");
        let output = File::create(&log).map_err(failed(&log))?;
        for (name, text) in [("hba", "local all all trust\n"), ("ident", ""), ("conf", "")] {
            let path = folder.path().join(name);
            fs::write(&path, text).map_err(failed(&path))?;
        }
        account.own(folder.path()).map_err(failed(folder.path()))?;
        let mut command = command(&postgres, programs.version().major, data, folder.path());
        account.apply(&mut command);
        command.stdin(Stdio::null()).stdout(output.try_clone().map_err(failed(&log))?).stderr(output);
        let process = command.spawn().map_err(|source| Error::Start { path: postgres, source })?;
        Ok(Recovering { process, folder, user: user.to_owned() })
    }

    /// Waits for the end of recovery, however long it takes.
    ///
    /// # Errors
    /// When the server ends before, or has not stopped where it was told to.
    pub(super) async fn finish(&mut self, stop: &mut Stop) -> Result<End, Error> {
        let database = self.database()?;
        let mut ready_since = None;
        loop {
            if let Some(signal) = stop.requested() {
                return Err(Error::Stopped(signal));
            }
            if !matches!(self.process.try_wait(), Ok(None)) {
                return out_of_wal(&self.log()).map(End::OutOfWal).ok_or_else(|| self.failure());
            }
            if let Ok(mut server) = Server::connect(database.clone()).await
                && let Ok(found) = server.read::<Facts>("asking whether it recovers", FACTS).await
                && let Some(facts) = found.into_iter().find(|facts| !facts.in_recovery)
            {
                return if has_stopped_at_target(&self.log()) {
                    Ok(End::Reached(facts))
                } else {
                    Err(self.failure())
                };
            }
            if self.log().contains(READY)
                && ready_since.get_or_insert_with(Instant::now).elapsed() > ANSWER_LIMIT
            {
                return Err(self.failure());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Stops it cleanly, so that it can be started by anybody.
    ///
    /// # Errors
    /// When it does not stop, or not cleanly.
    pub(super) async fn stop(mut self) -> Result<(), Error> {
        self.signal(Signal::INT);
        let deadline = Instant::now() + STOP_LIMIT;
        loop {
            match self.process.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(None) if Instant::now() < deadline => tokio::time::sleep(LOOK_AGAIN).await,
                _ => return Err(self.failure()),
            }
        }
    }

    fn database(&self) -> Result<Database, Error> {
        let (host, user) = (escaped(&self.folder.path().to_string_lossy()), escaped(&self.user));
        let address = format!("postgres:///template1?host={host}&port=5432&user={user}&sslmode=disable");
        Database::from_dsn(&address, "pg-backup").map_err(|source| Error::Address(Box::new(source)))
    }

    fn log(&self) -> String {
        let bytes = fs::read(self.folder.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn failure(&self) -> Error {
        let log = self.log();
        Error::Failed {
            what: format!("the recovery failed: {}", last_words(&log)),
            reason: if log.contains("recovery ended before") { "target_not_reached" } else { "recovery" },
            hint: "the folder is half-restored: the same command begins anew in it".to_owned(),
        }
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw);
        // One that has ended takes none.
        let _ = pid.map(|pid| kill_process(pid, signal));
    }
}

impl Drop for Recovering {
    fn drop(&mut self) {
        if !matches!(self.process.try_wait(), Ok(None)) {
            return;
        }
        self.signal(Signal::QUIT);
        let deadline = Instant::now() + DROP_LIMIT;
        while matches!(self.process.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                let _ = self.process.kill();
                let _ = self.process.wait();
                return;
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }
}

/// A word of an address.
fn escaped(word: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    word.bytes().map(escape).collect()
}

/// What must not come from the backup: where it listens, whom it lets in, where it logs, what it archives.
const FIXED: [(&str, &str); 13] = [
    ("listen_addresses", ""),
    ("port", "5432"),
    ("unix_socket_permissions", "0700"),
    ("external_pid_file", ""),
    ("ssl", "off"),
    ("logging_collector", "off"),
    ("log_destination", "stderr"),
    ("log_min_messages", "warning"),
    ("log_line_prefix", ""),
    ("lc_messages", "C"),
    // Nobody may look at half of it, and without readers no limits of the source need to be met.
    ("hot_standby", "off"),
    // It archives nothing, yet notes what there is to archive: without the history of its timeline, which is made
    // now, nothing that it ever archives could be restored.
    ("archive_mode", "on"),
    ("archive_command", ""),
];

/// The server with settings that beat those of the backup.
fn command(postgres: &Path, major: u32, data: &DataFolder, private: &Path) -> Command {
    let mut command = child::bound(postgres, Last::Quit);
    command.arg("-D").arg(data.path());
    let path = |name: &str| private.join(name).display().to_string();
    let mut settings: Vec<(&str, String)> = vec![
        ("data_directory", data.path().display().to_string()),
        ("hba_file", path("hba")),
        ("ident_file", path("ident")),
        ("unix_socket_directories", private.display().to_string()),
    ];
    if !data.has("postgresql.conf") {
        // Debian keeps it elsewhere.
        settings.push(("config_file", path("conf")));
    }
    if major >= 15 {
        settings.push(("archive_library", String::new()));
    }
    settings.extend(FIXED.into_iter().map(|(name, value)| (name, value.to_owned())));
    for (name, value) in settings {
        command.arg("-c").arg(format!("{name}={value}"));
    }
    // It needs our environment: restore_command finds the keys of the store in it. The terminal's signals are for us.
    command.env_remove("PGDATA").current_dir(private);
    command.process_group(0);
    command
}

/// Whether PostgreSQL stopped because of its target, in the words of `xlogrecovery.c`.
fn has_stopped_at_target(log: &str) -> bool {
    log.lines()
        .any(|line| line.contains("recovery stopping before") || line.contains("recovery stopping after"))
}

/// Where replay ended when all WAL was used up before the target: `redo done at 0/3000060 system usage: ...`.
fn out_of_wal(log: &str) -> Option<String> {
    if !log.contains("recovery ended before configured recovery target was reached") {
        return None;
    }
    let done = log.lines().rev().find_map(|line| line.split_once("redo done at ")).map(|(_, rest)| rest);
    done.and_then(|rest| rest.split_whitespace().next()).map(str::to_owned)
}

/// What says most: the first line that names a fatal reason, with what our own command said before it; else the last.
fn last_words(log: &str) -> String {
    let said = |words: &str| log.lines().find(|line| line.contains(words)).map(str::trim);
    let own = log.lines().rev().find(|line| line.starts_with("error: ")).map(str::trim);
    let fatal = said("FATAL:").or_else(|| said("PANIC:"));
    match (fatal, own) {
        (Some(fatal), Some(own)) => format!("{fatal} ({own})"),
        (Some(line), None) | (None, Some(line)) => line.to_owned(),
        (None, None) => {
            let last = log.lines().rev().find(|line| !line.trim().is_empty());
            last.unwrap_or("the server said nothing").trim().to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{has_stopped_at_target, last_words, out_of_wal};

    const LATE: &str = "LOG:  starting point-in-time recovery to 2026-11-24 12:00:00+00\nLOG:  redo starts at 0/2000028\n\
        LOG:  redo done at 0/50000D8 system usage: CPU: user: 0.00 s\nLOG:  last completed transaction was at log time x\n\
        FATAL:  recovery ended before configured recovery target was reached\nLOG:  startup process (PID 1) exited\n";

    #[test]
    fn the_end_of_the_wal_is_told_with_its_position() {
        assert_eq!(out_of_wal(LATE).as_deref(), Some("0/50000D8"));
        assert!(!has_stopped_at_target(LATE));
        let stopped = "LOG:  recovery stopping before commit of transaction 735, time 2026-11-24 12:00:00+00\nLOG:  redo done at 0/50000D8 x\n";
        assert_eq!(out_of_wal(stopped), None);
        assert!(has_stopped_at_target(stopped));
    }

    #[test]
    fn the_reason_is_the_fatal_line_and_what_our_command_said() {
        assert_eq!(last_words(LATE), "FATAL:  recovery ended before configured recovery target was reached");
        let aborted = "error: s3://b: the store cannot be reached\nFATAL:  could not restore file\nLOG:  shutting down\n";
        assert_eq!(
            last_words(aborted),
            "FATAL:  could not restore file (error: s3://b: the store cannot be reached)"
        );
        assert_eq!(last_words("\n"), "the server said nothing");
    }
}
