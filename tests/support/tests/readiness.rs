//! A program counts as started when it is ready; one that never is gives an error that shows why.

use std::fs;
use std::time::Duration;

use testbed::{Error, Program, Ready, Site};

const SOON: Duration = Duration::from_millis(300);

fn shell(script: &str) -> Program {
    Program::new("bash").args(["-c", script])
}

#[test]
fn a_program_that_is_never_ready_is_named_with_its_last_output() {
    let program = shell("echo starting up; echo no such table >&2; sleep 600").within(SOON);
    let error = program.ready(Ready::Line("listening".to_owned())).start().unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }));
    let text = error.to_string();
    for part in
        ["bash: waited 0.3s in vain for a line with \"listening\"", "  starting up", "  no such table"]
    {
        assert!(text.contains(part), "{part:?} is missing in: {text}");
    }
}

#[test]
fn a_program_that_ends_early_is_named_with_its_exit_code() {
    let error =
        shell("echo port taken; exit 9").ready(Ready::Line("listening".to_owned())).start().unwrap_err();
    let text = error.to_string();
    assert!(text.contains("bash ended with exit code 9 before a line with \"listening\""), "{text}");
    assert!(text.contains("  port taken"), "{text}");
}

#[test]
fn a_program_that_is_not_installed_is_named() {
    let error =
        Program::new("no-such-program").ready(Ready::Line("listening".to_owned())).start().unwrap_err();
    assert!(error.to_string().contains("no-such-program: not found"), "{error}");
}

#[test]
fn an_open_port_that_answers_badly_is_not_ready() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::serve(folder.path()).unwrap();
    let absent = Ready::Http(format!("{}/absent", site.url()));
    let error = shell("sleep 600").ready(absent.clone()).within(SOON).start().unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    fs::write(folder.path().join("absent"), "now there").unwrap();
    let _running = shell("sleep 600").ready(absent).start().unwrap();
}

#[test]
fn an_open_port_is_enough_where_that_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::serve(folder.path()).unwrap();
    let address = site.url().trim_start_matches("http://").parse().unwrap();
    let _running = shell("sleep 600").ready(Ready::Tcp(address)).start().unwrap();
}

#[test]
fn later_lines_can_be_waited_for_and_are_kept() {
    let mut running = shell("echo one; echo two >&2; sleep 600").start().unwrap();
    assert_eq!(running.wait_for_line("two", Duration::from_secs(10)).unwrap(), "two");
    assert_eq!(running.wait_for_line("one", Duration::from_secs(10)).unwrap(), "one");
    assert_eq!(running.output().len(), 2);
}

#[test]
fn the_output_is_also_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut running = shell("echo kept").log(&log).start().unwrap();
    assert_eq!(running.wait(Duration::from_secs(10)).unwrap(), 0);
    assert_eq!(fs::read_to_string(log).unwrap(), "kept\n");
}

#[test]
fn programs_get_their_scratch_folder_as_argument_home_and_environment() {
    let script = r#"echo "$1 $HOME $DATA""#;
    let program = shell(script).args(["shell", "{scratch}/a"]).env("DATA", "{scratch}/b");
    let mut running = program.start().unwrap();
    let scratch = running.scratch().display().to_string();
    let line = running.wait_for_line(&scratch, Duration::from_secs(10)).unwrap();
    assert_eq!(line, format!("{scratch}/a {scratch} {scratch}/b"));
}
