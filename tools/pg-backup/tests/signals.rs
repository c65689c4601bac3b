//! A `create` that is asked to stop, in each of its phases: it says so by its exit code, takes its upload back, ends its
//! programs, and records nothing.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails, fails its test")]

mod aftermath;
mod ground;

use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::time::Duration;

use aftermath::{
    ended, mark, marked, noise, signal, signal_group, start, wait_until_gone, wait_until_noticed,
};
use ground::{Ground, wait};
use rustix::process::Signal;
use testbed::{Fault, FaultProxy, Moto, Rule};

const LIMIT: Duration = Duration::from_secs(30);

/// What is left of a run that was stopped: nothing, but for its exit code.
#[track_caller]
fn check(ground: &Ground, run: Child, code: i32, name: &str) {
    let did = ended(run).expect(code);
    assert_eq!(did.summary()["reason"], "stopped", "{}", did.stdout);
    wait_until_gone(name);
    assert_eq!(ground.ids(), Vec::<String>::new());
    wait_until_noticed(ground);
    ground.run(&["create"]).expect(0);
}

/// The signals, and their rows of the exit table.
const BOTH: [(Signal, i32); 2] = [(Signal::TERM, 143), (Signal::INT, 130)];

#[test]
fn while_it_waits_for_a_lock() {
    for (number, code) in BOTH {
        let ground = Ground::with_folder();
        ground.shop(10);
        let held = ground.hold_open("begin; lock table customer in access exclusive mode");
        let mut run = ground.command(&["create", "--json"]);
        mark(&mut run, "lock");
        let run = start(&mut run);
        ground.wait_for("select count(*) from pg_locks where not granted", "1");
        signal(&run, number);
        // The lock is still held.
        let did = ended(run).expect(code);
        assert_eq!(did.summary()["reason"], "stopped");
        assert_eq!(marked("lock"), Vec::<String>::new());
        drop(held);
        ground.wait_for("select count(*) from pg_locks where locktype = 'advisory' or not granted", "0");
        ground.run(&["create"]).expect(0);
    }
}

#[test]
fn while_the_store_takes_nothing() {
    // Whatever request stalls: the mark, the lease, an object, the beginning of an upload, one part, all of them.
    let stalls = |fault: Fault| {
        [
            Rule::new(fault.clone()).method("GET").key("store.json"),
            Rule::new(fault.clone()).method("PUT").key("leases"),
            Rule::new(fault.clone()).method("PUT").key("toc.txt"),
            Rule::new(fault.clone()).method("POST").query("uploads"),
            Rule::new(fault.clone()).method("PUT").query("partNumber=2"),
            Rule::new(fault.clone()).method("PUT").query("partNumber=").always(),
            Rule::new(fault).method("POST").query("uploadId="),
        ]
    };
    let ground = Ground::with_s3();
    noise(&ground, "erp", 50);
    let server = ground.shelf.server();
    for (index, rule) in stalls(Fault::Stall).into_iter().enumerate() {
        let (number, code) = BOTH[index % 2];
        let proxy = FaultProxy::start(&server.endpoint()).unwrap();
        let is_in_parts =
            format!("{rule:?}").contains("partNumber") || format!("{rule:?}").contains("uploadId");
        proxy.add(rule);
        let mut run = ground.command(&["create", "--json", "--timeout", "300s"]);
        run.env("AWS_ENDPOINT", proxy.endpoint());
        mark(&mut run, "stalled");
        let run = start(&mut run);
        assert!(proxy.wait_for_faults(1, LIMIT));
        signal(&run, number);
        let did = ended(run).expect(code);
        assert_eq!(did.summary()["reason"], "stopped");
        wait_until_gone("stalled");
        assert_eq!(ground.ids(), Vec::<String>::new());
        let is_abort = |(method, path): &(String, String)| method == "DELETE" && path.contains("uploadId=");
        assert_eq!(proxy.seen().iter().any(is_abort), is_in_parts, "{:?}", proxy.seen());
        wait_until_noticed(&ground);
    }
    ground.run(&["create"]).expect(0);
}

#[test]
fn while_it_writes_files() {
    for point in ["dumping", "spooled", "stored:1"] {
        let ground = Ground::with_folder();
        ground.shop(1000);
        let spool = ground.folder.path().join("spool");
        std::fs::create_dir(&spool).unwrap();
        let arguments = ["create", "--json", "--layout", "directory", "--jobs", "2", "--spool"];
        let mut run = ground.command(&[&arguments[..], &[&spool.display().to_string()]].concat());
        mark(&mut run, "files");
        let run = start(run.env("SLIPWAY_FAULT", format!("{point}=stop")));
        ground.wait_until_stopped(run.id());
        signal(&run, Signal::TERM);
        ground.resume(run.id());
        check(&ground, run, 143, "files");
        assert_eq!(std::fs::read_dir(&spool).unwrap().count(), 0, "{point}");
    }
}

/// The terminal sends the signal to all: the death of `pg_dump` is not its failure then.
#[test]
fn by_a_terminal() {
    for point in ["snapshot", "read:2", "ended", "dumped"] {
        let ground = Ground::with_folder();
        ground.shop(20_000);
        let mut run = ground.command(&["create", "--json"]);
        mark(&mut run, "terminal");
        let run = start(run.env("SLIPWAY_FAULT", format!("{point}=stop")).process_group(0));
        ground.wait_until_stopped(run.id());
        signal_group(&run, Signal::INT);
        ground.resume(run.id());
        check(&ground, run, 130, "terminal");
    }
}

#[test]
fn not_any_more_once_the_manifest_is_written() {
    let ground = Ground::with_folder();
    ground.shop(10);
    let run = start(ground.command(&["create", "--json"]).env("SLIPWAY_FAULT", "committed=stop"));
    ground.wait_until_stopped(run.id());
    signal(&run, Signal::TERM);
    ground.resume(run.id());
    let did = ended(run).expect(0);
    assert_eq!(ground.ids(), [did.summary()["id"].as_str().unwrap()]);
}

/// What another server with a list of unfinished uploads says.
#[test]
fn no_unfinished_upload_is_left() {
    let ground = Ground::with_folder();
    noise(&ground, "erp", 17);
    let moto = Moto::start().unwrap();
    let proxy = FaultProxy::start(&moto.endpoint()).unwrap();
    let store = format!("s3://{}/backups", moto.bucket());
    let create = || {
        let mut command = ground.command(&["create", "--json", "--timeout", "2s", "--store", &store]);
        command.envs(proxy.environment(moto.environment()));
        command
    };
    let unfinished = || {
        let host = moto.endpoint().replace("http://", "");
        let mut client = Command::new("s3cmd");
        client.args(["--config", "/dev/null", "--no-ssl", "--host", &host, "--host-bucket", &host]);
        client.args(["--access_key", "testbed", "--secret_key", "testbed-secret"]);
        let listed = client.args(["multipart", &format!("s3://{}", moto.bucket())]).output().unwrap();
        assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
        String::from_utf8_lossy(&listed.stdout).matches("dump.pgc").count()
    };
    proxy.add(Rule::new(Fault::Stall).method("PUT").query("partNumber=2").always());
    let run = start(&mut create());
    assert!(proxy.wait_for_faults(1, LIMIT));
    wait("the upload is seen", || unfinished() == 1);
    signal(&run, Signal::TERM);
    ended(run).expect(143);
    assert_eq!(unfinished(), 0, "after a signal");
    proxy.clear();
    proxy.add(Rule::new(Fault::SlowDown).method("PUT").query("partNumber=2").always());
    wait_until_noticed(&ground);
    ended(start(&mut create())).expect(75);
    assert_eq!(unfinished(), 0, "after a fault");
}
