//! The scripts that the README shows, run whole.
#![allow(clippy::unwrap_used, reason = "a helper that fails, fails its test")]

use std::fs;

use pipelines::world::{Did, World};
use testbed::Site;

fn script(world: &World, line: &str) -> Did {
    world.run(&format!("{}/scripts/{line}", pipelines::root().display())).unwrap()
}

fn release() -> World {
    let world = World::new("testdata/builds").unwrap();
    let made = script(&world, "make-release release-1 src/sw.js 1");
    assert_eq!(made, Did { exit: 0, output: String::new() });
    world
}

#[test]
fn making_a_release_twice_changes_nothing() {
    let world = release();
    let folder = world.folder().join("release-1");
    let state = || {
        let names = ["sw.js", "version.json", "manifest-hash.js", "../release-1.json"];
        names.map(|name| {
            (
                fs::read(folder.join(name)).unwrap(),
                fs::metadata(folder.join(name)).unwrap().modified().unwrap(),
            )
        })
    };
    let before = state();
    assert_eq!(script(&world, "make-release release-1 src/sw.js 1").exit, 0);
    assert_eq!(state(), before);
}

#[test]
fn a_release_without_worker_leaves_the_old_version_announced() {
    let world = release();
    let version = world.folder().join("release-1/version.json");
    let before = fs::read(&version).unwrap();
    let failed = script(&world, "make-release release-1 src/absent.js 2");
    assert_eq!(failed.exit, 2, "{}", failed.output);
    assert_eq!(fs::read(&version).unwrap(), before);
}

#[test]
fn every_edge_is_checked_and_the_worst_answer_counts() {
    let world = release();
    let good = Site::serve(world.folder().join("release-1")).unwrap();
    let old = Site::serve(world.folder().join("release-2")).unwrap();
    let all_good = script(&world, &format!("check-edges release-1.json {} {}", good.url(), good.url()));
    assert_eq!(all_good.exit, 0, "{}", all_good.output);
    let one_bad =
        script(&world, &format!("check-edges release-1.json {} {} {}", good.url(), old.url(), good.url()));
    assert_eq!(one_bad.exit, 1, "{}", one_bad.output);
    assert!(one_bad.output.contains("index.html: expected"), "{}", one_bad.output);
    assert_eq!(script(&world, "check-edges release-1.json http://127.0.0.1:9/").exit, 75);
    assert_eq!(script(&world, "check-edges release-1.json").exit, 2);
}

#[test]
fn the_recording_shows_what_the_session_prints_today() {
    let world = World::new("testdata/builds").unwrap();
    let recording = fs::read_to_string(pipelines::root().join("docs/recording.svg")).unwrap();
    let session = fs::read_to_string(pipelines::root().join("scripts/lib/session")).unwrap();
    let commands = session.lines().filter_map(|line| line.strip_prefix("enter '")?.strip_suffix('\''));
    let shown = |line: &str| line.split_whitespace().all(|word| recording.contains(&xml_text(word)));
    let mut lines = 0;
    for command in commands {
        for line in world.run(&format!("set -o pipefail; {command}")).unwrap().output.lines() {
            // Long lines are wrapped in the picture.
            lines += usize::from(line.len() < 100);
            assert!(line.len() >= 100 || shown(line), "run scripts/record again: {line}");
        }
    }
    assert!(lines > 5, "the session prints nothing");
}

fn xml_text(word: &str) -> String {
    word.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
