//! What a run leaves behind, and how tests end one: processes, locks on the server, files.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    dead_code,
    reason = "a helper that fails, fails its test; no test uses all of them"
)]

use std::fs;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::ground::{Done, Ground, wait};

/// A variable that a run hands to whatever it starts.
const MARK: &str = "SLIPWAY_MARK";

/// Marks a command and all that it will start.
pub(crate) fn mark(command: &mut Command, value: &str) {
    command.env(MARK, value);
}

/// The ids of the living processes with this mark.
pub(crate) fn marked_ids(value: &str) -> Vec<u32> {
    let wanted = format!("{MARK}={value}");
    let names = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.file_name());
    let ids = names.filter_map(|name| name.to_str()?.parse().ok());
    let is_wanted = |text: Vec<u8>| text.split(|byte| *byte == 0).any(|item| item == wanted.as_bytes());
    // One that ends meanwhile, or is ended and not waited for, has no environment.
    ids.filter(|id: &u32| fs::read(format!("/proc/{id}/environ")).is_ok_and(is_wanted)).collect()
}

/// Their command lines.
pub(crate) fn marked(value: &str) -> Vec<String> {
    let line = |id: u32| {
        let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).replace('\0', " ")
    };
    marked_ids(value).into_iter().map(line).collect()
}

/// Waits until no process with this mark lives.
#[track_caller]
pub(crate) fn wait_until_gone(value: &str) {
    wait("the children of the run end", || marked(value).is_empty());
}

/// Waits until the server has noticed that a run is gone.
#[track_caller]
pub(crate) fn wait_until_noticed(ground: &Ground) {
    ground.wait_for("select count(*) from pg_locks where locktype = 'advisory'", "0");
}

/// Starts a command that can be looked at and stopped.
pub(crate) fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// What it did, once it has ended.
#[track_caller]
pub(crate) fn ended(child: Child) -> Done {
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Done {
        code: output.status.code().unwrap_or(-1),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap()
}

/// Sends a signal to a process.
pub(crate) fn signal(child: &Child, signal: Signal) {
    kill_process(pid(child), signal).unwrap();
}

/// Sends a signal to a process that leads a group, and to all in it, as a terminal does.
pub(crate) fn signal_group(child: &Child, signal: Signal) {
    kill_process_group(pid(child), signal).unwrap();
}

/// Incompressible rows of about so many megabytes in the table `noise`; a dump is twice as long, an object about as.
pub(crate) fn noise(ground: &Ground, database: &str, megabytes: u32) {
    let rows = megabytes * 64;
    let chunk = "(select decode(string_agg(md5(random()::text || n || i), ''), 'hex') from generate_series(1, 1024) i)";
    let fill = format!("create table noise as select n, {chunk} as data from generate_series(1, {rows}) n");
    ground.postgres.sql(database, &fill).unwrap();
}
