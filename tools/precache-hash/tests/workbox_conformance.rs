//! `--format workbox` and `inject` against the package they replace: `workbox-build` from npm, run by Node.
//!
//! The peer's order is that of its walk, so its entries are compared after sorting by URL.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper of a test that fails is a failed test"
)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use assert_cmd::cargo::cargo_bin;
use serde_json::{Value, json};

const NPM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/npm");

/// Calls the function of `workbox-build` named in the request and prints what it returns, sorted as ours is.
const PEER: &str = r"
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
const { call, options } = JSON.parse(readFileSync(0, 'utf8'));
const workbox = createRequire(process.cwd() + '/')('workbox-build');
const byUrl = (a, b) => Buffer.compare(Buffer.from(a.url), Buffer.from(b.url));
if (options.dontCacheBustURLsMatching) options.dontCacheBustURLsMatching = new RegExp(options.dontCacheBustURLsMatching);
if (call === 'injectManifest') options.manifestTransforms = [(all) => ({ manifest: all.sort(byUrl) })];
const result = await workbox[call](options);
result.manifestEntries?.sort(byUrl);
console.log(JSON.stringify(result));
";

fn workbox(call: &str, options: &Value) -> Value {
    let mut peer = Command::new("node");
    peer.current_dir(NPM).args(["--input-type=module", "--eval", PEER]);
    let request = json!({"call": call, "options": options}).to_string();
    let output = assert_cmd::Command::from_std(peer).write_stdin(request).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "workbox-build is installed by scripts/setup test: {stderr}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn ours(arguments: &[&str]) -> String {
    let output = Command::new(cargo_bin("precache-hash")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn write(folder: &Path, path: &str, content: &[u8]) {
    let file = folder.join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, content).unwrap();
}

/// Every kind of name that both can list: what a browser needs encoded and Workbox does not encode is left out.
fn odd_tree() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let names = [
        "index.html",
        "a b.js",
        "😀.js",
        "ﬀ.css",
        "e\u{301}.js",
        "é.js",
        "Z.js",
        "z.js",
        "[x].js",
        "(y).js",
        "$&.js",
        "^.js",
        "a+b.js",
        "a|b.js",
        "{c}.js",
        "a&b=c;d,e@f:g.js",
        "quote\"'.js",
        "日本/語.html",
        "-dash.css",
        "0.js",
        "10.js",
        "deep/er/and/deeper.wasm",
        "node_modules/no.js",
        ".hidden/no.js",
        ".dot.js",
        "logo.png",
        "app.js.map",
    ];
    for name in names {
        write(folder.path(), name, format!("content of {name}").as_bytes());
    }
    write(folder.path(), "empty.js", b"");
    write(folder.path(), "limit.js", &vec![b'x'; 2_097_152]);
    symlink("deep/er", folder.path().join("link")).unwrap();
    symlink("z.js", folder.path().join("linked.js")).unwrap();
    folder
}

fn check(options: Value, arguments: &[&str]) {
    let folder = odd_tree();
    write(folder.path(), "over.js", &vec![b'x'; 2_097_153]);
    let root = folder.path().to_str().unwrap();
    let mut peer_options = json!({"globDirectory": root});
    peer_options.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    let expected = workbox("getManifest", &peer_options);
    let entries: Value = serde_json::from_str(&ours(&[&[root, "--skip-large"], arguments].concat())).unwrap();
    assert!(entries.as_array().unwrap().len() > 3, "a comparison of nothing shows nothing");
    assert_eq!(entries, expected["manifestEntries"], "{arguments:?}");
}

#[test]
fn defaults_list_the_same_entries_on_odd_names_links_and_size_limits() {
    check(json!({}), &[]);
}

#[test]
fn globs_and_dotfiles_mean_the_same() {
    check(json!({"globPatterns": ["**/*"]}), &["--include", "**/*"]);
    check(
        json!({"globPatterns": ["*.{js,css}", ".hidden/*"]}),
        &["--include", "*.{js,css}", "--include", ".hidden/*"],
    );
    check(
        json!({"globPatterns": ["**/*.js"], "globIgnores": ["**/[a-z]*", "日本/**"]}),
        &["--include", "**/*.js", "--exclude", "**/[a-z]*", "--exclude", "日本/**"],
    );
    check(
        json!({"globPatterns": ["**/?.js", "deep/**/*.wasm"]}),
        &["--include", "**/?.js", "--include", "deep/**/*.wasm"],
    );
}

#[test]
fn prefixes_and_dropped_revisions_mean_the_same() {
    check(
        json!({"modifyURLPrefix": {"deep/": "/static/", "": "/app/"}}),
        &["--prefix", "deep/=/static/", "--prefix", "=/app/"],
    );
    check(json!({"dontCacheBustURLsMatching": r"^[a-z]\.|\d"}), &["--no-revision", r"^[a-z]\.|\d"]);
    check(
        json!({"modifyURLPrefix": {"z": "y"}, "dontCacheBustURLsMatching": "^y"}),
        &["--prefix", "z=y", "--no-revision", "^y"],
    );
}

#[test]
fn additional_and_templated_entries_mean_the_same() {
    let additional = json!([{"url": "/api/first", "revision": "7"}, {"url": "zz-last", "revision": null}]);
    check(json!({"additionalManifestEntries": additional}), &["--add", "/api/first=7", "--add", "zz-last"]);
    let templated = json!({"/shell": ["index.html", "-dash.css"], "/text": "version 1"});
    check(
        json!({"templatedURLs": templated}),
        &["--templated", "/shell=index.html,-dash.css", "--templated", "/text=text:version 1"],
    );
}

#[test]
fn size_limit_is_inclusive() {
    check(json!({"maximumFileSizeToCacheInBytes": 2_097_153}), &["--max-size", "2097153"]);
    check(json!({"maximumFileSizeToCacheInBytes": 20}), &["--max-size", "20"]);
}

#[test]
fn injection_gives_the_same_worker() {
    let folder = odd_tree();
    let root = folder.path().to_str().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let path = |name: &str| outside.path().join(name).to_str().unwrap().to_owned();
    let (source, theirs, manifest) = (path("source.js"), path("theirs.js"), path("manifest.json"));
    // A dollar in a name would be expanded by the peer's String.replace.
    fs::remove_file(folder.path().join("$&.js")).unwrap();
    fs::write(&source, "importScripts('x');\nprecacheAndRoute(self.__WB_MANIFEST, {});\n// é\n").unwrap();
    workbox("injectManifest", &json!({"globDirectory": root, "swSrc": source, "swDest": theirs}));
    fs::write(&manifest, ours(&[root])).unwrap();
    let injected = ours(&["inject", &source, "--manifest", &manifest]);
    assert_eq!(injected, fs::read_to_string(theirs).unwrap());
}
