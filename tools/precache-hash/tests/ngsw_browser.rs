//! Our `ngsw.json` in the hands of its reader: Angular's own worker in a real browser.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails, fails its test")]

use std::fs;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use assert_cmd::cargo::cargo_bin;
use serde_json::Value;
use testbed::{Chromium, Site};

const NODE_MODULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/npm/node_modules");
const DRIVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ngsw_browser.mjs");
const CONFIG: &str =
    r#"{"index": "/index.html", "assetGroups": [{"name": "all", "resources": {"files": ["/**"]}}]}"#;

/// Names that are odd and yet mean themselves in a URL.
const ODD: &[&str] = &[
    "a b.js",
    "é.js",
    "e\u{301}.js",
    "😀.js",
    "ﬀ.js",
    "[x].js",
    "a+b&c=d;e,f@g.js",
    "quote\".js",
    "^{}|~.js",
    "d/日本.js",
];

/// A release folder, its server, and a tab that shows it.
struct Tab {
    folder: tempfile::TempDir,
    driver: Child,
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    _site: Site,
    _chromium: Chromium,
}

impl Tab {
    /// Publishes a first release and opens it.
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dist = folder.path().join("dist");
        fs::create_dir(&dist).unwrap();
        fs::write(folder.path().join("ngsw-config.json"), CONFIG).unwrap();
        let worker = Path::new(NODE_MODULES).join("@angular/service-worker/ngsw-worker.js");
        assert!(worker.exists(), "{} is missing: run scripts/setup test", worker.display());
        fs::copy(worker, dist.join("ngsw-worker.js")).unwrap();
        fs::write(dist.join("index.html"), "<!doctype html><title>1</title>").unwrap();
        let (site, chromium) = (Site::serve(&dist).unwrap(), Chromium::start(&[]).unwrap());
        let mut driver = Command::new(Path::new(NODE_MODULES).join(".bin/node"))
            .args([
                DRIVER,
                &format!("{NODE_MODULES}/playwright-core/index.mjs"),
                &chromium.url(),
                &site.url(),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let commands = driver.stdin.take().unwrap();
        let answers = BufReader::new(driver.stdout.take().unwrap()).lines();
        let mut tab = Tab { folder, driver, commands, answers, _site: site, _chromium: chromium };
        tab.release(&[], "1");
        tab.ask("open");
        tab
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("dist").join(name)
    }

    fn write(&self, name: &str, content: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), content).unwrap();
    }

    /// Writes `ngsw.json` for what is in the folder.
    fn release(&self, flags: &[&str], timestamp: &str) {
        let run = Command::new(cargo_bin!("precache-hash"))
            .args(["--format", "ngsw", "--ngsw-config", "ngsw-config.json", "-o", "dist/ngsw.json", "dist"])
            .args(["--timestamp", timestamp])
            .args(flags)
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    }

    fn ask(&mut self, command: &str) -> Value {
        writeln!(self.commands, "{command}").unwrap();
        serde_json::from_str(&self.answers.next().unwrap().unwrap()).unwrap()
    }

    /// What the worker says about a new release, but for the end of the operation.
    fn check(&mut self) -> Vec<String> {
        let said: Vec<String> = serde_json::from_value(self.ask("check")).unwrap();
        said.into_iter().filter(|what| what != "OPERATION_COMPLETED").collect()
    }
}

impl Drop for Tab {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

#[test]
fn angulars_worker_installs_a_second_release_with_odd_names() {
    let mut tab = Tab::open();
    assert_eq!(tab.check(), ["NO_NEW_VERSION_DETECTED"]);
    for name in ODD {
        tab.write(name, name);
    }
    tab.release(&[], "2");
    assert_eq!(tab.check(), ["VERSION_DETECTED", "VERSION_READY"]);
    let state = tab.ask("state").to_string();
    assert!(state.contains("Driver state: NORMAL") && !state.contains("mismatch"), "{state}");
}

#[test]
fn names_that_break_in_a_url_fail_the_installation_unless_encoded() {
    let mut tab = Tab::open();
    for (number, name) in
        ["h#x.js", "q?x.js", "a\\b.js", "%41.js", "tab\there.js", "end.js "].into_iter().enumerate()
    {
        tab.write(name, name);
        tab.release(&[], &format!("{number}1"));
        let said = tab.check();
        assert!(said.last().unwrap().starts_with("VERSION_INSTALLATION_FAILED"), "{name}: {said:?}");
        tab.release(&["--encode-names"], &format!("{number}2"));
        assert_eq!(tab.check(), ["VERSION_DETECTED", "VERSION_READY"], "{name}");
        fs::remove_file(tab.path(name)).unwrap();
    }
}
