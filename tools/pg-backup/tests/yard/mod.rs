//! Where the tests of WAL stand: a real server that archives by the real binary, and a store that its user can reach.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    reason = "a helper that fails, fails its test; no test uses all of them"
)]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use testbed::{DataFolder, Postgres, PostgresOptions};

use crate::ground::{Done, Shelf, binary, done};

/// A server that archives, and its store.
pub(crate) struct Yard {
    pub(crate) postgres: Postgres,
    pub(crate) shelf: Shelf,
    pub(crate) program: PathBuf,
    /// For files of the test that the server's user reads.
    pub(crate) folder: DataFolder,
}

impl Yard {
    /// A server that archives into `shelf`, whose `wal-push` gets these flags too.
    pub(crate) fn over(shelf: Shelf, push_flags: &str) -> Yard {
        let mut options = PostgresOptions::default().set("archive_mode", "on").set("wal_level", "replica");
        options = options.set("archive_command", "false").env("PG_BACKUP_STORE", shelf.address());
        for (name, value) in shelf.environment() {
            options = options.env(name, value);
        }
        let postgres = Postgres::start(&options).unwrap();
        postgres.create_database("erp").unwrap();
        let program = postgres.lend(&binary()).unwrap();
        let yard = Yard { postgres, shelf, program, folder: DataFolder::make().unwrap() };
        yard.archive_by(&format!("{} wal-push %p {push_flags}", yard.program.display()));
        yard
    }

    /// Sets `archive_command`.
    pub(crate) fn archive_by(&self, command: &str) {
        let command = command.replace('\'', "''");
        self.sql(&format!("alter system set archive_command = '{command}'"));
        self.sql("select pg_reload_conf()");
    }

    pub(crate) fn sql(&self, sql: &str) -> String {
        self.postgres.sql("erp", sql).unwrap()
    }

    /// The server's time, and nothing that is committed later has the same.
    pub(crate) fn now(&self) -> String {
        let text = "to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')";
        self.sql(&format!("select {text} from pg_sleep(0.01)"))
    }

    /// Ends the current segment and waits until it is archived; its name.
    pub(crate) fn archive(&self) -> String {
        let segment = self.sql("select pg_walfile_name(pg_current_wal_insert_lsn())");
        self.sql("create table if not exists filler(); drop table filler; select pg_switch_wal()");
        self.sql(&format!(
            "do $$ begin
               for attempt in 1..1200 loop
                 perform pg_stat_clear_snapshot();
                 if (select last_archived_wal >= '{segment}' from pg_stat_archiver) then return; end if;
                 perform pg_sleep(0.05);
               end loop;
               raise 'not archived';
             end $$"
        ));
        segment
    }

    pub(crate) fn system_id(&self) -> String {
        self.sql("select system_identifier from pg_control_system()")
    }

    /// The binary as the server's user.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = self.postgres.command(&self.program);
        command.args(arguments).stdin(Stdio::null());
        command.env("DATABASE_URL", self.postgres.url("erp")).env("PG_BACKUP_STORE", self.shelf.address());
        command.envs(self.shelf.environment());
        command
    }

    #[track_caller]
    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Done {
        done(&mut self.command(arguments))
    }

    /// Makes a base backup; its id.
    #[track_caller]
    pub(crate) fn base(&self, flags: &[&str]) -> String {
        let arguments = [&["base", "--fast", "--print-id"], flags].concat();
        self.run(&arguments).expect(0).stdout.trim().to_owned()
    }

    /// A file that the server's user can read.
    pub(crate) fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let owner = self.folder.owner().unwrap();
        std::os::unix::fs::chown(&path, Some(owner), None).unwrap();
        path
    }
}

/// A pair of keys of age: the public one, and the text of a file with the secret one.
pub(crate) fn keys() -> (String, String) {
    use age::secrecy::ExposeSecret;
    let identity = age::x25519::Identity::generate();
    (identity.to_public().to_string(), format!("{}\n", identity.to_string().expose_secret()))
}

/// Starts what was restored to the folder, and asks it.
pub(crate) fn ask(folder: DataFolder, sql: &str) -> (Postgres, String) {
    let postgres = Postgres::adopt(folder, &PostgresOptions::default()).unwrap();
    let answer = postgres.sql("erp", sql).unwrap();
    (postgres, answer)
}

/// The last lines of a server's log, for messages.
pub(crate) fn shown(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
