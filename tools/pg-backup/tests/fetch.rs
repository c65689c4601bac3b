//! `wal-fetch`: the one number that promotes a server is said only when it is true.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails, fails its test"
)]

mod ground;
mod yard;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use ground::Shelf;
use testbed::{DataFolder, Fault, FaultProxy, Postgres, PostgresOptions, Rule};
use yard::{Yard, keys};

/// A server with three segments in its store, of which the last is returned.
fn archived(store: Shelf) -> (Yard, [String; 3]) {
    let yard = Yard::over(store, "");
    let segments = [yard.archive(), yard.archive(), yard.archive()];
    (yard, segments)
}

/// Where a fetched file would lie.
fn target(yard: &Yard) -> PathBuf {
    yard.folder.path().join("RECOVERYXLOG")
}

fn fetch(yard: &Yard, name: &str, flags: &[&str]) -> Command {
    let target = target(yard).display().to_string();
    let _ = std::fs::remove_file(&target);
    let patience: &[&str] = if flags.contains(&"--timeout") { &[] } else { &["--timeout", "1s"] };
    yard.command(&[&["wal-fetch", name, &target], patience, flags].concat())
}

/// Runs it; where it brings nothing, nothing lies where the file would.
#[track_caller]
fn check(yard: &Yard, command: &mut Command, code: i32, says: &str) {
    let done = ground::done(command).expect(code);
    assert!(done.stderr.contains(says), "{}", done.stderr);
    assert_eq!(target(yard).exists(), code == 0);
    let left = std::fs::read_dir(yard.folder.path()).unwrap().flatten();
    assert!(
        !left.into_iter().any(|entry| entry.file_name().to_string_lossy().ends_with(".pg-backup")),
        "{}",
        done.stderr
    );
}

fn after(segment: &str, count: u64) -> String {
    format!("{:024X}", u128::from_str_radix(segment, 16).unwrap() + u128::from(count))
}

#[test]
fn what_is_stored_comes_and_the_end_is_told_only_where_it_is() {
    let (yard, [first, second, third]) = archived(Shelf::s3());
    check(&yard, &mut fetch(&yard, &first, &[]), 0, "");
    assert_eq!(std::fs::metadata(target(&yard)).unwrap().len(), 16 << 20);
    // A program that knows nothing of us reads it to its end.
    let named = yard.folder.path().join(&first);
    std::fs::rename(target(&yard), &named).unwrap();
    let mut waldump = yard.postgres.command(yard.postgres.program("pg_waldump"));
    let read = ground::done(waldump.arg("--stats").arg(&named)).expect(0);
    assert!(read.stdout.contains("XLOG"), "{}", read.stdout);
    check(&yard, &mut fetch(&yard, &after(&third, 1), &[]), 1, "");
    check(&yard, &mut fetch(&yard, "00000002.history", &[]), 1, "");
    for object in yard.shelf.named(&second) {
        std::fs::remove_file(object).unwrap();
    }
    check(&yard, &mut fetch(&yard, &second, &[]), 203, "is missing, and later WAL is there");
}

#[test]
fn a_mistake_in_the_command_is_not_the_end() {
    let (yard, [first, ..]) = archived(Shelf::s3());
    let end = after(&first, 9);
    check(&yard, &mut yard.command(&["wal-fetch"]), 202, "required arguments");
    check(&yard, &mut yard.command(&["wal-fetsch", &first, "x"]), 202, "unrecognized subcommand");
    check(&yard, &mut fetch(&yard, &first, &["--no-such-flag"]), 202, "--no-such-flag");
    check(&yard, &mut fetch(&yard, &end, &["--config", "/absent/slipway.toml"]), 202, "slipway.toml");
    check(&yard, &mut fetch(&yard, "nonsense", &[]), 202, "is no file of WAL");
    check(&yard, &mut fetch(&yard, &end, &["--store", "s3://absent/backups"]), 202, "no such bucket");
    check(&yard, &mut fetch(&yard, &end, &["--store", "s3://backups/elsewhere"]), 202, "holds no");
    check(&yard, &mut fetch(&yard, &end, &["--store", "/absent/folder"]), 202, "no such folder");
    let named = ["--store", "s3://backups/elsewhere", "--cluster", "erp", "--system-id", "1"];
    check(&yard, &mut fetch(&yard, &end, &named), 202, "is no store of pg-backup");
    check(
        &yard,
        &mut fetch(&yard, &end, &["--cluster", "other", "--system-id", "1"]),
        202,
        "holds no WAL of other, 1",
    );
    check(&yard, &mut fetch(&yard, "00000002.history", &["--system-id", "1"]), 202, "holds no WAL");
    let mut denied = fetch(&yard, &end, &[]);
    check(&yard, denied.env("AWS_SECRET_ACCESS_KEY", "wrong"), 202, "refuses these keys");
}

#[test]
fn a_store_that_does_not_answer_is_not_the_end() {
    let (yard, [first, ..]) = archived(Shelf::s3());
    let server = yard.shelf.server();
    let end = after(&first, 9);
    // A port that was free a moment ago.
    let closed = FaultProxy::start(&server.endpoint()).unwrap().endpoint();
    check(&yard, fetch(&yard, &end, &[]).env("AWS_ENDPOINT", closed), 207, "cannot be reached");
    for fault in [Fault::Stall, Fault::Status(500), Fault::SlowDown, Fault::Reset] {
        let proxy = FaultProxy::start(&server.endpoint()).unwrap();
        proxy.add(Rule::new(fault).always());
        check(&yard, fetch(&yard, &end, &[]).env("AWS_ENDPOINT", proxy.endpoint()), 207, "cannot be reached");
        assert!(proxy.faults() > 0);
    }
    // The end is looked for in a listing, which must be whole.
    let proxy = FaultProxy::start(&server.endpoint()).unwrap();
    proxy.add(Rule::new(Fault::Status(500)).query("list-type=2").always());
    let named = ["--cluster", &yard.system_id(), "--system-id", &yard.system_id()];
    check(&yard, fetch(&yard, &end, &named).env("AWS_ENDPOINT", proxy.endpoint()), 207, "cannot be reached");
}

#[test]
fn a_signal_and_a_bug_are_not_the_end() {
    let (yard, [first, ..]) = archived(Shelf::s3());
    let server = yard.shelf.server();
    check(&yard, fetch(&yard, &first, &[]).env("SLIPWAY_FAULT", "fetch=panic"), 201, "panicked");
    for (signal, code) in [(testbed::Signal::TERM, 243), (testbed::Signal::INT, 230)] {
        let proxy = FaultProxy::start(&server.endpoint()).unwrap();
        proxy.add(Rule::new(Fault::Stall).always());
        let mut command = fetch(&yard, &first, &["--timeout", "60s"]);
        let child = command.env("AWS_ENDPOINT", proxy.endpoint()).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap();
        assert!(proxy.wait_for_faults(1, Duration::from_secs(30)));
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code));
    }
}

#[test]
fn a_damaged_segment_is_told_and_brings_nothing() {
    let (recipient, identity) = keys();
    for encrypted in [false, true] {
        let flags = if encrypted { format!("--recipient {recipient}") } else { String::new() };
        let yard = Yard::over(Shelf::folder(), &flags);
        let [first, second] = [yard.archive(), yard.archive()];
        let identity = yard.file("key", identity.as_bytes()).display().to_string();
        let flags: &[&str] = if encrypted { &["--identity", &identity] } else { &[] };
        if encrypted {
            check(&yard, &mut fetch(&yard, &first, &[]), 202, "no identity is given");
        }
        check(&yard, &mut fetch(&yard, &first, flags), 0, "");
        let data =
            yard.shelf.named(&first).into_iter().find(|path| path.extension().unwrap() != "json").unwrap();
        let bytes = std::fs::read(&data).unwrap();
        for place in [0, bytes.len() / 2, bytes.len() - 1] {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            std::fs::write(&data, changed).unwrap();
            check(&yard, &mut fetch(&yard, &first, flags), 203, "");
        }
        std::fs::write(&data, &bytes[..bytes.len() - 1]).unwrap();
        check(&yard, &mut fetch(&yard, &first, flags), 203, "");
        std::fs::remove_file(&data).unwrap();
        check(&yard, &mut fetch(&yard, &first, flags), 203, "missing");
        let record =
            yard.shelf.named(&second).into_iter().find(|path| path.extension().unwrap() == "json").unwrap();
        let mut bytes = std::fs::read(&record).unwrap();
        bytes[40] ^= 1;
        std::fs::write(&record, bytes).unwrap();
        check(&yard, &mut fetch(&yard, &second, flags), 202, "");
    }
}

#[test]
fn segments_fetched_ahead_are_checked_when_they_are_used() {
    let (yard, [first, second, third]) = archived(Shelf::folder());
    let spool = yard.folder.path().join("spool").display().to_string();
    let flags = ["--spool", &spool, "--prefetch", "2"];
    let kept = || std::fs::read_dir(&spool).unwrap().flatten().map(|entry| entry.path()).collect::<Vec<_>>();
    check(&yard, &mut fetch(&yard, &first, &flags), 0, "");
    assert_eq!(kept().len(), 2);
    for path in kept() {
        std::fs::write(path, "rubbish").unwrap();
    }
    for segment in [&second, &third] {
        check(&yard, &mut fetch(&yard, segment, &flags), 0, "");
        assert_eq!(std::fs::metadata(target(&yard)).unwrap().len(), 16 << 20);
    }
    check(&yard, &mut fetch(&yard, &after(&third, 1), &flags), 1, "");
    let inside = yard.postgres.data().join("pg_wal/spool").display().to_string();
    let mut command =
        yard.command(&["wal-fetch", &first, "data/pg_wal/x", "--spool", &inside, "--prefetch", "1"]);
    assert!(ground::done(&mut command).expect(202).stderr.contains("lies in the data folder"));
}

/// A copy of the server that gets its WAL by `command`, until it is a primary or dead.
fn recover(yard: &Yard, command: &str, environment: &[(&str, String)]) -> Result<Postgres, testbed::Error> {
    let folder = DataFolder::make().unwrap();
    let mut backup = yard.postgres.command(yard.postgres.program("pg_basebackup"));
    backup
        .args(["--checkpoint=fast", "--wal-method=fetch", "--no-sync", "--dbname"])
        .arg(yard.postgres.url("erp"));
    backup.arg("--pgdata").arg(folder.data());
    assert!(backup.output().unwrap().status.success());
    yard.sql("insert into account values (2)");
    yard.archive();
    let data = folder.data();
    for (name, text) in [
        ("recovery.signal", String::new()),
        ("postgresql.auto.conf", format!("restore_command = '{command}'\narchive_mode = off\n")),
    ] {
        let path = data.join(name);
        std::fs::write(&path, text).unwrap();
        std::os::unix::fs::chown(path, Some(folder.owner().unwrap()), None).unwrap();
    }
    let mut options = PostgresOptions::default().env("PG_BACKUP_STORE", yard.shelf.address());
    for (name, value) in yard.shelf.environment() {
        options = options.env(name, value);
    }
    for (name, value) in environment {
        options = options.env(name, value);
    }
    let mut postgres = Postgres::adopt(folder, &options)?;
    postgres.wait_for_recovery(Duration::from_secs(60))?;
    Ok(postgres)
}

/// A name, the restore_command, and variables of the server that runs it.
type Case<'a> = (&'a str, &'a str, &'a [(&'a str, String)]);

#[test]
fn a_server_is_promoted_at_the_true_end_and_stops_at_any_other() {
    let yard = Yard::over(Shelf::s3(), "");
    let server = yard.shelf.server();
    yard.sql("create table account (id int); insert into account values (1)");
    let program = yard.program.display().to_string();
    let right = format!("{program} wal-fetch %f %p --timeout 2s");
    // So PostgreSQL takes a command that fails by 1: what was committed last is lost, and nobody is told.
    let promoted = recover(&yard, "exit 1", &[]).unwrap();
    assert_eq!(promoted.sql("erp", "select max(id) from account").unwrap(), "1");
    let promoted = recover(&yard, &right, &[]).unwrap();
    assert_eq!(promoted.sql("erp", "select max(id) from account").unwrap(), "2");
    drop(promoted);

    let closed = FaultProxy::start(&server.endpoint()).unwrap().endpoint();
    let stalled = FaultProxy::start(&server.endpoint()).unwrap();
    stalled.add(Rule::new(Fault::Stall).always());
    let term = format!("{program} wal-fetch %f %p & sleep 1; kill $!; wait $!");
    let cases: [Case<'_>; 6] = [
        ("unreachable", &right, &[("AWS_ENDPOINT", closed)]),
        ("timeout", &right, &[("AWS_ENDPOINT", stalled.endpoint())]),
        ("usage", &format!("{program} wal-fetch %f %p --oops"), &[]),
        ("panic", &right, &[("SLIPWAY_FAULT", "fetch=panic".to_owned())]),
        ("signal", &term, &[("AWS_ENDPOINT", stalled.endpoint())]),
        ("bucket", &format!("{right} --store s3://absent/x"), &[]),
    ];
    for (name, command, environment) in cases {
        match recover(&yard, command, environment) {
            Ok(_) => panic!("{name}: it was promoted"),
            Err(error) => assert!(
                error.to_string().contains("ended") || matches!(error, testbed::Error::Ended { .. }),
                "{name}: {error}"
            ),
        }
    }
}
