//! What backups need of a scratch cluster: it archives to an object store by programs that its own user can run, and
//! data that some other program restored can be started.
#![allow(clippy::unwrap_used, reason = "a helper that fails, fails its test")]

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use testbed::{DataFolder, Postgres, PostgresOptions, S3Server, Setting};

const LIMIT: Duration = Duration::from_secs(30);

/// A program under the build folder.
const PROGRAM: &str = env!("CARGO_BIN_EXE_testbed");

#[track_caller]
fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// A base backup of the cluster in a folder of its own.
fn base_backup(postgres: &Postgres) -> DataFolder {
    let folder = DataFolder::make().unwrap();
    let url = postgres.url("postgres");
    let options = ["--pgdata=data", "--checkpoint=fast", "--no-sync", "--dbname", &url];
    output(folder.command(postgres.program("pg_basebackup")).args(options));
    folder
}

/// Leaves the file to the server, as a program that restores would.
fn write(folder: &DataFolder, name: &str, text: &str) {
    let script = format!("cat >>data/{name} <<'END'\n{text}\nEND");
    output(folder.command("sh").args(["-c", &script]));
}

#[test]
fn a_segment_is_archived_by_a_program_of_the_build_folder_and_a_client_of_the_store() {
    let store = S3Server::start().unwrap();
    let tools = DataFolder::make().unwrap();
    let program = tools.lend(Path::new(PROGRAM)).unwrap();
    let host = store.endpoint().trim_start_matches("http://").to_owned();
    let client = format!(
        "s3cmd --config=/dev/null --no-ssl --no-check-md5 --host={host} --host-bucket={host} \
         --access_key=\"$AWS_ACCESS_KEY_ID\" --secret_key=\"$AWS_SECRET_ACCESS_KEY\""
    );
    let archive =
        format!("{} --version && {client} put %p s3://{}/wal/%f", program.display(), store.bucket());
    let options = PostgresOptions::default().set("archive_mode", "on").set("archive_command", archive);
    let options =
        store.environment().into_iter().fold(options, |options, (name, value)| options.env(name, value));
    let postgres = Postgres::start(&options).unwrap();
    let segment = postgres.sql("postgres", "select pg_walfile_name(pg_switch_wal())").unwrap();
    let stored = store.folder().join(store.bucket()).join("wal").join(segment);
    let deadline = Instant::now() + LIMIT;
    let question = "select archived_count > 0 from pg_stat_archiver";
    while postgres.sql("postgres", question).unwrap() != "t" {
        assert!(Instant::now() < deadline, "{:#?}", postgres.log());
    }
    assert_eq!(fs::metadata(stored).unwrap().len(), 16 << 20);
}

#[test]
fn commands_run_as_the_user_of_the_server() {
    let postgres = Postgres::start(&PostgresOptions::default()).unwrap();
    let user = postgres.runs_as().unwrap().to_string();
    assert_eq!(output(postgres.command("id").arg("-u")), user);
    assert_eq!(output(testbed::account().command("id").arg("-u")), user);
    let status = fs::read_to_string(format!("/proc/{}/status", postgres.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap();
    assert_eq!(line.split_whitespace().next(), Some(user.as_str()));
    assert_eq!(output(&mut postgres.command("pwd")), postgres.socket().display().to_string());
}

#[test]
fn a_program_that_the_user_is_kept_from_is_lent_as_a_copy() {
    let folder = DataFolder::make().unwrap();
    let closed = tempfile::tempdir().unwrap();
    fs::set_permissions(closed.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let program = closed.path().join("tool");
    fs::copy(PROGRAM, &program).unwrap();
    for _ in 0..2 {
        let lent = folder.lend(&program).unwrap();
        assert!(output(folder.command(&lent).arg("--version")).starts_with("testbed "));
        // Whoever may be kept out is another than the caller.
        assert_eq!(lent == program, folder.owner().unwrap() == rustix::process::geteuid().as_raw());
    }
    assert!(folder.lend(Path::new("no/such/program")).is_err());
}

#[test]
fn restored_data_are_started_on_a_port_of_their_own_and_go_with_the_server() {
    let original = Postgres::start(&PostgresOptions::default()).unwrap();
    original.sql("postgres", "create table kept as select 7 as number").unwrap();
    let folder = base_backup(&original);
    let path = folder.path().to_owned();
    let options = PostgresOptions::default().set("work_mem", "7MB");
    let mut restored = Postgres::adopt(folder, &options).unwrap();
    restored.wait_for_recovery(LIMIT).unwrap();
    assert_eq!(restored.sql("postgres", "select number from kept; show work_mem").unwrap(), "7\n7MB");
    assert_ne!(restored.port(), original.port());
    let identity = "select system_identifier from pg_control_system()";
    assert_eq!(restored.sql("postgres", identity).unwrap(), original.sql("postgres", identity).unwrap());
    drop(restored);
    assert!(!path.exists());
}

#[test]
fn a_recovery_that_fails_is_told_with_the_log_of_the_server() {
    let original = Postgres::start(&PostgresOptions::default()).unwrap();
    let folder = base_backup(&original);
    write(&folder, "recovery.signal", "");
    let options = PostgresOptions::default()
        .set("restore_command", "false")
        .set("recovery_target_time", "2100-01-01 00:00:00+00");
    // Which of the two notices is a matter of time.
    let recovered =
        Postgres::adopt(folder, &options).and_then(|mut restored| restored.wait_for_recovery(LIMIT));
    let error = recovered.unwrap_err().to_string();
    assert!(error.contains("recovery ended before configured recovery target was reached"), "{error}");
}

#[test]
fn a_recovery_that_does_not_end_is_told() {
    let original = Postgres::start(&PostgresOptions::default()).unwrap();
    let mut standby = original.standby(&[Setting::new("work_mem", "6MB")]).unwrap();
    let error = standby.wait_for_recovery(Duration::from_millis(300)).unwrap_err().to_string();
    assert!(error.contains("in vain for the end of its recovery"), "{error}");
}

#[test]
fn a_folder_without_data_is_told() {
    let folder = DataFolder::make().unwrap();
    let data = folder.data();
    let error = Postgres::adopt(folder, &PostgresOptions::default()).unwrap_err().to_string();
    assert_eq!(error, format!("{}: cannot be written", data.join("postgresql.conf").display()));
}
