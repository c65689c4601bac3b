//! Whatever happens to the owner, its program and the program's children end and the scratch folder goes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails, fails its test")]

mod remains;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use rustix::process::{Pid, kill_process};
use testbed::{Program, Ready, Running, Signal};

use remains::{LIMIT, Owner, Remains};

/// Writes the id of a child of its own into the scratch folder, is ready, and ignores polite requests to end.
const STUBBORN: &str =
    r#"trap '' TERM; sleep 600 & echo $! > "$TMPDIR/child"; echo ready; while :; do wait; done"#;

fn stubborn() -> Program {
    Program::new("bash").args(["-c", STUBBORN]).ready(Ready::Line("ready".to_owned()))
}

/// The program and its child, which must be gone afterwards.
fn remains_of(pid: i32, scratch: &Path) -> Remains {
    let child = fs::read_to_string(scratch.join("child")).unwrap().trim().parse().unwrap();
    Remains::new(vec![pid, child], scratch)
}

fn remains_of_running(running: &Running) -> Remains {
    remains_of(running.pid(), running.scratch())
}

impl Owner {
    fn start() -> Self {
        // A run in the background, as under nohup(1), hands down signals that are ignored.
        let mut command = Command::new("env");
        command.args(["--default-signal=HUP,INT,TERM", env!("CARGO_BIN_EXE_testbed")]);
        command.args(["run", "--ready-line", "ready", "--", "bash", "-c", STUBBORN]);
        Self::spawn(&mut command)
    }

    fn remains(&self) -> Remains {
        remains_of(self.pid(), Path::new(self.ready["scratch"].as_str().unwrap()))
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }
}

#[test]
fn drop_leaves_nothing() {
    let running = stubborn().start().unwrap();
    let remains = remains_of_running(&running);
    drop(running);
    assert!(!remains.anything(), "drop returns only when all is gone");
}

#[test]
fn panic_leaves_nothing() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let thread = thread::spawn(move || {
        let running = stubborn().start().unwrap();
        sender.send(remains_of_running(&running)).unwrap();
        panic!("as a failing test does");
    });
    assert!(thread.join().is_err());
    assert!(!receiver.recv().unwrap().anything());
}

#[test]
fn kill_9_of_the_owner_leaves_nothing() {
    let mut owner = Owner::start();
    let remains = owner.remains();
    owner.process.kill().unwrap();
    remains.assert_gone();
    owner.process.wait().unwrap();
}

#[test]
fn a_signal_to_the_owner_leaves_nothing() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let mut owner = Owner::start();
        let remains = owner.remains();
        owner.signal(signal);
        remains.assert_gone();
        owner.process.wait().unwrap();
    }
}

#[test]
fn kill_9_of_the_supervisor_and_then_of_the_owner_leaves_nothing() {
    let mut owner = Owner::start();
    let remains = owner.remains();
    let supervisor = remains::status(remains.processes[0]).unwrap().1;
    kill_process(Pid::from_raw(supervisor).unwrap(), Signal::KILL).unwrap();
    let _ = owner.process.kill();
    remains.assert_gone();
    owner.process.wait().unwrap();
}

#[test]
fn the_command_ends_when_its_stdin_closes() {
    let mut owner = Owner::start();
    let remains = owner.remains();
    owner.stdin = None;
    assert_eq!(owner.process.wait().unwrap().code(), Some(0));
    remains.assert_gone();
}

#[test]
fn the_command_ends_with_the_process_it_was_given_to() {
    let mut other = Command::new("sleep").arg("600").spawn().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_testbed"));
    command.args(["--owner", &other.id().to_string(), "run", "--ready-line", "ready"]);
    let mut owner = Owner::spawn(command.args(["--", "bash", "-c", STUBBORN]));
    let remains = owner.remains();
    other.kill().unwrap();
    other.wait().unwrap();
    assert_eq!(owner.process.wait().unwrap().code(), Some(0));
    remains.assert_gone();
}

#[test]
fn the_command_ends_with_the_code_of_its_program() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_testbed"));
    command.args(["run", "--ready-line", "ready", "--", "bash", "-c", "echo ready; exit 42"]);
    assert_eq!(Owner::spawn(&mut command).process.wait().unwrap().code(), Some(42));
}

#[test]
fn stop_gives_the_exit_code_of_a_polite_program() {
    let polite = r#"trap 'echo bye; exit 7' TERM; echo ready; sleep 600 & wait"#;
    let program = Program::new("bash").args(["-c", polite]).ready(Ready::Line("ready".to_owned()));
    assert_eq!(program.start().unwrap().stop(LIMIT).unwrap(), 7);
}
