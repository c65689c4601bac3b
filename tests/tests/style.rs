//! The house style, as far as a program can see it: sizes, names, anatomy, and nothing of one machine in the tree.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper that fails, fails its test")]

use std::fs;
use std::path::{Path, PathBuf};

/// Tracked text files by extension, with their contents.
fn sources(extensions: &[&str]) -> Vec<(PathBuf, String)> {
    let is_wanted = |path: &PathBuf| {
        extensions.contains(&path.extension().and_then(|extension| extension.to_str()).unwrap_or_default())
    };
    let files = pipelines::tracked_files().unwrap().into_iter().filter(is_wanted);
    files.map(|path| (fs::read_to_string(pipelines::root().join(&path)).unwrap(), path)).map(swap).collect()
}

fn swap((text, path): (String, PathBuf)) -> (PathBuf, String) {
    (path, text)
}

/// Tracked files that a shell runs, by name or by first line.
fn shell_scripts() -> Vec<(PathBuf, String)> {
    let files = pipelines::tracked_files().unwrap().into_iter();
    let texts =
        files.filter_map(|path| Some((fs::read_to_string(pipelines::root().join(&path)).ok()?, path)));
    let is_shell = |text: &str, path: &Path| {
        path.extension().is_some_and(|extension| extension == "sh")
            || text.starts_with("#!") && text.lines().next().is_some_and(|line| line.ends_with("sh"))
    };
    texts.filter(|(text, path)| is_shell(text, path)).map(swap).collect()
}

/// Fails with every complaint at once.
#[track_caller]
fn assert_none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn files_are_short() {
    let limit = |path: &Path| match path {
        path if path.ends_with("src/main.rs") => 25,
        path if path.ends_with("src/lib.rs") => 150,
        _ => 400,
    };
    let texts = sources(&["rs", "mjs", "js", "ts", "py", "sh"]);
    assert!(texts.len() > 50, "the list of files is not what this test reads");
    let long = texts.iter().filter(|(path, text)| text.lines().count() > limit(path));
    assert_none(
        long.map(|(path, text)| format!("{}: {} lines", path.display(), text.lines().count())).collect(),
    );
}

#[test]
fn every_module_says_what_it_knows() {
    let mute = |(path, text): &&(PathBuf, String)| {
        !text.starts_with("//!")
            && !path.starts_with("testdata")
            && path.file_name() != Some("build.rs".as_ref())
    };
    let texts = sources(&["rs"]);
    assert_none(
        texts.iter().filter(mute).map(|(path, _)| format!("{}: no //! at its top", path.display())).collect(),
    );
}

#[test]
fn modules_are_named_after_what_they_know() {
    let vague = ["utils", "util", "helpers", "helper", "misc", "manager", "common"];
    let is_vague = |path: &PathBuf| {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        vague.contains(&stem)
    };
    let files = pipelines::tracked_files().unwrap();
    assert_none(files.iter().filter(|path| is_vague(path)).map(|path| path.display().to_string()).collect());
}

#[test]
fn every_tool_has_the_same_anatomy() {
    let parts = [
        "Cargo.toml",
        "src/main.rs",
        "src/lib.rs",
        "src/cli.rs",
        "src/error.rs",
        "tests/cli.rs",
        "tests/cmd",
    ];
    let mut absent = Vec::new();
    for tool in tools() {
        let parts = parts.iter().map(|part| format!("tools/{tool}/{part}"));
        absent.extend(parts.filter(|part| !pipelines::root().join(part).exists()));
    }
    assert_none(absent);
}

#[test]
fn every_page_of_a_tool_has_the_six_headings() {
    let headings = ["What it decides", "Quick start", "Options", "Output fields", "Exit codes", "Limits"];
    let pages = tools().into_iter().map(|tool| format!("docs/{tool}.md"));
    let pages: Vec<_> = pages.filter(|page| pipelines::root().join(page).exists()).collect();
    assert!(pages.contains(&"docs/precache-hash.md".to_owned()), "a finished tool has a page");
    for page in pages {
        let text = fs::read_to_string(pipelines::root().join(&page)).unwrap();
        let found: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(found, headings, "{page}");
    }
}

/// The folders in `tools` that hold a program.
fn tools() -> Vec<String> {
    let folders = fs::read_dir(pipelines::root().join("tools")).unwrap().map(|entry| entry.unwrap().path());
    let programs = folders.filter(|folder| folder.join("src/main.rs").exists());
    programs.map(|folder| folder.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn scripts_stop_at_the_first_failure() {
    let scripts = shell_scripts();
    assert!(
        scripts.iter().any(|(path, _)| path.ends_with("scripts/test")),
        "the list is not what this test reads"
    );
    let careless = scripts.iter().filter(|(_, text)| !text.lines().any(|line| line == "set -euo pipefail"));
    assert_none(careless.map(|(path, _)| format!("{}: no set -euo pipefail", path.display())).collect());
}

#[test]
fn nothing_in_the_tree_knows_one_machine() {
    // In parts, so that this file does not hold what it looks for.
    let marks = [
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
        concat!("/wo", "rk/"),
        concat!("/tmp/", "target"),
        concat!("/tmp/", "plan"),
        concat!("../sha", "red"),
        concat!("/Us", "ers/"),
    ];
    let mut found = Vec::new();
    for path in pipelines::tracked_files().unwrap() {
        let Ok(text) = fs::read_to_string(pipelines::root().join(&path)) else { continue };
        for (number, line) in text.lines().enumerate() {
            for mark in marks.iter().filter(|mark| line.contains(*mark)) {
                found.push(format!("{}:{}: {mark}", path.display(), number + 1));
            }
        }
    }
    assert_none(found);
}

#[test]
fn lock_files_name_no_mirror() {
    for path in pipelines::tracked_files().unwrap() {
        let text = || fs::read_to_string(pipelines::root().join(&path)).unwrap();
        match path.file_name().and_then(|name| name.to_str()) {
            Some("package-lock.json") => {
                assert!(!text().contains("\"resolved\""), "{}: has addresses", path.display());
            }
            Some("Cargo.lock") => {
                let index = "registry+https://github.com/rust-lang/crates.io-index";
                let text = text();
                let sources = text.lines().filter_map(|line| line.strip_prefix("source = "));
                for source in sources {
                    assert_eq!(source.trim_matches('"'), index, "{}", path.display());
                }
            }
            _ => {}
        }
    }
}

#[test]
fn tests_wait_for_events_and_skip_nothing() {
    let banned = [
        concat!("#[ign", "ore"),
        concat!("thread::sl", "eep"),
        concat!("time::sl", "eep("),
        concat!(".sk", "ip("),
        concat!("waitFor", "Timeout"),
    ];
    let tests =
        sources(&["rs", "mjs"]).into_iter().filter(|(path, _)| path.iter().any(|part| part == "tests"));
    let found = tests.flat_map(|(path, text)| {
        let marks: Vec<_> = banned.iter().filter(|mark| text.contains(**mark)).collect();
        marks.into_iter().map(move |mark| format!("{}: {mark}", path.display())).collect::<Vec<_>>()
    });
    // An iterator's `skip` is no skipped test.
    assert_none(found.filter(|text| !(text.ends_with(banned[3]) && text.contains(".rs:"))).collect());
}
