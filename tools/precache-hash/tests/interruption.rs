//! Readers that leave, signals, and kill -9 at any instant.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper of a test that fails is a failed test"
)]

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use assert_cmd::cargo::cargo_bin;
use rustix::process::{Pid, Signal, kill_process};

fn start(folder: &Path, arguments: &[&str]) -> Child {
    let mut command = Command::new(cargo_bin("precache-hash"));
    command.current_dir(folder).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// A folder whose URLs fill more than a pipe holds.
fn many_files() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for index in 0..1200 {
        File::create(folder.path().join(format!("{index:0>100}.js"))).unwrap();
    }
    folder
}

/// A folder with one file of 64 GiB without content, which takes longer to hash than any test waits.
fn endless_file() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    File::create(folder.path().join("endless.js")).unwrap().set_len(64 << 30).unwrap();
    folder
}

#[test]
fn a_reader_that_leaves_ends_the_run_quietly() {
    let folder = many_files();
    let mut child = start(folder.path(), &["--format", "urls", "."]);
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
    assert!(line.starts_with("0000"));
}

#[test]
fn a_signal_stops_the_run_within_a_file() {
    let folder = endless_file();
    for (signal, code, name) in [(Signal::INT, 130, "SIGINT"), (Signal::TERM, 143, "SIGTERM")] {
        let mut child = start(folder.path(), &["--max-size", "0", "--hash", "sha256", ".", "-v"]);
        wait_until_reading(&child, folder.path());
        kill_process(Pid::from_child(&child), signal).unwrap();
        let mut stderr = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut stderr).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(code), &b""[..]));
        assert!(stderr.starts_with(&format!("note: {name}: stopping")), "{stderr}");
    }
}

/// Waits until the process has the endless file open, so that its signal handler is in place.
fn wait_until_reading(child: &Child, folder: &Path) {
    let file = folder.canonicalize().unwrap().join("endless.js");
    let deadline = Instant::now() + Duration::from_secs(30);
    let is_open = || {
        let links = fs::read_dir(format!("/proc/{}/fd", child.id())).into_iter().flatten().flatten();
        links.into_iter().any(|link| fs::read_link(link.path()).is_ok_and(|target| target == file))
    };
    while !is_open() {
        assert!(Instant::now() < deadline, "the file was never opened");
        std::thread::yield_now();
    }
}

/// The instants spread over a whole run; whichever they hit, the same command completes the work.
#[test]
fn a_kill_at_any_instant_leaves_what_the_same_command_completes() {
    let folder = many_files();
    let arguments = ["--format", "json", ".", "-o", "out.json"];
    let whole_run = Instant::now();
    assert!(start(folder.path(), &arguments).wait().unwrap().success());
    let whole_run = whole_run.elapsed();
    let expected = fs::read(folder.path().join("out.json")).unwrap();
    for step in 0..20 {
        fs::remove_file(folder.path().join("out.json")).unwrap();
        let mut child = start(folder.path(), &arguments);
        let instant = Instant::now() + whole_run * step / 18;
        while Instant::now() < instant {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        let status = child.wait().unwrap();
        assert!(status.success() || status.signal() == Some(9));
        let left = fs::read(folder.path().join("out.json"));
        assert!(left.is_err() || left.is_ok_and(|left| left == expected), "a half-written file");
        assert!(start(folder.path(), &arguments).wait().unwrap().success());
        assert_eq!(fs::read(folder.path().join("out.json")).unwrap(), expected);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1201, "no temporary file is left");
    }
}
