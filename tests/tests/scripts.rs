//! The scripts of the workspace: what they refuse, and that nothing is done twice.
#![allow(clippy::unwrap_used, reason = "a helper that fails, fails its test")]

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

fn script(name: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(pipelines::root().join(name));
    command.args(arguments).current_dir(std::env::temp_dir()).stdin(Stdio::null()).output().unwrap()
}

fn messages(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn setup_does_nothing_twice() {
    let again = script("scripts/setup", &["build", "demo", "test"]);
    assert!(again.status.success(), "{}", messages(&again));
    assert_eq!(messages(&again), "", "scripts/test has run it before");
}

#[test]
fn setup_names_the_groups_to_who_asks_for_another() {
    let refused = script("scripts/setup", &["everything"]);
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(
        messages(&refused),
        "setup: error: everything: no such group\nhint: the groups are build demo test bench lint\n"
    );
}

#[test]
fn bench_names_the_tools_to_who_asks_for_another() {
    let refused = script("scripts/bench", &["no-such-tool"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        messages(&refused)
            .contains("no-such-tool: no case file; there are backfill, pg-backup, precache-hash")
    );
}

#[test]
fn every_script_can_be_run_and_says_what_it_does() {
    for path in pipelines::tracked_files().unwrap() {
        let is_command = path.parent().is_some_and(|folder| folder == "scripts" || folder == ".ci");
        if !is_command {
            continue;
        }
        let whole = pipelines::root().join(&path);
        let mode = whole.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{}: cannot be executed", path.display());
        let text = std::fs::read_to_string(&whole).unwrap();
        let second = text.lines().nth(1).unwrap_or_default();
        assert!(second.starts_with("# "), "{}: its second line does not say what it does", path.display());
    }
}
