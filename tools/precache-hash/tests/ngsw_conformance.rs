//! `--format ngsw` against the code that it replaces: `ngsw-config` and the generator behind it, both of the npm package
//! `@angular/service-worker`, run by the npm package `node`. Whole files are compared, byte for byte.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails, fails its test")]

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use assert_cmd::cargo::cargo_bin;
use precache_hash::ngsw::{Config, Selection, render};

const NODE_MODULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/npm/node_modules");

/// The configuration that `ng add @angular/pwa` writes.
const USUAL: &str = r#"{
  "$schema": "./node_modules/@angular/service-worker/config/schema.json",
  "index": "/index.html",
  "assetGroups": [
    {"name": "app", "installMode": "prefetch", "resources": {"files":
      ["/favicon.ico", "/index.csr.html", "/index.html", "/manifest.webmanifest", "/*.css", "/*.js"]}},
    {"name": "assets", "installMode": "lazy", "updateMode": "prefetch", "resources": {"files":
      ["/**/*.(svg|cur|jpg|jpeg|png|apng|webp|avif|gif|otf|ttf|woff|woff2)"]}}
  ]
}"#;

/// Every field of the schema, every kind of glob, and application data that JavaScript prints in its own way.
const FULL: &str = r#"{
  "appData": {"b": 1, "2": [1.5, -0, 1e21, 1e-7, 12345678901234567890, 1E400, {}], "1": "\ud83d/\u2028\u0001\"\\",
    "__proto__": {"x": []}, "é😀": null, "\ud83d\ude00": "\/\u0041\u007f"},
  "index": "index.html",
  "assetGroups": [
    {"name": "first", "resources": {"files": ["/**/*.js", "!/**/*a*", "/a.js"], "urls": ["https://x.dev/**?v=1", "up/*.x"]}},
    {"name": "second", "installMode": "lazy", "updateMode": "prefetch", "cacheQueryOptions": {"ignoreSearch": true},
      "resources": {"files": ["/??.js", "/[a-c]*", "/(main|😀).*", "/\\$z.js", "/a|b.js", "/{c}.js", "/\\d+"]}},
    {"name": "third", "cacheQueryOptions": {}, "resources": {"files": ["/**", "!/*", "!/assets/deep/**"]}},
    {"name": "none", "resources": {}}
  ],
  "dataGroups": [
    {"name": "api", "urls": ["/api/**", "api2/?q=*"], "version": 2, "cacheQueryOptions": {"ignoreSearch": false},
      "cacheConfig": {"maxSize": 100, "maxAge": "3d12h5u", "timeout": "5s30u", "refreshAhead": "1h1h",
        "strategy": "freshness", "cacheOpaqueResponses": false}},
    {"name": "least", "urls": [], "cacheConfig": {"maxSize": 1e21, "maxAge": "0u"}}
  ],
  "navigationUrls": ["/**", "!/a?b/**", "up/**"],
  "navigationRequestStrategy": "freshness",
  "applicationMaxAge": "10d"
}"#;

const EVERYTHING: &str =
    r#"{"index": "/index.html", "assetGroups": [{"name": "all", "resources": {"files": ["/**"]}}]}"#;

const USUAL_NAMES: &[&str] = &[
    "index.html",
    "favicon.ico",
    "main-5TQ3SEWY.js",
    "polyfills-B6TNHZQ6.js",
    "styles-5INURTSO.css",
    "media/logo-3KDVLB2X.svg",
    "assets/icons/icon-72x72.png",
    "assets/fonts/a.woff2",
    "3rdpartylicenses.txt",
];

#[rustfmt::skip]
const ODD_NAMES: &[&str] = &[
    "index.html", "a b.js", "100%.js", "%41.js", "A.js", "h#x.js", "q?x.js", "back\\slash.js", "😀.js", "ﬀ.js",
    "é.js", "e\u{301}.js", ".hidden/x.js", ".dot.js", "node_modules/x/y.js", "assets/logo.svg", "assets/deep/er/x.css",
    "a.js", "b.js", "main.1f.js", "[x].js", "(y).js", "$z.js", "^w.js", "a+b.js", "a|b.js", "{c}.js", "tab\there.js",
    "line\nbreak.js", "trail.js ", " lead.js", "quote\"x.js", "control\u{1}.js", "delete\u{7f}.js", "separator\u{2028}x.js",
    "__private/x.js", "a/a", "a.b", "a-b", "日本/語.js", "𝒳/𝒴.js", "assets/a&b=c;d,e@f:g.png", "-dash.js", "0", "10",
    "9", "__proto__", "constructor", "assets/__proto__",
];

struct Project {
    folder: tempfile::TempDir,
}

impl Project {
    fn new(names: &[&str], config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let project = Project { folder };
        for name in names {
            project.write(&format!("dist/{name}"), name);
        }
        project.write("ngsw-config.json", config);
        project
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// What `ngsw-config` writes; it is taken away again, because the next run would list it.
    fn peer(&self, base_href: &str) -> String {
        let script = Path::new(NODE_MODULES).join("@angular/service-worker/ngsw-config.js");
        let run = node()
            .arg(script)
            .args(["dist", "ngsw-config.json", base_href])
            .current_dir(self.folder.path())
            .output();
        let run = run.unwrap();
        assert!(run.status.success(), "ngsw-config: {}", String::from_utf8_lossy(&run.stderr));
        let text = fs::read_to_string(self.path("dist/ngsw.json")).unwrap();
        fs::remove_file(self.path("dist/ngsw.json")).unwrap();
        text
    }

    fn ours(&self, base_href: &str, timestamp: &str) -> String {
        let run = Command::new(cargo_bin!("precache-hash"))
            .args(["--format", "ngsw", "--timestamp", timestamp, "--base-href", base_href, "--ngsw-config"])
            .arg(self.path("ngsw-config.json"))
            .arg(self.path("dist"))
            .output();
        let run = run.unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8(run.stdout).unwrap()
    }

    fn check(&self, base_hrefs: &[&str]) {
        for base_href in base_hrefs {
            let peer = self.peer(base_href);
            // `serde_json` refuses lone surrogates, so the line is looked for.
            let timestamp =
                peer.lines().find_map(|line| line.trim().strip_prefix("\"timestamp\": ")).unwrap();
            let ours = self.ours(base_href, timestamp.trim_end_matches(','));
            assert!(ours == peer, "base href {base_href:?}: {}", first_difference(&ours, &peer));
        }
    }
}

fn node() -> Command {
    let node = Path::new(NODE_MODULES).join(".bin/node");
    assert!(node.exists(), "{} is missing: run scripts/setup test", node.display());
    Command::new(node)
}

fn first_difference(ours: &str, peer: &str) -> String {
    let mut lines = ours.lines().zip(peer.lines()).enumerate();
    match lines.find(|(_, (ours, peer))| ours != peer) {
        Some((index, (ours, peer))) => format!("line {}: ours {ours:?}, the peer's {peer:?}", index + 1),
        None => format!("{} bytes, the peer's {}", ours.len(), peer.len()),
    }
}

#[test]
fn equals_ngsw_config_on_a_usual_build() {
    Project::new(USUAL_NAMES, USUAL).check(&["/", "/app/", "./", "/app", "https://cdn.example/x/"]);
}

#[test]
fn equals_ngsw_config_on_odd_names() {
    Project::new(ODD_NAMES, EVERYTHING).check(&["/", "./"]);
    Project::new(ODD_NAMES, USUAL).check(&["/"]);
}

#[test]
fn equals_ngsw_config_for_every_field_of_the_schema() {
    let project = Project::new(ODD_NAMES, FULL);
    project.check(&["/", "/app/", "./", "/a(b)/"]);
}

#[test]
fn equals_ngsw_config_on_links_and_empty_files() {
    let project = Project::new(USUAL_NAMES, EVERYTHING);
    project.write("dist/empty.css", "");
    symlink("index.html", project.path("dist/link.html")).unwrap();
    symlink("assets", project.path("dist/linked")).unwrap();
    fs::create_dir(project.path("dist/nothing")).unwrap();
    project.check(&["/"]);
}

#[test]
fn equals_ngsw_config_without_groups() {
    Project::new(&["index.html"], r#"{"index": ""}"#).check(&["/", "/app/"]);
}

#[test]
fn never_lists_its_own_output_where_the_peer_does() {
    let project = Project::new(&["index.html"], EVERYTHING);
    let first = project.ours("/", "1");
    project.write("dist/ngsw.json", &first);
    project.write("dist/ngsw-worker.js", "");
    assert_eq!(project.ours("/", "1"), first);
    assert!(
        project.peer("/").contains("\"/ngsw.json\""),
        "the peer no longer has this fault: say so in the docs"
    );
}

/// Runs Angular's generator on each configuration; `E` stands for one that it throws on.
const GENERATE: &str = r"
import {createInterface} from 'node:readline';
const {Generator} = await import(process.argv[1]);
for await (const line of createInterface({input: process.stdin})) {
  const [config, paths] = JSON.parse(line);
  const fs = {list: async () => paths, hash: async (path) => 'h' + path};
  let control = 'E';
  try {
    control = {...await new Generator(fs, '/app/').process(JSON.parse(config)), timestamp: 7};
    for (const {regex} of control.navigationUrls) new RegExp(regex);
  } catch (error) { control = 'E'; }
  console.log(JSON.stringify(control === 'E' ? control : JSON.stringify(control, null, 2)));
}";

fn generate(configs: &[String], paths: &[&str]) -> Vec<String> {
    let library = Path::new(NODE_MODULES).join("@angular/service-worker/fesm2022/config.mjs");
    let mut child = node()
        .args(["--input-type=module", "--eval", GENERATE, "--"])
        .arg(library)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let rooted: Vec<String> = paths.iter().map(|path| format!("/{path}")).collect();
    let lines: Vec<String> =
        configs.iter().map(|config| serde_json::to_string(&(config, &rooted)).unwrap() + "\n").collect();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(lines.concat().as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn ours(config: &str, paths: &[&str]) -> Result<String, String> {
    let config = Config::parse(config, "/app/").map_err(|error| error.to_string())?;
    let selection = Selection::of(&config, paths.iter().copied());
    let hashes: HashMap<_, _> = selection.paths().map(|path| (path, format!("h/{path}"))).collect();
    Ok(render(&config, &selection, 7, |path| hashes.get(path).map(String::as_str)).unwrap())
}

/// A small generator of numbers, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn text(&mut self, tokens: &[&str], most: usize) -> String {
        (0..=self.below(most)).map(|_| tokens[self.below(tokens.len())]).collect()
    }
}

#[rustfmt::skip]
const GLOB_TOKENS: &[&str] = &[
    "/", "/", "**", "*", "?", "a", "b", ".", "+", "(", "|", ")", "[", "]", "^", "$", "{", "}", "{2}", "{1,}", "\\", "\\d",
    "\\w", "\\b", "\\1", "\\x41", "\\u0061", "\\c", "\\k", "-", " ", "😀", "é", "!", ",", "js", "(a|b)", "[a-z]", "[^a]",
    "\u{2028}", "\\/", "\\-", "=", "<", ">", "\\0", "\\08", "\\p{L}", "[b-a]", "\\u{61}", "9", "[\\d-a]", "[]", "[^]", "\\n",
];

const PATH_TOKENS: &[&str] = &[
    "a", "b", "/", ".", "js", "😀", "é", "1", "$", "^", "(", "[", "]", ")", "|", "-", "{", "}", "\\", "x",
    "\u{2028}", "\n",
];

#[test]
fn selects_the_same_files_for_any_glob_or_refuses_it() {
    let mut random = Random(20_261_123);
    let paths: BTreeSet<String> = (0..200).map(|_| random.text(PATH_TOKENS, 6).replace('/', "d/e")).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let globs: Vec<String> = (0..2000).map(|_| format!("/{}", random.text(GLOB_TOKENS, 7))).collect();
    let config = |glob: &String| {
        let glob = serde_json::to_string(glob).unwrap();
        format!(
            r#"{{"index":"/","navigationUrls":[{glob}],"assetGroups":[{{"name":"g","resources":{{"files":[{glob}]}}}}]}}"#
        )
    };
    let configs: Vec<String> = globs.iter().map(config).collect();
    let (mut equal, mut refused) = (0, 0);
    for ((glob, config), peer) in globs.iter().zip(&configs).zip(generate(&configs, &paths)) {
        match ours(config, &paths) {
            Ok(ours) => {
                assert!(ours == peer, "{glob:?}: {}", first_difference(&ours, &peer));
                equal += 1;
            }
            Err(error) => {
                let is_unsupported = error.contains("cannot be matched here");
                assert!(peer == "E" || is_unsupported, "{glob:?} is refused without need: {error}");
                refused += 1;
            }
        }
    }
    assert!(
        equal > 1000 && refused > 100,
        "the globs of this test are too tame: {equal} equal, {refused} refused"
    );
}

#[rustfmt::skip]
const JSON_TOKENS: &[&str] = &[
    "1", "-0", "0.1", "1e21", "123456789012345678901", "1e-7", "4.35", "5e-324", "1.7976931348623157e308", "9007199254740993",
    "true", "null", "[]", "{}", "[{}]", "\"\\ud800\"", "\"\\udc00\\ud800x\"", "\"\\u0000\\u001f\\b\\f\\n\\r\\t\\/\"", "\"é\u{2028}😀\"",
    "{\"b\":1,\"a\":[2]}", "{\"10\":1,\"9\":2,\"01\":3,\"-1\":4,\"4294967294\":5,\"4294967295\":6}", "{\"__proto__\":{\"x\":1}}",
];

#[test]
fn prints_application_data_as_javascript_does() {
    let mut random = Random(7);
    let value = |random: &mut Random| {
        let items: Vec<&str> =
            (0..random.below(5)).map(|_| JSON_TOKENS[random.below(JSON_TOKENS.len())]).collect();
        format!("[{}]", items.join(", "))
    };
    let number = |random: &mut Random| {
        let exponent = i64::try_from(random.below(60)).unwrap() - 30;
        format!("-{}.{}e{exponent}", random.below(1_000_000), random.below(1_000_000_000))
    };
    let mut values: Vec<String> = (0..300).map(|_| value(&mut random)).collect();
    values.extend((0..300).map(|_| number(&mut random)));
    let configs: Vec<String> =
        values.iter().map(|value| format!(r#"{{"index":"/","appData":{{"x":{value}}}}}"#)).collect();
    for (config, peer) in configs.iter().zip(generate(&configs, &[])) {
        assert_eq!(ours(config, &[]).unwrap(), peer, "{config}");
    }
}
