//! Build folders that break other tools: links, names without URL, unreadable files, our own outputs.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper of a test that fails is a failed test"
)]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use assert_cmd::cargo::cargo_bin;

struct Tree(tempfile::TempDir);

impl Tree {
    /// A folder `dist` with `index.html` and these files, their content being their name.
    fn with(names: &[&str]) -> Tree {
        let tree = Tree(tempfile::tempdir().unwrap());
        for name in ["index.html"].iter().chain(names) {
            tree.write(name, name);
        }
        tree
    }

    fn dist(&self) -> std::path::PathBuf {
        self.0.path().join("dist")
    }

    fn write(&self, path: &str, content: &str) {
        let file = self.dist().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }

    fn link(&self, target: impl AsRef<Path>, path: &str) {
        symlink(target, self.dist().join(path)).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(cargo_bin("precache-hash"));
        command.current_dir(self.0.path()).args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn stdout(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The run prints nothing, says `message` and ends with `code`.
    fn refuses(&self, arguments: &[&str], code: i32, message: &str) {
        let output = self.run(arguments);
        assert_eq!(String::from_utf8_lossy(&output.stderr).lines().next().unwrap(), message);
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(code), &b""[..]), "{arguments:?}");
    }
}

#[test]
fn one_bad_entry_is_named_and_never_empties_the_list() {
    let tree = Tree::with(&["a.js"]);
    tree.link("nothing", "dangling.js");
    tree.refuses(&["dist"], 2, "error: dist: dangling.js: the link leads to nothing");
    tree.refuses(&["dist", "-o", "out.json"], 2, "error: dist: dangling.js: the link leads to nothing");
    assert!(!tree.0.path().join("out.json").exists());
    let unwanted = tree.stdout(&["dist", "--format", "urls", "--include", "*.html"]);
    assert_eq!(unwanted, "index.html\n", "a bad file that is not listed is no problem");
}

#[test]
fn links_stay_inside_unless_told_otherwise() {
    let tree = Tree::with(&["a/x.js"]);
    tree.link("a", "inner");
    assert_eq!(tree.stdout(&["dist", "--format", "urls"]), "a/x.js\nindex.html\ninner/x.js\n");
    assert_eq!(tree.stdout(&["dist", "--format", "urls", "--symlinks", "skip"]), "a/x.js\nindex.html\n");
    tree.refuses(
        &["dist", "--symlinks", "refuse", "--include", "**/*"],
        2,
        "error: dist: inner: is a symbolic link",
    );
    fs::create_dir(tree.0.path().join("elsewhere")).unwrap();
    fs::write(tree.0.path().join("elsewhere/y.js"), "y").unwrap();
    tree.link("../elsewhere", "outer");
    tree.refuses(&["dist"], 2, "error: dist: outer: the link leaves the folder");
    let anywhere = tree.stdout(&["dist", "--format", "urls", "--symlinks", "anywhere"]);
    assert_eq!(anywhere, "a/x.js\nindex.html\ninner/x.js\nouter/y.js\n");
    tree.link(".", "a/loop");
    fs::remove_file(tree.dist().join("inner")).unwrap();
    fs::remove_file(tree.dist().join("outer")).unwrap();
    tree.refuses(&["dist"], 2, "error: dist: a/loop: the link leads in a circle");
}

#[test]
fn names_without_a_url_are_refused() {
    let tree = Tree::with(&[]);
    fs::write(tree.dist().join(OsStr::from_bytes(b"bad\xff.js")), "x").unwrap();
    tree.refuses(&["dist"], 2, "error: dist: bad\u{fffd}.js: the name is not UTF-8");
}

#[test]
fn an_unreadable_file_is_named() {
    let tree = Tree::with(&["secret.js"]);
    fs::set_permissions(tree.dist().join("secret.js"), fs::Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(tree.0.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = tree.command(&["dist"]);
    if rustix::process::geteuid().is_root() {
        // Root may read everything, so the run gives that up. The binary itself may lie where only root can read.
        let copy = tree.0.path().join("precache-hash");
        fs::copy(cargo_bin("precache-hash"), &copy).unwrap();
        command = Command::new("setpriv");
        command.args(["--reuid=65534", "--clear-groups"]).arg(copy).arg("dist").current_dir(tree.0.path());
    }
    let output = command.output().unwrap();
    let message = "error: dist: secret.js: cannot be read: Permission denied (os error 13)\n";
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(2), message));
}

#[test]
fn a_pipe_in_the_folder_is_refused_and_not_waited_for() {
    let tree = Tree::with(&[]);
    let pipe = tree.dist().join("pipe.js");
    assert!(Command::new("mkfifo").arg(pipe).status().unwrap().success());
    tree.refuses(&["dist"], 2, "error: dist: pipe.js: is not a regular file");
}

#[test]
fn own_outputs_never_list_themselves() {
    let tree = Tree::with(&["a.js"]);
    let all = ["dist", "--format", "json", "--include", "**/*"];
    let before = tree.stdout(&all);
    tree.write("worker.js", "precacheAndRoute(self.__WB_MANIFEST)");
    let hash =
        |tree: &Tree| tree.stdout(&["dist", "--print-hash", "--worker", "worker.js", "--include", "**/*"]);
    let hash_before = hash(&tree);
    fs::write(tree.0.path().join("manifest.json"), &before).unwrap();
    tree.stdout(&[
        "inject",
        "dist/worker.js",
        "--manifest",
        "manifest.json",
        "-o",
        "dist/sw.js",
        "--version-file",
        "dist/version.json",
        "--page-hash",
        "dist/manifest-hash.js",
    ]);
    assert_eq!(hash(&tree), hash_before, "inject changes no hash");
    fs::remove_file(tree.dist().join("worker.js")).unwrap();
    assert_eq!(tree.stdout(&all), before);
    tree.stdout(&["dist", "--format", "json", "--include", "**/*", "-o", "dist/manifest.json"]);
    assert_eq!(
        fs::read_to_string(tree.dist().join("manifest.json")).unwrap(),
        before,
        "-o inside the folder"
    );
    tree.stdout(&["dist", "--format", "json", "--include", "**/*", "-o", "dist/manifest.json"]);
    assert_eq!(fs::read_to_string(tree.dist().join("manifest.json")).unwrap(), before, "-o once more");
    fs::remove_file(tree.dist().join("manifest.json")).unwrap();
    let file = fs::File::create(tree.dist().join("redirected.json")).unwrap();
    assert!(tree.command(&all).stdout(Stdio::from(file)).status().unwrap().success());
    assert_eq!(fs::read_to_string(tree.dist().join("redirected.json")).unwrap(), before, "redirected stdout");
}

#[test]
fn same_bytes_whatever_the_order_locale_and_threads() {
    let names: Vec<String> = (0..200).map(|index| format!("d{}/f{index}é.js", index % 7)).collect();
    let tree = Tree::with(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let expected = tree.stdout(&["dist", "--format", "json", "-j", "1"]);
    for threads in ["2", "7"] {
        assert_eq!(tree.stdout(&["dist", "--format", "json", "-j", threads]), expected);
    }
    let output = tree
        .command(&["dist", "--format", "json"])
        .env("LC_ALL", "tr_TR.UTF-8")
        .env("TZ", "Asia/Seoul")
        .output();
    assert_eq!(String::from_utf8(output.unwrap().stdout).unwrap(), expected);
    let list: String =
        names.iter().rev().map(|name| format!("dist/{name}\0")).chain(["dist/index.html\0".into()]).collect();
    let listed =
        assert_cmd::Command::from_std(tree.command(&["dist", "--format", "json", "-0", "--files-from", "-"]))
            .write_stdin(list)
            .output();
    assert_eq!(String::from_utf8(listed.unwrap().stdout).unwrap(), expected, "a list in reverse order");
}

#[test]
fn a_list_may_name_files_from_outside_or_inside_the_folder_and_no_others() {
    let tree = Tree::with(&["a.js"]);
    fs::write(tree.0.path().join("stray.js"), "x").unwrap();
    let listed = |list: &'static str| {
        let command = tree.command(&["dist", "--format", "urls", "--files-from", "-"]);
        assert_cmd::Command::from_std(command).write_stdin(list).output().unwrap()
    };
    assert_eq!(listed("dist/a.js\nindex.html\n").stdout, b"a.js\nindex.html\n");
    assert_eq!(listed("stray.js\n").stderr, b"error: dist: stray.js: is not below the folder\n");
    assert_eq!(listed("dist/gone.js\n").status.code(), Some(2));
}

#[test]
fn twins_are_warned_of() {
    let tree = Tree::with(&["A.js", "a.js", "caf\u{e9}.js", "cafe\u{301}.js"]);
    let output = tree.run(&["dist", "--strict"]);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(stderr.contains("`A.js` and `a.js` differ only in case or Unicode form"), "{stderr}");
    assert!(stderr.contains("`cafe\\u{301}.js` and `café.js` differ only"), "{stderr}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn checksums_are_those_of_coreutils() {
    let tree = Tree::with(&["a b.js", "back\\slash.js", "line\nfeed.js", "100%.js", "é.js"]);
    let sums = tree.stdout(&["dist", "--format", "sums"]);
    fs::write(tree.0.path().join("sums"), &sums).unwrap();
    let check = Command::new("sha256sum")
        .args(["--check", "--strict", "--quiet", "../sums"])
        .current_dir(tree.dist())
        .output();
    assert!(check.as_ref().unwrap().status.success(), "{check:?}");
    let whole = Command::new("sha256sum").arg("sums").current_dir(tree.0.path()).output().unwrap();
    let hash = tree.stdout(&["dist", "--print-hash"]);
    assert_eq!(String::from_utf8_lossy(&whole.stdout).split(' ').next(), Some(hash.trim_end()));
    tree.write("é.js", "changed");
    assert_ne!(tree.stdout(&["dist", "--print-hash"]), hash);
}

#[test]
fn an_unchanged_output_is_not_rewritten() {
    let tree = Tree::with(&[]);
    let modified = || fs::metadata(tree.0.path().join("out.json")).unwrap().modified().unwrap();
    tree.stdout(&["dist", "-o", "out.json"]);
    let before = modified();
    tree.stdout(&["dist", "-o", "out.json"]);
    assert_eq!(modified(), before);
}
