//! What every tool inherits from `run`, seen from outside on the example tool.

#![allow(clippy::unwrap_used, reason = "a helper of a test that fails is a failed test")]

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// Cargo builds examples before it runs tests, beside the folder of the test binaries.
fn tool(arguments: &[&str]) -> Command {
    let tests: PathBuf = std::env::current_exe().unwrap();
    let binary = tests.parent().unwrap().parent().unwrap().join("examples/echo-tool");
    let mut command = Command::new(binary);
    command.args(arguments).env_remove("ECHO_LIMIT").env_remove("SLIPWAY_CONFIG").env_remove("SLIPWAY_ENV");
    command
}

fn check(command: &mut Command, code: i32, stdout: &str, stderr: &str) {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(
        (output.status.code(), text(&output.stdout).as_str(), text(&output.stderr).as_str()),
        (Some(code), stdout, stderr),
        "{command:?}"
    );
}

fn configuration(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("slipway.toml");
    std::fs::write(&file, text).unwrap();
    let name = file.to_str().unwrap().to_owned();
    (folder, name)
}

const FILE: &str = "[echo-tool]\nlimit = \"2kB\"\nname = [\"a\", \"b\"]\nloud = true\n\n[echo-tool.show]\nwait = \"3s\"\n\n\
    [env.PROD.echo-tool]\nlimit = \"4kB\"\n\n[backfill]\nunknown = 1\n";

#[test]
fn flag_beats_environment_beats_file_beats_default() {
    let (_folder, file) = configuration(FILE);
    check(&mut tool(&["show"]), 0, "limit=1000 names= loud=false wait=1s\n", "");
    let line = |limit| format!("limit={limit} names=a,b loud=true wait=3s\n");
    check(&mut tool(&["--config", &file, "show"]), 0, &line(2000), "");
    check(&mut tool(&["show", "--config", &file, "--env", "PROD"]), 0, &line(4000), "");
    check(tool(&["--config", &file, "show"]).env("ECHO_LIMIT", "7"), 0, &line(7), "");
    check(tool(&["--config", &file, "--limit", "8", "show"]).env("ECHO_LIMIT", "7"), 0, &line(8), "");
}

#[test]
fn a_wrong_file_is_refused_with_its_line() {
    let (_folder, file) = configuration("[echo-tool]\nlimit = \"2kB\"\nlimt = 1\n");
    let hint = "hint: keys of [echo-tool] are the long flags that `echo-tool --help` lists, without `--`\n";
    let message = format!("error: {file}:3: unknown key `limt` in [echo-tool]\n{hint}");
    check(&mut tool(&["--config", &file, "show"]), 2, "", &message);
    for (text, message) in [
        ("[echo-tool]\nlimit = \"much\"\n", ":2: limit: `much` is not a size such as 500kB, 2MiB or 2097152"),
        ("\n[echo-tool]\nlimit = [1]\n", ":3: limit: takes one value, not a list"),
        ("[echo-tool]\nloud = \"yes\"\n", ":2: loud: must be true or false"),
        ("[echo-tool\n", ":1: unclosed table, expected `]`"),
    ] {
        let (_folder, file) = configuration(text);
        check(&mut tool(&["--config", &file, "show"]), 2, "", &format!("error: {file}{message}\n"));
    }
    let (_folder, file) = configuration(FILE);
    let message = format!("error: {file}: has no environment `STG`\n");
    check(&mut tool(&["--config", &file, "--env", "STG", "show"]), 2, "", &message);
}

#[test]
fn errors_print_cause_and_hint_and_bad_answers_do_not() {
    let text = "error: the pond is empty\ncaused by: somebody fished\nhint: fill the pond\n";
    check(&mut tool(&["fail"]), 3, "", text);
    check(&mut tool(&["judge"]), 1, "", "");
    assert_eq!(tool(&["--absent"]).output().unwrap().status.code(), Some(2));
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let mut child = tool(&["flood"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((line.as_str(), output.status.code()), ("line\n", Some(0)));
    assert!(output.stderr.is_empty());
}

#[test]
fn first_signal_stops_at_a_safe_point() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mut child = tool(&["wait"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        reader.read_line(&mut String::new()).unwrap();
        kill_process(Pid::from_child(&child), signal).unwrap();
        reader.read_to_string(&mut String::new()).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code));
    }
}

#[test]
fn manual_and_completions_come_from_the_command_line() {
    for (kind, needle) in [
        ("man", ".TH echo-tool"),
        ("bash", "complete -F _echo"),
        ("zsh", "#compdef"),
        ("fish", "complete -c"),
    ] {
        let output = tool(&["--generate", kind]).output().unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).contains(needle), "{kind}");
        assert!(output.status.success());
    }
    assert!(
        String::from_utf8_lossy(&tool(&["--generate", "man", "show"]).output().unwrap().stdout)
            .contains("echo-tool-show")
    );
    let message = "error: --generate takes man, man SUBCOMMAND, bash, zsh or fish\n";
    check(&mut tool(&["--generate", "pdf"]), 2, "", message);
}

#[test]
fn a_panic_keeps_the_number_that_everybody_knows() {
    let output = tool(&["steps"]).env("SLIPWAY_FAULT", "step:2=panic").output().unwrap();
    assert_eq!(output.status.code(), Some(101));
    assert!(String::from_utf8_lossy(&output.stderr).contains("panicked"), "the panic itself is told");
}
