//! How the scratch cluster is set up: quick, forgetful, and for nobody else.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use super::file_error;
use crate::error::Error;

/// Sessions besides those of the jobs: ours, `pg_dump`, `pg_amcheck`, and a few to look on.
const OTHER_SESSIONS: u64 = 16;

/// How much the cluster must hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Tables of the backup: `pg_dump` locks them all in one transaction.
    pub(crate) tables: u64,
    /// Jobs of `pg_restore`.
    pub(crate) jobs: u8,
}

/// Adds the settings to those of `initdb`; of two lines for one name the later holds.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn write(folder: &Path, socket: &Path, size: Size) -> Result<(), Error> {
    let path = folder.join("data/postgresql.conf");
    let lines = lines(&socket.to_string_lossy(), size);
    let written =
        OpenOptions::new().append(true).open(&path).and_then(|mut file| file.write_all(lines.as_bytes()));
    written.map_err(file_error(&path, "writing it"))
}

fn lines(socket: &str, size: Size) -> String {
    let connections = OTHER_SESSIONS + 2 * u64::from(size.jobs);
    // A table, its sequence, its indexes and its TOAST table each take a lock.
    let locks = 64 + size.tables.saturating_mul(6) / connections;
    format!(
        "listen_addresses = ''\nport = 5432\nunix_socket_directories = '{}'\nunix_socket_permissions = 0700\n\
         fsync = off\nsynchronous_commit = off\nfull_page_writes = off\nwal_level = minimal\nmax_wal_senders = 0\n\
         archive_mode = off\nmax_wal_size = '4GB'\ncheckpoint_timeout = '1h'\nautovacuum = off\n\
         maintenance_work_mem = '256MB'\nlc_messages = 'C'\nlogging_collector = off\n\
         max_connections = {connections}\nmax_locks_per_transaction = {locks}\n",
        socket.replace('\'', "''")
    )
}

/// A text within an address.
pub(super) fn escaped(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    text.bytes()
        .map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Size, escaped, lines};

    #[test]
    fn many_tables_get_many_locks_and_nobody_listens() {
        let text = lines("/tmp/it's", Size { tables: 100_000, jobs: 2 });
        let locks = text.lines().find_map(|line| line.strip_prefix("max_locks_per_transaction = ")).unwrap();
        assert!(locks.parse::<u64>().unwrap() * 20 > 500_000, "{locks}");
        assert!(text.contains("listen_addresses = ''\n"));
        assert!(text.contains("unix_socket_directories = '/tmp/it''s'\n"));
    }

    #[test]
    fn a_name_in_an_address_is_read_back() {
        assert_eq!(escaped("we\"ird/na%me"), "we%22ird%2Fna%25me");
    }
}
