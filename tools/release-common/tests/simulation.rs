//! Faults and simulated time: what they do in the builds that tests run, and that the release profile has neither.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test that fails is a failed test")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

/// The example in the build of this test, beside the folder of the test binaries.
fn dev() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    tests.parent().unwrap().parent().unwrap().join("examples/echo-tool")
}

/// The example in the release profile, built once. Optimization is left out because it costs minutes and touches no
/// assertion.
fn release() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let target = dev().ancestors().nth(3).unwrap().join("release-check");
        let mut cargo = Command::new("cargo");
        cargo.args(["build", "--release", "--locked", "--offline", "--example=echo-tool", "--target-dir"]);
        cargo.arg(&target).current_dir(env!("CARGO_MANIFEST_DIR"));
        for (name, value) in [("LTO", "off"), ("CODEGEN_UNITS", "16"), ("OPT_LEVEL", "0")] {
            cargo.env(format!("CARGO_PROFILE_RELEASE_{name}"), value);
        }
        // The runner of the tests sets this for libtest; here it would change what is built.
        let output = cargo.env_remove("RUSTC_BOOTSTRAP").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        target.join("release/examples/echo-tool")
    })
}

fn tool(binary: impl AsRef<Path>, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary.as_ref());
    command
        .args(arguments)
        .env_remove("SLIPWAY_CONFIG")
        .env_remove("SLIPWAY_ENV")
        .env_remove("SLIPWAY_FAULT");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn steps(binary: impl AsRef<Path>, fault: &str) -> Output {
    tool(binary, &["steps"]).env("SLIPWAY_FAULT", fault).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const ALL_STEPS: &str = "step 1\nstep 2\nstep 3\n";

#[test]
fn a_kill_ends_the_process_at_the_pass_that_was_asked_for() {
    for (fault, stdout) in [("step=kill", ""), ("other=kill,step:3=kill", "step 1\nstep 2\n")] {
        let output = steps(dev(), fault);
        assert_eq!((output.status.signal(), text(&output.stdout).as_str()), (Some(9), stdout), "{fault}");
    }
}

#[test]
fn an_exit_ends_the_process_with_a_code_of_its_own() {
    let output = steps(dev(), "step:2=exit");
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(99), "step 1\n"));
}

#[test]
fn a_stop_halts_the_process_until_it_is_continued() {
    let child = tool(dev(), &["steps"]).env("SLIPWAY_FAULT", "step:2=stop").spawn().unwrap();
    let pid = Pid::from_child(&child);
    let (_, status) = waitpid(Some(pid), WaitOptions::UNTRACED).unwrap().unwrap();
    assert!(status.stopped(), "{status:?}");
    kill_process(pid, Signal::CONT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(0), ALL_STEPS));
}

#[test]
fn a_fault_that_is_not_understood_has_no_effect() {
    for fault in ["step=explode", "step:0=kill", "step:4=kill", "kill", "other=kill"] {
        let output = steps(dev(), fault);
        assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(0), ALL_STEPS), "{fault}");
    }
}

#[test]
fn time_is_what_the_file_says_at_each_look() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("time");
    fs::write(&file, "2026-11-24T00:00:00Z").unwrap();
    let mut child = tool(dev(), &["time", "--test-clock", file.to_str().unwrap()]).spawn().unwrap();
    let (mut stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut lines = BufReader::new(stdout).lines();
    for (written, shown) in [
        ("2026-11-24T00:00:00Z", "2026-11-24T00:00:00Z"),
        ("2026-12-01T12:00:00+09:00", "2026-12-01T03:00:00Z"),
        ("soon", "2026-12-01T03:00:00Z"),
    ] {
        fs::write(&file, written).unwrap();
        writeln!(stdin).unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), format!("{shown} simulated=true"), "{written}");
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_file_that_tells_no_time_is_refused_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("time");
    let name = file.to_str().unwrap();
    let refuse = |message: &str| {
        let output = tool(dev(), &["--test-clock", name, "time"]).output().unwrap();
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.starts_with(&format!("error: {name}: {message}\ncaused by: ")), "{stderr}");
    };
    refuse("cannot be read");
    fs::write(&file, "2026-11-24").unwrap();
    refuse("holds no RFC 3339 time");
}

#[test]
fn a_configuration_cannot_set_the_clock_and_no_help_shows_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("slipway.toml");
    fs::write(&file, "[echo-tool]\ntest-clock = \"time\"\n").unwrap();
    let output = tool(dev(), &["--config", file.to_str().unwrap(), "steps"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains(":2: unknown key `test-clock` in [echo-tool]"));
    for shown in [["--help"].as_slice(), &["steps", "--help"], &["--generate", "man"]] {
        let output = tool(dev(), shown).output().unwrap();
        assert!(output.status.success() && !text(&output.stdout).contains("test-clock"), "{shown:?}");
    }
}

#[test]
fn the_release_profile_has_no_faults() {
    let output = steps(release(), "step=kill,step:2=exit,step:3=stop");
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(0), ALL_STEPS));
}

#[test]
fn the_release_profile_keeps_to_the_clock_of_the_machine() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("time");
    fs::write(&file, "2001-01-01T00:00:00Z").unwrap();
    let before = jiff::Timestamp::now();
    let mut child = tool(release(), &["--test-clock", file.to_str().unwrap(), "time"]).spawn().unwrap();
    writeln!(child.stdin.take().unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    let warning = "warning: --test-clock is ignored: this build knows the machine's clock only\n";
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), warning));
    let stdout = text(&output.stdout);
    let shown = stdout.strip_suffix(" simulated=false\n").unwrap_or_else(|| panic!("{stdout}"));
    assert!((before..=jiff::Timestamp::now()).contains(&shown.parse().unwrap()), "{shown}");
}
