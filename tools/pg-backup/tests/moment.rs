//! `restore --at`: a real cluster, archived by the real binary, brought back to a moment.

mod ground;
mod yard;

use testbed::DataFolder;
use yard::{Store, Yard, ask, keys};

/// A table is dropped, and the cluster of the moment before has it.
fn undo(yard: &Yard, base_flags: &[&str], restore_flags: &[&str]) {
    yard.sql("create table account (id int primary key, amount int)");
    let base = yard.base(base_flags);
    yard.sql("insert into account select n, n from generate_series(1, 1000) n");
    let before = yard.now();
    yard.sql("drop table account");
    yard.archive();

    let target = DataFolder::make().unwrap();
    let pgdata = target.data().display().to_string();
    let arguments =
        [&["restore", "--at", &before, "--pgdata", &pgdata, "--format", "json"], restore_flags].concat();
    let summary = yard.run(&arguments).expect(0).summary();
    assert_eq!((summary["result"].as_str(), summary["base"].as_str()), (Some("good"), Some(base.as_str())));

    let (restored, rows) = ask(target, "select count(*) from account");
    assert_eq!(rows, "1000");
    assert_eq!(restored.sql("erp", "select pg_is_in_recovery()").unwrap(), "f");
    assert_eq!(restored.sql("erp", "show archive_mode").unwrap(), "off");
    assert_eq!(restored.sql("erp", "select timeline_id from pg_control_checkpoint()").unwrap(), "2");
    assert_eq!(restored.sql("erp", "show restore_command").unwrap(), "");
}

#[test]
fn a_dropped_table_is_brought_back_from_a_folder() {
    undo(&Yard::over(Store::folder(), ""), &[], &[]);
}

#[test]
fn a_dropped_table_is_brought_back_from_s3_encrypted() {
    let (recipient, identity) = keys();
    let yard = Yard::over(Store::s3(), &format!("--recipient {recipient}"));
    let identity = yard.file("key with space", identity.as_bytes()).display().to_string();
    undo(&yard, &["--recipient", &recipient], &["--identity", &identity]);
}
