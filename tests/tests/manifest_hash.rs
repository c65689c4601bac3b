//! One hash runs through all tools. A single wrong digit in `version.json` must be refused by each of its readers.
//!
//! The reader in the browser is tried in `tests/browser`, where an event for a hash that is not served reloads nothing.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails, fails its test")]

use std::fs;

use pipelines::world::{Did, World};
use testbed::{Program, Ready, Running, Site};

/// A hub that trusts the key `ci`, and its admin address.
fn hub(world: &World) -> (Running, String) {
    assert_eq!(world.run("sw-force-refresh keygen --out ci").unwrap().exit, 0);
    let key = world.folder().join("ci.public.jwk");
    let arguments =
        "serve --listen 127.0.0.1:0 --admin 127.0.0.1:0 --origin http://localhost --json --verify-key";
    let arguments = arguments.split(' ').map(Into::into).chain([key.into_os_string()]);
    let program = Program::new(pipelines::binaries().unwrap().join("sw-force-refresh")).args(arguments);
    let hub = program.ready(Ready::Line("\"type\":\"ready\"".into())).start().unwrap();
    let ready: serde_json::Value = serde_json::from_str(hub.ready_line().unwrap()).unwrap();
    let admin = format!("http://{}", ready["admin"].as_str().unwrap());
    (hub, admin)
}

/// A release made by the recipe and served as `$site`, with `version.json` changed by `change`.
fn readers_of(change: impl Fn(&str) -> String) -> [(&'static str, Did); 3] {
    let world = World::new("testdata/builds").unwrap();
    let recipe = pipelines::root().join("scripts/make-release");
    let made = world.run(&format!("{} release-1 src/sw.js 1", recipe.display())).unwrap();
    assert_eq!(made.exit, 0, "{}", made.output);
    let (_hub, admin) = hub(&world);
    let version = world.folder().join("release-1/version.json");
    fs::write(&version, change(&fs::read_to_string(&version).unwrap())).unwrap();
    let site = Site::serve(world.folder().join("release-1")).unwrap();
    let url = site.url();
    let lines = [
        ("verify of the folder", "precache-hash verify release-1.json release-1".to_owned()),
        ("verify of the server", format!("precache-hash verify release-1.json {url}")),
        (
            "preflight of send",
            format!(
                "precache-hash --print-hash release-1 | sw-force-refresh send --key ci.private.jwk \
                 --allow-empty --hub {admin} --preflight-url {}/version.json",
                url.trim_end_matches('/')
            ),
        ),
    ];
    lines.map(|(name, line)| (name, world.run(&line).unwrap()))
}

fn exits(change: impl Fn(&str) -> String) -> Vec<(&'static str, i32)> {
    readers_of(change).into_iter().map(|(name, did)| (name, did.exit)).collect()
}

#[test]
fn every_reader_takes_the_right_hash() {
    let right = [("verify of the folder", 0), ("verify of the server", 0), ("preflight of send", 0)];
    assert_eq!(exits(str::to_owned), right);
}

#[test]
fn every_reader_refuses_one_wrong_digit() {
    let wrong = [("verify of the folder", 1), ("verify of the server", 1), ("preflight of send", 2)];
    let other_digit = |text: &str| text.replacen("sha256:16", "sha256:17", 1);
    assert_eq!(exits(other_digit), wrong);
    let no_digit = |text: &str| text.replacen("sha256:16", "sha256:1g", 1);
    assert_eq!(exits(no_digit), wrong);
}
