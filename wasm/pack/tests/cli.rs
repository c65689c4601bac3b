//! The exit codes of `slipway-pack`; what it makes is tried in the browser.

#![allow(clippy::unwrap_used, reason = "a test may stop where its own program does not start")]

use std::process::Command;

fn check(arguments: &[&str], code: i32, says: &str) {
    let output = Command::new(env!("CARGO_BIN_EXE_slipway-pack")).args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(text.contains(says), "{text}");
    assert!(output.stdout.is_empty());
}

#[test]
fn wrong_arguments_start_nothing() {
    for arguments in [&[][..], &["one.wasm"], &["one.wasm", "out", "more"]] {
        check(arguments, 2, "usage: slipway-pack FILE.wasm OUT_DIR");
    }
}

#[test]
fn a_file_that_is_no_module_is_named() {
    check(&["absent.wasm", "out"], 3, "absent.wasm");
    check(&[concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"), "out"], 3, "Cargo.toml");
}
