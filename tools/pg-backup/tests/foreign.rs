//! A backup is restored by programs of others alone, as docs/restore-by-hand.md tells: the bucket holds all that it
//! takes, and none of our code is needed to read it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails, fails its test")]

mod ground;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ground::{Done, Ground, done};

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/restore-by-hand")
}

/// Runs the script with nothing of ours in reach.
fn by_hand(ground: &Ground, arguments: &[&str]) -> Done {
    let home = ground.folder.path().join("hand");
    fs::create_dir_all(&home).unwrap();
    let environment: std::collections::HashMap<_, _> = ground.shelf.environment().into_iter().collect();
    let host = environment["AWS_ENDPOINT"].replace("http://", "");
    let config = format!(
        "[default]\naccess_key = {}\nsecret_key = {}\nhost_base = {host}\nhost_bucket = {host}\nuse_https = False\n\
         bucket_location = us-east-1\n",
        environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"],
    );
    fs::write(home.join(".s3cfg"), config).unwrap();
    let programs = ground.postgres.program("psql").parent().unwrap().display().to_string();
    let mut command = Command::new(script());
    command.args(arguments).env_clear().env("PATH", format!("{programs}:/usr/bin:/bin")).env("HOME", &home);
    command.env("TMPDIR", &home).env("STORE", ground.shelf.address()).env("TARGET", "scratch");
    command.env("IDENTITY", ground.folder.path().join("key")).env("LC_ALL", "C.UTF-8");
    command
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", ground.postgres.port().to_string())
        .env("PGUSER", "postgres");
    done(&mut command)
}

/// An encrypted backup in this layout comes back whole.
#[track_caller]
fn check(layout: &str) {
    let ground = Ground::with_s3();
    ground.shop(20_000);
    ground.sql("create table \"we'ird\tna\"\"me\" (n int); insert into \"we'ird\tna\"\"me\" values (1), (2)");
    let key = age::x25519::Identity::generate();
    ground.identity_file("key", &key);
    let recipient = key.to_public().to_string();
    let create = ["create", "--print-id", "--recipient", &recipient, "--layout", layout];
    let id = ground.run(&create).expect(0).stdout;
    let did = by_hand(&ground, &[]);
    assert_eq!(did.code, 0, "{}\n{}", did.stdout, did.stderr);
    assert!(did.stdout.ends_with(&format!("restored {} into scratch\n", id.trim())), "{}", did.stdout);
    for question in [
        "select count(*), sum(id) from \"Order\"",
        "select count(*) from recent",
        "select sum(n) from \"we'ird\tna\"\"me\"",
    ] {
        assert_eq!(ground.postgres.sql("scratch", question).unwrap(), ground.sql(question), "{question}");
    }
}

#[test]
fn an_archive_is_restored_by_hand() {
    check("custom");
}

#[test]
fn a_dump_in_many_files_is_restored_by_hand() {
    check("directory");
}

#[test]
fn a_damaged_object_stops_the_hand() {
    let ground = Ground::with_s3();
    ground.shop(1000);
    // Two of one second stand in the order of their random part.
    let mut ids = [ground.create(), ground.create()];
    ids.sort();
    let [first, second] = ids;
    let name =
        ground.objects().into_iter().find(|name| name.contains(&format!("{second}/dump.pgc"))).unwrap();
    let path = ground.shelf.files().join(name);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] = !bytes[middle];
    fs::write(&path, bytes).unwrap();
    // Without an id it is the newest.
    let did = by_hand(&ground, &[]);
    assert!(did.code != 0 && did.stderr.contains("computed checksum did NOT match"), "{}", did.stderr);
    by_hand(&ground, &[&first]).expect(0);
}

#[test]
fn the_page_shows_every_step() {
    let text = fs::read_to_string(script()).unwrap();
    let page = fs::read_to_string(script().with_file_name("../docs/restore-by-hand.md")).unwrap();
    let steps: Vec<_> = text[text.find("# 1. ").unwrap()..].split("\n\n").collect();
    assert_eq!(steps.len(), 8);
    for step in steps {
        let block: Vec<_> = step.trim_end().lines().filter(|line| !line.starts_with("# ")).collect();
        assert!(page.contains(&format!("```sh\n{}\n```", block.join("\n"))), "{step}");
    }
}
