//! Replays the corpus of the fuzz targets on stable: the targets' own source is included from `fuzz/`, which is a
//! workspace of its own and needs nightly.
#![allow(clippy::unwrap_used, reason = "a helper that fails, fails its test")]

#[path = "../../fuzz/src/lib.rs"]
pub mod targets;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Names in a folder of `fuzz/`, without extension.
fn names(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(pipelines::root().join("fuzz").join(folder)).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

/// Replays every file of a target; fails with the name of the file that breaks it.
fn replay(target: &str) {
    let folder = pipelines::root().join("fuzz/corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{target} has no corpus");
    for file in files {
        let replayed = std::panic::catch_unwind(|| targets::run(target, &fs::read(&file).unwrap()));
        assert!(replayed.is_ok_and(|is_known| is_known), "{} breaks its target", file.display());
    }
}

#[test]
fn every_text_of_the_corpus_keeps_every_promise() {
    targets::TARGETS.iter().for_each(|(target, _)| replay(target));
}

#[test]
fn every_target_has_a_program_and_a_corpus() {
    let targets: BTreeSet<String> = targets::TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names("fuzz_targets"), targets);
    assert_eq!(names("corpus"), targets);
    let manifest = fs::read_to_string(pipelines::root().join("fuzz/Cargo.toml")).unwrap();
    for name in &targets {
        let path = Path::new("fuzz_targets").join(name).with_extension("rs");
        assert!(manifest.contains(&format!("name = \"{name}\"\npath = \"{}\"", path.display())), "{name}");
    }
}
