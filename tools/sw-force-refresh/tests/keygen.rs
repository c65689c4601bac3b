//! Key files: who may read them.

#![allow(clippy::unwrap_used)]

use std::process::Command;

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
