//! Every byte of a small backup, damaged in turn.
//!
//! In one process, so that thousands of verifications take minutes and not hours; hence within the crate.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use clap::Parser;
use release_common::{CommonArgs, Console, Context, Outcome, Shutdown, SystemClock};
use testbed::{Postgres, PostgresOptions};

use crate::{Cli, Error, run};

/// The bound: below it every byte is tried.
const SMALL: usize = 20 << 10;

/// What a run writes to stdout.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Runs a command line in this process; what it says, without the messages.
fn command(arguments: &[&str]) -> (Result<Outcome, Error>, String) {
    let cli = Cli::try_parse_from([&["pg-backup", "--quiet"], arguments].concat()).unwrap();
    let written = Written::default();
    let console = Console::new(&CommonArgs::default());
    let mut context =
        Context::new(Box::new(written.clone()), console, Arc::new(SystemClock), Shutdown::manual());
    let result = run(cli, &mut context);
    let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    (result, text)
}

/// In memory, where there is such a folder: each verification stores evidence, and each writing waits for the disk.
fn quick_folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    tempfile::tempdir_in(parent).unwrap()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// A backup of a database that is as small as one gets: its store, its id, its files.
fn small_backup() -> (tempfile::TempDir, String, Vec<PathBuf>) {
    let postgres = Postgres::start(&PostgresOptions::default()).unwrap();
    let url = postgres.create_database("erp").unwrap();
    postgres
        .sql("erp", "create table a (id int primary key, b text); insert into a values (1, 'x')")
        .unwrap();
    let store = quick_folder();
    let address = store.path().join("address");
    fs::write(&address, url).unwrap();
    let (shelf, address) = (store.path().join("store"), address.display().to_string());
    let shelf = shelf.display().to_string();
    let (made, id) = command(&["create", "--print-id", "--store", &shelf, "--database-url-file", &address]);
    assert_eq!(made.unwrap(), Outcome::Good);
    let id = id.trim().to_owned();
    let files =
        files_below(Path::new(&shelf)).into_iter().filter(|path| path.to_string_lossy().contains(&id));
    let files = files.collect();
    (store, id, files)
}

/// Damages each byte in turn and has it verified.
#[track_caller]
fn check(level: &str) {
    let (store, id, files) = small_backup();
    let shelf = store.path().join("store").display().to_string();
    let verify = || command(&["verify", &id, "--level", level, "--store", &shelf]).0;
    let sizes: usize = files.iter().map(|path| fs::read(path).unwrap().len()).sum();
    assert!(files.len() == 6 && sizes < SMALL, "{} files with {sizes} bytes", files.len());
    assert_eq!(verify().unwrap(), Outcome::Good, "before any damage");
    for path in &files {
        let good = fs::read(path).unwrap();
        for index in 0..good.len() {
            let mut damaged = good.clone();
            damaged[index] ^= 1 << (index % 8);
            fs::write(path, &damaged).unwrap();
            let found = verify();
            assert!(matches!(found, Ok(Outcome::Bad)), "{}, byte {index}: {found:?}", path.display());
        }
        fs::write(path, &good).unwrap();
    }
    assert_eq!(verify().unwrap(), Outcome::Good, "after all damage was undone");
}

#[test]
fn each_flipped_byte_makes_a_backup_bad_by_its_checksum() {
    check("checksum");
}

#[test]
fn each_flipped_byte_makes_a_backup_bad_by_decoding() {
    check("decode");
}
