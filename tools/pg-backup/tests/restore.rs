//! `restore --to` against real servers.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails, fails its test")]

mod ground;

use ground::Ground;

/// A shop with a thousand orders, and its backup.
fn shop() -> (Ground, String) {
    let ground = Ground::with_folder();
    ground.shop(1000);
    let id = ground.create();
    (ground, id)
}

/// The orders in a database.
#[track_caller]
fn orders(ground: &Ground, database: &str) -> String {
    ground.postgres.sql(database, "select count(*) from \"Order\"").unwrap()
}

#[test]
fn a_backup_becomes_a_new_database() {
    let (ground, id) = shop();
    let planned = ground.run(&["restore", &id, "--to", "copy", "--dry-run", "--json"]).expect(0).summary();
    assert_eq!(planned["steps"][0], "make the database copy");
    let summary = ground.run(&["restore", &id, "--to", "copy", "--json"]).expect(0).summary();
    assert_eq!((&summary["result"], &summary["rows"]), (&"good".into(), &1100.into()), "{summary}");
    assert_eq!(orders(&ground, "copy"), "1000");
    let comment = "select count(*) from pg_shdescription d join pg_database b on b.oid = d.objoid where datname = 'copy'";
    assert_eq!(ground.sql(comment), "0");
}

#[test]
fn several_jobs_read_a_file() {
    let (ground, id) = shop();
    let summary = ground.run(&["restore", &id, "--to", "copy", "-j2", "--json"]).expect(0).summary();
    assert_eq!((&summary["way"], &summary["jobs"]), (&"spooled".into(), &2.into()));
    assert_eq!(orders(&ground, "copy"), "1000");
}

#[test]
fn a_database_that_holds_something_is_refused() {
    let (ground, id) = shop();
    let refused = ground.run(&["restore", &id, "--to", "erp"]).expect(2);
    assert!(refused.stderr.contains("erp: is the database that the backup comes from"), "{}", refused.stderr);
    ground.postgres.create_database("other").unwrap();
    ground.postgres.sql("other", "create schema mine").unwrap();
    let refused = ground.run(&["restore", &id, "--to", "other"]).expect(2);
    assert!(refused.stderr.contains("other: is not empty: it holds schema mine"), "{}", refused.stderr);
}

#[test]
fn a_database_is_replaced_and_the_old_one_is_kept() {
    let (ground, id) = shop();
    ground.sql("alter database erp set work_mem = '5MB'; drop table \"Order\" cascade");
    ground.run(&["restore", &id, "--to", "erp", "--replace", "ERP"]).expect(2);
    let summary =
        ground.run(&["restore", &id, "--to", "erp", "--replace", "erp", "--json"]).expect(0).summary();
    let kept = summary["kept"].as_str().unwrap();
    assert_eq!(orders(&ground, "erp"), "1000");
    assert_eq!(ground.sql("show work_mem"), "5MB");
    assert_eq!(ground.postgres.sql(kept, "select count(*) from customer").unwrap(), "100");
}
