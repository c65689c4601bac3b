//! The main job: a folder in, a manifest out.
//!
//! First everything is decided (which files, which digests), then hashed, then judged, and only a whole manifest is
//! written. Warnings and budgets come last: they change the exit code and not the manifest.

use std::num::NonZeroUsize;

use precache_manifest::{Algorithm, Manifest, sums, write};
use release_common::units::ByteSize;
use release_common::{Context, Outcome, files};

use crate::additions::TemplateSources;
use crate::angular;
use crate::cli::{BuildArgs, Format};
use crate::entries::{self, HashedFile, Rules};
use crate::error::Error;
use crate::hashing::{self, Hashed, Task};
use crate::problem::{FileProblem, Problems};
use crate::progress::Progress;
use crate::selection::{Pattern, Selection};
use crate::source::Source;
use crate::tree::Tree;

/// Makes the manifest that `args` ask for.
///
/// # Errors
/// See [`Error`]; nothing has been written then, unless writing itself failed.
pub fn run(args: &BuildArgs, ctx: &mut Context) -> Result<Outcome, Error> {
    let source = Source::of(args)?;
    if args.format == Format::Ngsw {
        return angular::run(args, &source, ctx);
    }
    let selection = source.selection(args);
    let tree = source.find(args, |path| selection.lists(path) || is_template_part(args, path))?;
    let folder = source.shown();
    let Some(files) = hash(tree, &algorithms(args), args, ctx, &folder)? else {
        return Ok(stopped(ctx));
    };
    let files = files.into_iter().map(|(path, hashed)| {
        let is_listed = selection.lists(&path);
        HashedFile { path, is_listed, hashed }
    });
    let (files, mut warnings) = without_large(files.collect(), args, &folder)?;
    if !files.iter().any(|file| file.is_listed) && args.add.is_empty() && args.templated.is_empty() {
        return Err(Error::NoMatches { folder, patterns: selection.patterns() });
    }
    let manifest = entries::manifest(&files, rules(args))?;
    let listed: Vec<&str> =
        files.iter().filter(|file| file.is_listed).map(|file| file.path.as_str()).collect();
    warnings.extend(selection_warnings(&selection, &listed));
    emit(args, ctx, &render(args, &manifest, &files))?;
    Ok(judge(args, ctx, &warnings, &manifest))
}

/// The pattern must be listed as a template's part even if no manifest entry is made of it.
fn is_template_part(args: &BuildArgs, path: &str) -> bool {
    let patterns = args.templated.iter().flat_map(|template| match &template.sources {
        TemplateSources::Files(patterns) => patterns.as_slice(),
        TemplateSources::Text(_) => &[],
    });
    patterns.into_iter().any(|pattern: &Pattern| pattern.fits(path, args.dot))
}

fn revision_algorithm(args: &BuildArgs) -> Algorithm {
    args.hash.unwrap_or(match args.format {
        Format::Workbox => Algorithm::Md5,
        Format::Ngsw => Algorithm::Sha1,
        Format::Json | Format::Sums | Format::Urls => Algorithm::Sha256,
    })
}

/// Every digest that the output needs, each once.
fn algorithms(args: &BuildArgs) -> Vec<Algorithm> {
    if args.print_hash {
        return vec![Algorithm::Sha256];
    }
    let mut wanted = match args.format {
        Format::Urls => Vec::new(),
        Format::Json => vec![Algorithm::Sha256, revision_algorithm(args)],
        Format::Workbox | Format::Ngsw | Format::Sums => vec![revision_algorithm(args)],
    };
    wanted.extend(args.integrity.filter(|_| matches!(args.format, Format::Json | Format::Workbox)));
    wanted.sort_by_key(|algorithm| algorithm.name());
    wanted.dedup();
    wanted
}

fn rules(args: &BuildArgs) -> Rules<'_> {
    Rules {
        revision: if args.print_hash { Algorithm::Sha256 } else { revision_algorithm(args) },
        integrity: args.integrity,
        prefixes: &args.prefix,
        no_revision: &args.no_revision,
        additions: &args.add,
        templates: &args.templated,
        dot: args.dot,
    }
}

/// Hashes the tree; `None` when a signal stopped it.
pub(crate) fn hash(
    tree: Tree,
    algorithms: &[Algorithm],
    args: &BuildArgs,
    ctx: &mut Context,
    folder: &str,
) -> Result<Option<Vec<(String, Hashed)>>, Error> {
    let progress = Progress::of(&tree.files, ctx.console, ctx.shutdown.clone());
    let threads =
        args.jobs.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
    let limit_bytes = Some(args.max_size.0).filter(|limit| *limit > 0 && args.format != Format::Ngsw);
    let results = hashing::hash_files(&tree.files, Task { algorithms, limit_bytes, threads }, &progress);
    progress.finish();
    let Some(results) = results else { return Ok(None) };
    let (mut hashed, mut problems) = (Vec::with_capacity(results.len()), Vec::new());
    for (found, result) in tree.files.into_iter().zip(results) {
        match result {
            Ok(known) => hashed.push((found.path, known)),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() {
        return Ok(Some(hashed));
    }
    let (folder, is_changed) =
        (folder.to_owned(), |problem: &FileProblem| matches!(problem, FileProblem::Changed { .. }));
    let is_temporary = problems.iter().all(is_changed);
    let problems = Problems(problems);
    Err(if is_temporary {
        Error::ChangedFiles { folder, problems }
    } else {
        Error::BadFiles { folder, problems }
    })
}

pub(crate) fn stopped(ctx: &Context) -> Outcome {
    ctx.shutdown.requested().map_or(Outcome::Unfinished, Outcome::Stopped)
}

/// Files within the size limit, and a warning for each of the others, if they may be left out.
fn without_large(
    files: Vec<HashedFile>,
    args: &BuildArgs,
    folder: &str,
) -> Result<(Vec<HashedFile>, Vec<String>), Error> {
    let (large, fitting): (Vec<HashedFile>, Vec<HashedFile>) =
        files.into_iter().partition(|file| matches!(file.hashed, Hashed::TooLarge(_)));
    let limit = args.max_size;
    let texts: Vec<String> = large
        .iter()
        .map(|file| match file.hashed {
            Hashed::TooLarge(size) | Hashed::Digests(size, _) => {
                format!("{}: {} is more than the limit of {limit}", file.path, ByteSize(size))
            }
        })
        .collect();
    if texts.is_empty() || args.skip_large {
        let skipped = texts.into_iter().map(|text| format!("{folder}: {text}; left out")).collect();
        return Ok((fitting, skipped));
    }
    Err(Error::TooLarge { folder: folder.to_owned(), files: Problems(texts) })
}

fn selection_warnings(selection: &Selection, listed: &[&str]) -> Vec<String> {
    let useless =
        selection.useless(listed).into_iter().map(|pattern| format!("pattern `{pattern}` matches no file"));
    useless.chain(twin_warnings(listed)).collect()
}

/// A warning for each group of names that some servers and file systems take for one.
pub(crate) fn twin_warnings(listed: &[&str]) -> Vec<String> {
    let text = |group: Vec<&str>| {
        let names: Vec<String> = group.iter().map(|name| format!("`{}`", shown(name))).collect();
        format!("{} differ only in case or Unicode form; some servers take them for one", names.join(" and "))
    };
    entries::twins(listed.iter().copied()).into_iter().map(text).collect()
}

/// `name` with its combining characters spelled out, because twins look alike.
fn shown(name: &str) -> String {
    name.chars().flat_map(char::escape_debug).collect()
}

fn render(args: &BuildArgs, manifest: &Manifest, files: &[HashedFile]) -> String {
    if args.print_hash {
        return manifest.manifest_hash.map(|hash| format!("{hash}\n")).unwrap_or_default();
    }
    match args.format {
        Format::Workbox => write::workbox(&manifest.entries) + "\n",
        Format::Json => write::json(manifest) + "\n",
        Format::Urls => write::urls(&manifest.entries, if args.null { '\0' } else { '\n' }),
        Format::Sums | Format::Ngsw => {
            let algorithm = revision_algorithm(args);
            let listed = files.iter().filter(|file| file.is_listed);
            let sums =
                listed.filter_map(|file| Some((file.path.as_str(), file.hashed.digest(algorithm)?.hex())));
            let sums: Vec<(&str, String)> = sums.collect();
            sums::lines(sums.iter().map(|(path, hex)| (*path, hex.as_str())))
        }
    }
}

/// Writes the result where it is asked for.
pub(crate) fn emit(args: &BuildArgs, ctx: &mut Context, text: &str) -> Result<(), Error> {
    match &args.output {
        None => ctx.stdout().write_all(text.as_bytes())?,
        Some(path) => {
            let written = files::write_atomically(path, text.as_bytes())
                .map_err(|source| Error::Write { path: path.clone(), source })?;
            tracing::info!(path = %path.display(), ?written, "manifest");
        }
    }
    Ok(())
}

/// Prints warnings and missed budgets, and decides whether the answer is good.
pub(crate) fn judge(
    args: &BuildArgs,
    ctx: &mut Context,
    warnings: &[String],
    manifest: &Manifest,
) -> Outcome {
    for warning in warnings {
        if args.strict { ctx.console.finding(warning) } else { ctx.console.warn(warning) }
    }
    let missed = missed_budgets(manifest, args.max_total, args.max_files);
    for budget in &missed {
        ctx.console.finding(budget);
    }
    if missed.is_empty() && (warnings.is_empty() || !args.strict) { Outcome::Good } else { Outcome::Bad }
}

/// A text for each budget that `manifest` exceeds.
pub(crate) fn missed_budgets(
    manifest: &Manifest,
    max_total: Option<ByteSize>,
    max_files: Option<usize>,
) -> Vec<String> {
    let (total, count) = (ByteSize(manifest.total_bytes()), manifest.entries.len());
    let total_text = |limit| format!("budget missed: {total} in all is more than --max-total {limit}");
    let count_text = |limit| format!("budget missed: {count} entries are more than --max-files {limit}");
    let large = max_total.filter(|limit| total > *limit).map(total_text);
    let many = max_files.filter(|limit| count > *limit).map(count_text);
    large.into_iter().chain(many).collect()
}
