//! Who may depend on whom (docs of the layers: the table in `may_depend`), and what may not be linked at all.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper that fails, fails its test")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use cargo_metadata::semver::Version;
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// The dependencies as resolved for this machine and for the browser.
fn metadata() -> Metadata {
    let platforms = ["x86_64-unknown-linux-gnu", "wasm32-unknown-unknown"];
    let options =
        platforms.iter().flat_map(|platform| ["--filter-platform".to_owned(), platform.to_string()]);
    let mut command = MetadataCommand::new();
    command.manifest_path(pipelines::root().join("Cargo.toml")).other_options(options.collect::<Vec<_>>());
    command.exec().unwrap()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layer {
    /// Behavior and formats that every tool may use.
    Shared,
    Tool,
    /// Compiled for the browser.
    Browser,
    /// Turns the browser's part into a module, at build time.
    Pack,
    Testbed,
    Pipelines,
}

fn layer(package: &Package) -> Layer {
    let root = pipelines::root();
    let folder = package.manifest_path.parent().unwrap().strip_prefix(root.to_str().unwrap()).unwrap();
    match folder.as_str() {
        "tools/release-common"
        | "tools/precache-manifest"
        | "tools/release-postgres"
        | "tools/release-remote" => Layer::Shared,
        "wasm" => Layer::Browser,
        "wasm/pack" => Layer::Pack,
        "tests/support" => Layer::Testbed,
        "tests" => Layer::Pipelines,
        folder if folder.starts_with("tools/") => Layer::Tool,
        folder => panic!("{folder}: say in tests/tests/layers.rs to which layer it belongs"),
    }
}

/// The rule. Tests may use the testbed; nothing else joins tools to tools.
fn may_depend(from: (&str, Layer), to: (&str, Layer), kind: DependencyKind) -> bool {
    match (from.1, to.1) {
        (Layer::Pipelines, _) | (Layer::Tool, Layer::Shared) => true,
        (Layer::Browser, Layer::Shared) => to.0 == "precache-manifest",
        // The HTTP client's crate knows the exit codes; otherwise the shared crates stand alone.
        (Layer::Shared, Layer::Shared) => (from.0, to.0) == ("release-remote", "release-common"),
        (Layer::Pack | Layer::Testbed, _) => false,
        (_, Layer::Testbed) => kind == DependencyKind::Development,
        _ => false,
    }
}

#[test]
fn crates_depend_only_downwards() {
    let metadata = metadata();
    let packages: BTreeMap<_, _> = metadata
        .workspace_packages()
        .into_iter()
        .map(|package| (package.name.to_string(), package))
        .collect();
    for (name, package) in &packages {
        for dependency in &package.dependencies {
            let Some(target) = packages.get(&dependency.name) else { continue };
            assert!(
                may_depend((name, layer(package)), (&dependency.name, layer(target)), dependency.kind),
                "{name} must not depend on {}",
                dependency.name
            );
        }
    }
}

#[test]
fn there_is_one_tls_stack() {
    let metadata = metadata();
    let lock = read("Cargo.lock");
    let locked = lock["package"].as_array().unwrap().iter().map(|package| package["name"].as_str().unwrap());
    let linked = metadata.packages.iter().map(|package| package.name.as_str());
    for name in locked.chain(linked) {
        let is_other_stack = name.starts_with("aws-lc")
            // openssl-probe, of rustls-native-certs, only finds the files with the system's certificates.
            || name.starts_with("openssl") && name != "openssl-probe"
            || name.starts_with("boring")
            || matches!(name, "native-tls" | "mbedtls" | "wolfssl" | "s2n-tls");
        assert!(!is_other_stack, "{name}: the one TLS stack is rustls with ring");
    }
    let rustls: Vec<_> = metadata.packages.iter().filter(|package| package.name == "rustls").collect();
    assert!(rustls.len() <= 1, "two versions of rustls: {rustls:?}");
}

/// The names of all that a package links, as `cargo tree` tells.
fn linked(arguments: &[&str]) -> BTreeSet<String> {
    let tree = ["tree", "--locked", "--prefix", "none", "--edges", "normal", "--format", "{lib}"];
    let output = Command::new("cargo").args(tree).args(arguments).current_dir(pipelines::root()).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn hashing_needs_no_tls() {
    let lean = linked(&["--package", "precache-hash", "--no-default-features"]);
    assert!(lean.contains("precache_manifest"), "the tree is not what this test reads: {lean:?}");
    for name in ["ring", "rustls", "ureq", "webpki"] {
        assert!(!lean.contains(name), "precache-hash links {name} without its features");
    }
    let whole = linked(&["--package", "precache-hash"]);
    assert!(whole.contains("rustls"), "verify URL is on by default");
}

#[test]
fn the_browser_part_links_no_runtime_and_no_server() {
    let linked = linked(&["--package", "slipway-update", "--target", "wasm32-unknown-unknown"]);
    assert!(linked.contains("wasm_bindgen"), "the tree is not what this test reads: {linked:?}");
    for name in ["tokio", "ring", "clap", "serde_json", "release_common", "regex"] {
        assert!(!linked.contains(name), "slipway-update links {name}: every byte is downloaded");
    }
}

#[test]
fn rust_version_is_what_the_dependencies_need() {
    let metadata = metadata();
    let used: BTreeSet<_> = metadata.resolve.as_ref().unwrap().nodes.iter().map(|node| &node.id).collect();
    let foreign =
        metadata.packages.iter().filter(|package| package.source.is_some() && used.contains(&package.id));
    let (version, name) = foreign
        .filter_map(|package| Some((package.rust_version.clone()?, package.name.to_string())))
        .max()
        .unwrap();
    for package in metadata.workspace_packages() {
        let own: &Version = package.rust_version.as_ref().unwrap();
        assert_eq!(own, &version, "{}: rust-version differs from what {name} needs", package.name);
    }
}

#[test]
fn every_shared_version_is_used() {
    let workspace = read("Cargo.toml");
    let mut unused: BTreeSet<String> =
        workspace["workspace"]["dependencies"].as_table().unwrap().keys().cloned().collect();
    for member in workspace["workspace"]["members"].as_array().unwrap() {
        let manifest = read(&format!("{}/Cargo.toml", member.as_str().unwrap()));
        for name in dependency_tables(&manifest).into_iter().flat_map(toml::Table::keys) {
            unused.remove(name);
        }
    }
    assert!(unused.is_empty(), "[workspace.dependencies] that nobody uses: {unused:?}");
}

/// Every dependency table, those of single targets included.
fn dependency_tables(manifest: &toml::Table) -> Vec<&toml::Table> {
    let mut tables = Vec::new();
    for (key, value) in manifest {
        let Some(table) = value.as_table() else { continue };
        match key.as_str() {
            "dependencies" | "dev-dependencies" | "build-dependencies" => tables.push(table),
            "target" => {
                tables.extend(table.values().filter_map(toml::Value::as_table).flat_map(dependency_tables));
            }
            _ => {}
        }
    }
    tables
}

#[test]
fn versions_are_said_once() {
    for package in metadata().workspace_packages() {
        let manifest = read(package.manifest_path.as_str());
        for (name, value) in dependency_tables(&manifest).into_iter().flatten() {
            let has_version = value.is_str() || value.get("version").is_some();
            assert!(!has_version, "{}: {name} has a version of its own", package.manifest_path);
        }
    }
}

fn read(path: &str) -> toml::Table {
    toml::from_str(&std::fs::read_to_string(pipelines::root().join(path)).unwrap()).unwrap()
}
