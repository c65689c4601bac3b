//! Every example that a reader can copy is run: console blocks of the README and of docs/, and the examples that close
//! each long help.
//!
//! A block marked `sh` is only shown, because it needs a service or a browser: its lines stand verbatim in a script, or
//! call one that exists. Other blocks must be readable as what they say they are.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails, fails its test"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pipelines::document::{Block, blocks, steps};
use pipelines::help;
use pipelines::world::World;
use testbed::{Postgres, PostgresOptions, Site};

/// README.md and docs/*.md, with their blocks.
fn documents() -> Vec<(PathBuf, Vec<Block>)> {
    let is_document = |path: &PathBuf| {
        path == Path::new("README.md") || path.starts_with("docs") && path.extension() == Some("md".as_ref())
    };
    let paths = pipelines::tracked_files().unwrap().into_iter().filter(is_document);
    paths
        .map(|path| (blocks(&fs::read_to_string(pipelines::root().join(&path)).unwrap()), path))
        .map(|(a, b)| (b, a))
        .collect()
}

#[test]
fn console_blocks_do_what_they_say() {
    let documents = documents();
    assert!(!documents.is_empty(), "there is no README.md");
    let mut ran = 0;
    let mut wrong = Vec::new();
    for (path, blocks) in &documents {
        // Each document is read from its top: later blocks see what earlier ones made. The README is read at the top of
        // a clone, a page of a tool beside two builds.
        let folder = if path.starts_with("docs") { "testdata/builds" } else { "" };
        let world = World::new(folder).unwrap();
        for block in blocks.iter().filter(|block| block.language == "console") {
            for step in steps(&block.text) {
                ran += 1;
                let did = world.run(&step.command).unwrap();
                let place = format!("{}:{}: $ {}", path.display(), block.line, step.command);
                if did.exit != step.exit {
                    wrong
                        .push(format!("{place}\nexit {} instead of {}\n{}", did.exit, step.exit, did.output));
                } else if let Err(difference) =
                    snapbox::Assert::new().try_eq(None, did.output.into(), step.output.into())
                {
                    wrong.push(format!("{place}\n{difference}"));
                }
            }
        }
    }
    assert!(ran > 0, "no document has a console block");
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn shown_blocks_stand_in_a_script() {
    let scripts: Vec<String> = pipelines::tracked_files()
        .unwrap()
        .into_iter()
        .filter(|path| path.starts_with("scripts") || path.starts_with("testdata"))
        .filter_map(|path| fs::read_to_string(pipelines::root().join(path)).ok())
        .collect();
    for (path, blocks) in documents() {
        for block in blocks.iter().filter(|block| block.language == "sh") {
            let is_verbatim = scripts.iter().any(|script| script.contains(block.text.trim_end()));
            let only_calls = block.text.lines().all(calls_a_script);
            assert!(
                is_verbatim || only_calls,
                "{}:{}: stands in no script; mark it `console` to run it",
                path.display(),
                block.line
            );
        }
    }
}

/// A comment, a step of getting the workspace, or a call of a script that exists.
fn calls_a_script(line: &str) -> bool {
    let word = line.split_whitespace().next().unwrap_or_default();
    match word {
        "" | "#" => true,
        "git" | "cd" => line.starts_with("git clone ") || line.starts_with("cd "),
        word if word.starts_with("scripts/") || word.starts_with(".ci/") => {
            pipelines::root().join(word).is_file()
        }
        _ => false,
    }
}

#[test]
fn other_blocks_are_what_they_say() {
    for (path, blocks) in documents() {
        for block in blocks {
            let place = format!("{}:{}", path.display(), block.line);
            match block.language.as_str() {
                "json" => {
                    let values =
                        serde_json::Deserializer::from_str(&block.text).into_iter::<serde_json::Value>();
                    values.for_each(|value| assert!(value.is_ok(), "{place}: {value:?}"));
                }
                "toml" => assert!(toml::from_str::<toml::Table>(&block.text).is_ok(), "{place}: is no TOML"),
                "console" | "sh" | "text" | "html" | "js" | "sql" | "yaml" => {}
                other => panic!(
                    "{place}: {other:?} is no language of ours; `console` is run, `sh` and `text` are shown"
                ),
            }
        }
    }
}

/// What the examples of the long helps begin with: builds, a service worker, manifests, a hash, keys.
const FIXTURES: &str = r#"set -e
cp -r release-2 dist && cp -r release-1 old && cp -r release-2 new
for release in old new; do precache-hash --format json "$release" -o "$release.json"; done
cp new.json release.json
precache-hash --format ngsw --ngsw-config src/ngsw-config.json --timestamp 0 -o dist/ngsw.json dist
precache-hash --print-hash dist > hash.txt
sw-force-refresh keygen --out release >/dev/null
"#;

/// The job of the examples, at any hour.
const JOB: &str = r#"
name = "post-status"
table = 'public."Post"'
source = ["published"]
set = { status = "(case when published then 'Published' else 'Draft' end)::\"Status\"" }
window = "always"
"#;

/// A database with the table of [`JOB`].
fn database() -> Postgres {
    let postgres = Postgres::start(&PostgresOptions::default()).unwrap();
    let fixture = "create type \"Status\" as enum ('Draft', 'Published');
        create table \"Post\" (id int primary key, published bool not null, status \"Status\");
        insert into \"Post\" select n, n % 2 = 0 from generate_series(1, 5000) n;";
    postgres.sql("postgres", fixture).unwrap();
    postgres
}

#[test]
fn examples_of_the_long_helps_run() {
    let mut wrong = Vec::new();
    for tool in ["precache-hash", "sw-force-refresh", "backfill", "pg-backup"] {
        for (words, help) in helps(tool) {
            let examples = help::examples(&help);
            // A subcommand may lean on the examples of the tool.
            if words.is_empty() {
                assert!(examples.len() >= 3, "{tool} --help shows {} examples", examples.len());
            }
            let name = format!("{tool} {} --help", words.join(" "));
            wrong.extend(
                complaints(tool, &examples).into_iter().map(|complaint| format!("{name}: {complaint}")),
            );
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// The long help of a tool and of each of its subcommands, too wide to be wrapped.
fn helps(tool: &str) -> Vec<(Vec<String>, String)> {
    let ask = |words: &[String]| {
        let mut command = Command::new(pipelines::binary(tool).unwrap());
        let output = command.args(words).arg("--help").env("COLUMNS", "1000").output().unwrap();
        (words.to_vec(), String::from_utf8(output.stdout).unwrap())
    };
    let whole = ask(&[]);
    let parts: Vec<_> = help::subcommands(&whole.1).into_iter().map(|name| ask(&[name])).collect();
    [whole].into_iter().chain(parts).collect()
}

/// Runs the examples of one help, one after the other in one world; what is wrong with them.
fn complaints(tool: &str, examples: &[String]) -> Vec<String> {
    let mut world = World::new("testdata/builds").unwrap();
    let made = world.run(FIXTURES).unwrap();
    assert_eq!(made.exit, 0, "the fixtures: {}", made.output);
    let postgres = matches!(tool, "backfill" | "pg-backup").then(database);
    if let Some(postgres) = &postgres {
        fs::write(world.folder().join("job.toml"), JOB).unwrap();
        world.set("DATABASE_URL", &postgres.url("postgres"));
        world.set("PG_BACKUP_STORE", &world.folder().join("backups").display().to_string());
    }
    let site = Site::serve(world.folder().join("dist")).unwrap();
    let run = |example: &String| {
        // The addresses of examples are reserved (RFC 2606): here they lead to the build itself.
        let addresses = ["https://app.example", "https://cdn.example"];
        let line = addresses.iter().fold(example.clone(), |line, address| line.replace(address, &site.url()));
        let did = world.run(&line).unwrap();
        let is_fine = did.exit == 0 || line.contains(" diff ") && did.exit == 1;
        if !example.contains(tool) {
            return Some(format!("no command: {example}"));
        }
        (!is_fine).then(|| format!("exit {} of: {example}\n{}", did.exit, did.output))
    };
    examples.iter().filter_map(run).collect()
}
