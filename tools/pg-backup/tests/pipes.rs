//! The pipes that scripts are made of: each holds, and each fails when its first command is killed, also in a shell
//! that looks at the last command only.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails, fails its test")]

mod aftermath;
mod ground;

use aftermath::{noise, wait_until_noticed};
use ground::Ground;

/// A shell that knows nothing of `pipefail`, as that of a careless script.
const CARELESS: &str = "set +o pipefail; ";
const PROVE: &str =
    "pg-backup create --release v1 --print-id | pg-backup verify --level restore - && pg-backup rpo --max 1h";
const TIDY: &str = "pg-backup retain plan --format json | pg-backup retain apply -";

/// The line with its first command killed at a point.
fn killed(point: &str, line: &str) -> String {
    format!("SLIPWAY_FAULT={point}=kill {line}")
}

#[test]
fn a_release_goes_on_after_a_proven_backup() {
    let ground = Ground::with_folder();
    ground.shop(1000);
    ground.shell(PROVE).expect(0);
}

#[test]
fn a_release_stops_when_its_backup_is_killed() {
    let ground = Ground::with_folder();
    ground.shop(1000);
    // A proven backup is there, so that nothing but the pipe stops the release.
    ground.shell(PROVE).expect(0);
    let evidence = || ground.objects().iter().filter(|name| name.contains("/verify/")).count();
    let before = evidence();
    for point in ["snapshot", "ended", "commit", "committed"] {
        for shell in ["", CARELESS] {
            let stopped = ground.shell(&format!("{shell}{}", killed(point, PROVE))).expect(2);
            assert!(stopped.stderr.contains("stdin: holds no backup id"), "{point}: {}", stopped.stderr);
            wait_until_noticed(&ground);
        }
    }
    assert_eq!(evidence(), before, "nothing else was verified in its place");
}

#[test]
fn what_is_planned_is_applied() {
    let ground = Ground::with_s3();
    ground.shop(10);
    let ids = [ground.create(), ground.create()];
    ground.shell(&format!("{TIDY} --json")).expect(0);
    // Both are young, and neither is proven.
    assert_eq!(ground.ids(), ids);
}

#[test]
fn half_a_plan_is_not_applied() {
    let ground = Ground::with_s3();
    ground.shop(10);
    let ids = [ground.create(), ground.create()];
    let mut reasons = Vec::new();
    for point in ["plan-line:1", "plan-line:2"] {
        for shell in ["", CARELESS] {
            let stopped = ground.shell(&format!("{shell}{}", killed(point, TIDY))).expect(2);
            reasons.push(stopped.stderr);
        }
    }
    assert!(reasons.iter().all(|text| text.contains("stdin")), "{reasons:?}");
    assert_eq!(ground.ids(), ids);
}

#[test]
fn an_archive_flows_into_pg_restore() {
    let ground = Ground::with_s3();
    noise(&ground, "erp", 12);
    let id = ground.create();
    ground.postgres.create_database("scratch").unwrap();
    let url = ground.postgres.url("scratch");
    ground.shell(&format!("pg-backup cat {id} | pg_restore --exit-on-error -d {url}")).expect(0);
    let question = "select count(*), md5(string_agg(md5(data), '' order by n)) from noise";
    assert_eq!(ground.postgres.sql("scratch", question).unwrap(), ground.sql(question));
}

#[test]
fn half_an_archive_is_not_taken_for_whole() {
    let ground = Ground::with_s3();
    noise(&ground, "erp", 12);
    let id = ground.create();
    // Twelve megabytes are written as twice as many digits: ninety-six chunks, the last of which is held back to the end.
    for (number, point) in ["chunk:1", "chunk:40", "chunk:90"].iter().enumerate() {
        for (shell, name) in [("", format!("a{number}")), (CARELESS, format!("b{number}"))] {
            ground.postgres.create_database(&name).unwrap();
            let url = ground.postgres.url(&name);
            let line =
                killed(point, &format!("pg-backup cat {id} | pg_restore --single-transaction -d {url}"));
            let stopped = ground.shell(&format!("{shell}{line}"));
            assert_eq!(stopped.code, 1, "{point}: {}", stopped.stderr);
            assert!(stopped.stderr.contains("pg_restore: error: "), "{point}: {}", stopped.stderr);
            let tables = "select count(*) from pg_tables where schemaname = 'public'";
            assert_eq!(ground.postgres.sql(&name, tables).unwrap(), "0", "{point}");
        }
    }
}

#[test]
fn a_damaged_archive_is_not_taken_for_whole() {
    let ground = Ground::with_folder();
    noise(&ground, "erp", 12);
    let id = ground.create();
    let name = ground.objects().into_iter().find(|name| name.contains("dump.pgc")).unwrap();
    let path = ground.shelf.files().join(name);
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    // The checksum of zstd itself, after the last block.
    bytes[last] = !bytes[last];
    std::fs::write(&path, bytes).unwrap();
    ground.postgres.create_database("scratch").unwrap();
    let url = ground.postgres.url("scratch");
    let line = format!("{CARELESS}pg-backup cat {id} | pg_restore --single-transaction -d {url}");
    let stopped = ground.shell(&line);
    assert_eq!(stopped.code, 1, "{}", stopped.stderr);
    assert!(stopped.stderr.contains("dump.pgc.zst failed"), "{}", stopped.stderr);
}
