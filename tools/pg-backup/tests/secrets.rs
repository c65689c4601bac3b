//! Where a secret must not be: a run is stopped in the middle, and everything that others can see of it is searched for
//! the password of the database, the key of the store and the key that decrypts; once more when it is over.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails, fails its test")]

mod aftermath;
mod ground;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use aftermath::{ended, mark, marked_ids, signal, start};
use age::secrecy::ExposeSecret;
use ground::{Done, Ground, done};
use rustix::process::Signal;
use testbed::{PostgresOptions, S3Server, Stop};

/// As it is, as an address escapes it, and a piece of both.
const PASSWORD: &str = "pa:ss/w0rd#geheim";
const ESCAPED: &str = "pa%3Ass%2Fw0rd%23geheim";
const PIECE: &str = "w0rd";
/// What signs requests to the store of the tests.
const STORE_KEY: &str = "testbed-secret";
/// The user `keeper` has to prove who it is.
const ACCESS: &str = "host all keeper 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n";

struct Vault {
    ground: Ground,
    key: age::x25519::Identity,
    identity: String,
    url_file: String,
    /// Where temporary files go.
    scratch: PathBuf,
}

impl Vault {
    fn open() -> Vault {
        let shelf = ground::Shelf::S3(S3Server::start().unwrap());
        let mut ground = Ground::over(shelf, &PostgresOptions::default());
        ground.shop(20_000);
        ground.sql(&format!("create role keeper superuser login password '{PASSWORD}'"));
        fs::write(ground.postgres.data().join("pg_hba.conf"), ACCESS).unwrap();
        ground.postgres.stop(Stop::Fast).unwrap();
        ground.postgres.start_again().unwrap();
        let key = age::x25519::Identity::generate();
        let identity = ground.identity_file("identity", &key);
        let url = ground.postgres.url("erp").replace("postgres@", &format!("keeper:{ESCAPED}@"));
        assert!(url.contains(ESCAPED), "{url}");
        let url_file = ground.folder.path().join("url");
        fs::write(&url_file, url).unwrap();
        let scratch = ground.folder.path().join("scratch");
        fs::create_dir(&scratch).unwrap();
        Vault { ground, key, identity, url_file: url_file.display().to_string(), scratch }
    }

    /// As talkative as it can be.
    fn create(&self, flags: &[&str]) -> Command {
        let recipient = self.key.to_public().to_string();
        let usual = ["create", "-v", "-v", "--log-format", "json", "--recipient", &recipient];
        let mut command =
            self.ground.command(&[&usual[..], &["--database-url-file", &self.url_file], flags].concat());
        command.env_remove("DATABASE_URL").env("TMPDIR", &self.scratch).current_dir(&self.scratch);
        command
    }

    #[track_caller]
    fn assert_clean(&self, place: &str, bytes: &[u8]) {
        let key = self.key.to_string();
        let secrets =
            [PASSWORD, ESCAPED, PIECE, STORE_KEY, key.expose_secret(), &key.expose_secret()[20..40]];
        for secret in secrets {
            let is_there = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!is_there, "{place}: holds {secret:?}");
        }
    }

    /// What was said, and every file in the store and among the temporary ones.
    #[track_caller]
    fn assert_left_clean(&self, said: &Done) {
        self.assert_clean("stdout", said.stdout.as_bytes());
        self.assert_clean("stderr", said.stderr.as_bytes());
        for path in files(&self.ground.shelf.files()).into_iter().chain(files(&self.scratch)) {
            self.assert_clean(&path.display().to_string(), &fs::read(&path).unwrap());
        }
    }

    /// What `/proc` shows of a stopped run and of its programs.
    fn assert_seen_clean(&self, own: u32, name: &str) {
        let all = marked_ids(name);
        assert!(all.contains(&own) && all.len() > 1, "a program is at work: {all:?}");
        for id in all {
            let read = |file: &str| fs::read(format!("/proc/{id}/{file}")).unwrap_or_default();
            let line = String::from_utf8_lossy(&read("cmdline")).into_owned();
            self.assert_clean(&format!("arguments: {line}"), line.as_bytes());
            // The key of the store came by our own environment, which is its place.
            if id != own {
                self.assert_clean(&format!("environment of: {line}"), &read("environ"));
            }
            let limits = String::from_utf8_lossy(&read("limits")).into_owned();
            let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap_or_default();
            let core: Vec<_> = core.split_whitespace().skip(4).take(2).collect();
            assert_eq!(core, ["1", "1"], "{line}");
        }
        for path in files(&self.scratch) {
            self.assert_clean(&path.display().to_string(), &fs::read(&path).unwrap());
            assert_eq!(mode(&path), 0o600, "{}", path.display());
            let folder = path.strip_prefix(&self.scratch).unwrap().components().next().unwrap();
            assert_eq!(mode(&self.scratch.join(folder)), 0o700, "{folder:?}");
        }
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()) {
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found
}

#[test]
fn nobody_sees_a_secret_of_a_run_or_of_what_it_leaves() {
    let vault = Vault::open();
    let in_files = ["--json", "--layout", "directory", "--jobs", "2"];
    for (flags, point) in [
        (&["--json"][..], "snapshot"),
        (&["--json"], "read:2"),
        (&[], "ended"),
        (&in_files, "dumping"),
        (&in_files, "read:1"),
    ] {
        let name = format!("secrets at {point} {flags:?}");
        let mut run = vault.create(flags);
        mark(&mut run, &name);
        let run = start(run.env("SLIPWAY_FAULT", format!("{point}=stop")));
        vault.ground.wait_until_stopped(run.id());
        if matches!(point, "read:2" | "dumping") {
            vault.assert_seen_clean(run.id(), &name);
        }
        vault.assert_left_clean(&Done { code: 0, stdout: String::new(), stderr: String::new() });
        vault.ground.resume(run.id());
        vault.assert_left_clean(&ended(run).expect(0));
    }
}

#[test]
fn nothing_that_a_backup_holds_is_a_secret() {
    let vault = Vault::open();
    let made = done(&mut vault.create(&["--json"])).expect(0).summary();
    let id = made["id"].as_str().unwrap();
    let shown = vault.ground.run(&["show", id, "--json"]).expect(0);
    vault.assert_left_clean(&shown);
    for object in shown.summary()["manifest"]["objects"].as_array().unwrap() {
        let name = object["name"].as_str().unwrap();
        let flags = ["-v", "-v", "cat", id, "--object", name, "--identity", &vault.identity];
        let content = vault.ground.run(&flags).expect(0);
        vault.assert_clean(name, content.stdout.as_bytes());
        vault.assert_clean(name, content.stderr.as_bytes());
        // Nor what a password could be guessed from, unless it was asked for.
        assert!(!content.stdout.contains("SCRAM-SHA-256"), "{name}");
    }
}

#[test]
fn no_mistake_of_the_user_repeats_a_secret() {
    let vault = Vault::open();
    let broken = vault.ground.folder.path().join("broken");
    let key = vault.key.to_string();
    let check = |command: &mut Command, code: i32| {
        let said = done(command);
        assert_eq!(said.code, code, "{}{}", said.stdout, said.stderr);
        vault.assert_clean("stdout", said.stdout.as_bytes());
        vault.assert_clean("stderr", said.stderr.as_bytes());
    };
    for (address, code) in [
        (format!("postgres://keeper:{ESCAPED}@127.0.0.1:port/erp"), 2),
        (format!("mysql://keeper:{ESCAPED}@127.0.0.1/erp"), 2),
        (format!("keeper:{ESCAPED}"), 2),
        (format!("postgres://keeper:{ESCAPED}@127.0.0.1:1/erp"), 75),
        // The password of another: it is refused by the server.
        (vault.ground.postgres.url("erp").replace("postgres@", &format!("keeper:{PIECE}@")), 2),
    ] {
        fs::write(&broken, address).unwrap();
        let file = broken.display().to_string();
        for format in [&["--json"][..], &["-v", "-v"]] {
            let arguments =
                [&["create", "--log-format", "json", "--database-url-file", &file], format].concat();
            check(vault.ground.command(&arguments).env_remove("DATABASE_URL"), code);
        }
    }
    let address = format!("postgres://keeper:{ESCAPED}@127.0.0.1/erp");
    for wrong in [
        vec![format!("--database-url={address}")],
        vec!["--database-url-file".to_owned(), address],
        vec!["--store".to_owned(), format!("s3://testbed:{STORE_KEY}@backups/x")],
        vec!["--recipient".to_owned(), key.expose_secret().to_owned()],
    ] {
        let mut arguments = vec!["create".to_owned()];
        arguments.extend(wrong);
        check(&mut vault.ground.command(&arguments), 2);
    }
}

#[test]
fn a_crash_leaves_no_core() {
    let vault = Vault::open();
    let mut run = vault.create(&[]);
    let program = run.get_program().to_owned();
    let arguments: Vec<_> = run.get_args().map(ToOwned::to_owned).collect();
    let mut shell = Command::new("bash");
    shell.args(["-c", "ulimit -S -c $(ulimit -H -c); exec \"$0\" \"$@\""]).arg(program).args(arguments);
    for (name, value) in run.env("SLIPWAY_FAULT", "snapshot=stop").get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let mut run =
        shell.current_dir(&vault.scratch).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    vault.ground.wait_until_stopped(run.id());
    signal(&run, Signal::ABORT);
    vault.ground.resume(run.id());
    let status = run.wait().unwrap();
    assert_eq!((status.signal(), status.core_dumped()), (Some(6), false));
    assert_eq!(files(&vault.scratch), Vec::<PathBuf>::new());
}
