//! The examples at the end of `--help` do what they say, one after the other in one folder.

#![allow(clippy::unwrap_used)]

use std::process::Command;

#[test]
fn examples_of_the_help_text_run() {
    let tool = env!("CARGO_BIN_EXE_sw-force-refresh");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("hash.txt"), "5e".repeat(32)).unwrap();
    let help = String::from_utf8(Command::new(tool).arg("--help").output().unwrap().stdout).unwrap();
    let (_, examples) = help.split_once("Examples:\n").unwrap();
    let commands: Vec<&str> = examples.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    assert_eq!(commands.len(), 3, "{examples}");
    for command in commands {
        let text = command.replacen("sw-force-refresh", tool, 1);
        let output = Command::new("sh").args(["-c", &text]).current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(!output.stdout.is_empty(), "{command} says nothing");
    }
}

/// Whoever has no private key must not be able to read one that lies around.
#[test]
fn a_new_private_key_is_private_also_where_a_public_file_was() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let private = folder.path().join("k.private.jwk");
    std::fs::write(&private, "world-readable").unwrap();
    let mut keygen = Command::new(env!("CARGO_BIN_EXE_sw-force-refresh"));
    keygen.args(["keygen", "--yes", "--out", "k"]).current_dir(folder.path());
    assert!(keygen.output().unwrap().status.success());
    assert_eq!(private.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(std::fs::read_to_string(&private).unwrap().contains("\"d\""));
}
