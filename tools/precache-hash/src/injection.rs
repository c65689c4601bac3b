//! The job `inject`: reads the manifest and the worker, decides all texts, then writes the files.
//!
//! `version.json` is written last: while it names the old release, no browser looks for the new one.

use std::path::{Path, PathBuf};

use precache_manifest::{ManifestHash, url};
use release_common::{Context, Outcome, files};

use crate::cli::InjectArgs;
use crate::error::Error;
use crate::inject::{self, with_page_hash};
use crate::input;

/// How many digits of the hash name a release that has no other name.
const SHORT_HASH_DIGITS: usize = 12;

/// Files to write, in this order, and the text for stdout.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    files: Vec<(PathBuf, String)>,
    stdout: String,
}

/// Injects as `args` ask.
///
/// # Errors
/// See [`Error`]; before the first file is written everything else has been checked.
pub fn run(args: &InjectArgs, ctx: &mut Context) -> Result<Outcome, Error> {
    let plan = plan(args)?;
    for (path, text) in plan.files {
        if args.dry_run {
            ctx.console.note(format_args!("would write {} ({} bytes)", path.display(), text.len()));
            continue;
        }
        let written = files::write_atomically(&path, text.as_bytes())
            .map_err(|source| Error::Write { path: path.clone(), source })?;
        tracing::info!(path = %path.display(), ?written, "injected");
    }
    if !args.dry_run {
        ctx.stdout().write_all(plan.stdout.as_bytes())?;
    }
    Ok(Outcome::Good)
}

fn plan(args: &InjectArgs) -> Result<Plan, Error> {
    let manifest = input::manifest(&args.manifest)?;
    let mut hash = Ok(manifest.manifest_hash.or(args.manifest_hash));
    if args.version_file.is_some() || args.page_hash.is_some() {
        hash = hash.and_then(|hash| hash.map(Some).ok_or_else(|| no_hash(args)));
    }
    let hash = hash?;
    let mut plan = Plan::default();
    let mut entries = manifest.entries.clone();
    if let (Some(path), Some(hash)) = (&args.page_hash, hash) {
        entries = with_page_hash(&manifest, &page_hash_url(path), hash);
        plan.files.push((path.clone(), inject::page_hash_script(hash)));
    }
    if let Some(worker) = &args.worker {
        let text = input::text(worker)?;
        let injected = inject::inject(&text, &entries, &args.at, args.drop_source_map)
            .map_err(|reason| Error::Inject { worker: input::name(worker), reason })?;
        match &args.output {
            Some(path) => plan.files.push((path.clone(), injected)),
            None => plan.stdout = injected,
        }
    }
    if let (Some(path), Some(hash)) = (&args.version_file, hash) {
        plan.files.push((path.clone(), inject::version_json(hash, &release(args, hash))));
    }
    Ok(plan)
}

fn no_hash(args: &InjectArgs) -> Error {
    Error::NoManifestHash { name: input::name(&args.manifest) }
}

fn release(args: &InjectArgs, hash: ManifestHash) -> String {
    let short = || hash.to_string().chars().take(SHORT_HASH_DIGITS).collect();
    args.release.clone().unwrap_or_else(short)
}

/// The script stands beside the worker, so its URL is its name.
fn page_hash_url(path: &Path) -> String {
    url::encode(&path.file_name().unwrap_or_default().to_string_lossy())
}
