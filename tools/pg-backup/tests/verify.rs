//! `verify` against real servers: good backups, damaged ones, and machines that cannot tell.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails, fails its test")]

mod ground;

use ground::Ground;

/// The summary of a verification that must end with `code`.
#[track_caller]
fn verified(ground: &Ground, id: &str, level: &str, code: i32) -> serde_json::Value {
    ground.run(&["verify", id, "--level", level, "--json"]).expect(code).summary()
}

#[test]
fn a_good_backup_is_good_at_every_level_and_leaves_evidence() {
    let ground = Ground::with_folder();
    ground.shop(1000);
    let id = ground.create();
    for level in ["checksum", "decode", "restore"] {
        let summary = verified(&ground, &id, level, 0);
        assert_eq!(
            (&summary["result"], &summary["reason"]),
            (&"good".into(), &serde_json::Value::Null),
            "{summary}"
        );
        let evidence = ground.shelf.files().join(summary["evidence"].as_str().unwrap());
        assert!(evidence.is_file(), "{summary}");
    }
    let shown = ground.run(&["list"]).expect(0);
    assert!(shown.stdout.contains("restored"), "{}", shown.stdout);
}
