//! A folder against its manifest.

use std::fs;

use crate::Build;

const FORMATS: &[&[&str]] = &[
    &[],
    &["--hash", "blake3"],
    &["--format", "json"],
    &["--format", "json", "--hash", "md5", "--integrity", "sha384"],
    &["--format", "sums"],
    &["--format", "sums", "--hash", "sha1"],
];

const ODD: &[&str] =
    &["index.html", "a b.js", "100%.js", "%41.js", "h#x.js", "q?x.js", "back\\slash.js", "😀.js", "d/é.js"];

fn sample() -> Build {
    let build = Build::of(&["a.js", "d/b.css", "index.html"]);
    build.manifest(&[]);
    build
}

#[test]
fn equal_folders_pass_in_every_format_and_silently() {
    for format in FORMATS {
        let build = Build::of(ODD);
        build.manifest(format);
        let hash: &[&str] = if format.contains(&"blake3") { &["--hash", "blake3"] } else { &[] };
        let run = build.verify(&[&["dist"], hash].concat());
        run.check(0, "");
        assert_eq!(run.stderr, "note: 9 of 9 entries equal\n", "{format:?}");
    }
}

#[test]
fn reads_the_manifest_from_stdin() {
    let build = sample();
    let manifest = fs::read_to_string(build.path("manifest")).unwrap();
    build.run(&["verify", "-", "dist"], &manifest).check(0, "");
}

#[test]
fn angular_manifests_pass_with_and_without_a_base_href() {
    let build = Build::of(ODD);
    build.write(
        "ngsw-config.json",
        r#"{"index":"/","assetGroups":[{"name":"a","resources":{"files":["/**"]}}]}"#,
    );
    for base_href in ["/", "/app/", "./", "https://cdn.example/x/"] {
        let make = ["--format", "ngsw", "--ngsw-config", "ngsw-config.json", "-o", "manifest"];
        let run = build.run(&[&make[..], &["--base-href", base_href, "dist"]].concat(), "");
        assert_eq!(run.code, 0, "{}", run.stderr);
        build.verify(&["--base-href", base_href, "dist"]).check(0, "");
    }
}

#[test]
fn points_to_the_base_href_when_every_file_is_missing() {
    let build = Build::of(&["a.js"]);
    let manifest = r#"[{"url":"/app/a.js","revision":"800f8a8242c581c3075343bcc1995e16"}]"#;
    let run = build.run(&["verify", "-", "dist"], manifest);
    run.check(1, "dist/app/a.js: missing\n");
    assert!(run.stderr.contains("every file is missing: --base-href tells"), "{}", run.stderr);
    build.run(&["verify", "-", "dist", "--base-href", "/app/"], manifest).check(0, "");
}

#[test]
fn names_each_mismatch_with_its_likely_reason() {
    let build = sample();
    build.write("dist/a.js", "a.js\r\n");
    fs::remove_file(build.path("dist/d/b.css")).unwrap();
    let run = build.verify(&["dist"]);
    run.check(
        1,
        "dist/a.js: expected md5 800f8a8242c581c3075343bcc1995e16, got 22232bf05f4dc5d442f9fef92d662213 (6 B); \
         only line endings differ: converted by a checkout or an upload\n\
         dist/d/b.css: missing\n",
    );
    assert_eq!(run.stderr, "note: 1 of 3 entries equal, 2 mismatched\n");
}

#[test]
fn reports_for_programs_and_for_github() {
    let build = sample();
    build.write("dist/a.js", "");
    let lines = build.verify(&["dist", "--json"]).stdout;
    let lines: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        (lines.len(), &lines[0]["type"], &lines[0]["reason"]),
        (2, &"mismatch".into(), &"empty".into())
    );
    assert_eq!((&lines[1]["type"], &lines[1]["files"]), (&"summary".into(), &3.into()));
    let text = build.verify(&["dist", "--format", "github"]).stdout;
    assert!(text.starts_with("::error file=a.js::dist/a.js: expected md5 "), "{text}");
}

#[test]
fn compares_the_release_that_version_json_names() {
    let build = Build::of(&["a.js"]);
    build.manifest(&["--format", "json"]);
    build.verify(&["dist"]).check(0, "");
    let hash = build.run(&["--print-hash", "dist"], "").stdout;
    build.write("dist/version.json", format!("{{\"manifest_hash\":\"sha256:{}\"}}", hash.trim()));
    build.verify(&["dist"]).check(0, "");
    build.write("dist/version.json", format!("{{\"manifest_hash\":\"sha256:{}\"}}", "0".repeat(64)));
    let run = build.verify(&["dist"]);
    assert_eq!(run.code, 1);
    assert!(run.stdout.starts_with("dist/version.json: expected manifest_hash sha256:"), "{}", run.stdout);
}

#[test]
fn refuses_what_cannot_be_checked() {
    let build = sample();
    for (manifest, target, stdin, message) in [
        ("manifest", "absent", "", "error: absent: no such folder\n"),
        ("absent", "dist", "", "error: absent: cannot be read\n"),
        ("-", "dist", "", "error: stdin: is empty\n"),
        ("-", "dist", "[]", "error: stdin: lists no entries\n"),
        ("-", "dist", "<!doctype html>", "error: stdin: "),
        (
            "manifest",
            "http://",
            "",
            "error: invalid value 'http://' for '<DIR|URL>': \"http://\": no host in this URL\n",
        ),
        ("manifest", "https://me:pw@x.dev", "", "error: invalid value "),
    ] {
        let run = build.run(&["verify", manifest, target], stdin);
        run.check(2, "");
        assert!(run.stderr.starts_with(message), "{}", run.stderr);
    }
}

#[test]
fn never_reads_outside_of_the_folder() {
    let build = sample();
    build.write("secret", "x");
    let manifest = r#"[{"url":"../secret","revision":"9dd4e461268c8034f5c8564e155c67a6"},{"url":"a.js","revision":null}]"#;
    let run = build.run(&["verify", "-", "dist", "--json"], manifest);
    assert!(run.stdout.contains("\"equal\":0,\"mismatched\":0,\"unverifiable\":2"), "{}", run.stdout);
}
