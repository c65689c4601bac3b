//! The main job for Angular: `ngsw-config.json` and a folder in, `ngsw.json` out.
//!
//! The page-hash script is an output like the worker and no part of the manifest hash, yet it belongs into the hash
//! table: Angular's worker would otherwise fetch the newest one from the network, and a page would learn the wrong
//! hash.

use std::collections::{BTreeMap, HashSet};

use precache_manifest::{Algorithm, Entry, Manifest, sums};
use release_common::{Context, Outcome};

use crate::build;
use crate::cli::BuildArgs;
use crate::error::Error;
use crate::hashing::Hashed;
use crate::input;
use crate::ngsw::{self, Config, Previous, TimestampSources, Unreachable};
use crate::selection::Selection;
use crate::source::Source;

/// The script that tells a page its own hash; see `inject --page-hash`.
const PAGE_HASH_SCRIPT: &str = "manifest-hash.js";

/// Makes the `ngsw.json` that `args` ask for.
///
/// # Errors
/// See [`Error`]; nothing has been written then, unless writing itself failed.
pub(crate) fn run(args: &BuildArgs, source: &Source, ctx: &mut Context) -> Result<Outcome, Error> {
    let plan = Plan::of(args, ctx)?;
    let outputs = Selection::everything().without(source.own_outputs(args));
    let is_wanted = |path: &str| outputs.lists(path) || (path == PAGE_HASH_SCRIPT && !args.print_hash);
    let mut tree = source.find(args, is_wanted)?;
    let selection = ngsw::Selection::of(&plan.config, tree.files.iter().map(|found| found.path.as_str()));
    let selected: HashSet<&str> = selection.paths().collect();
    tree.files.retain(|found| selected.contains(found.path.as_str()));
    let algorithm = if args.print_hash { Algorithm::Sha256 } else { Algorithm::Sha1 };
    let Some(hashed) = build::hash(tree, &[algorithm], args, ctx, &source.shown())? else {
        return Ok(build::stopped(ctx));
    };
    let digests = digests(&hashed, algorithm);
    let text = if args.print_hash {
        let files = digests.iter().map(|(path, hex)| (*path, hex.as_str()));
        format!("{}\n", sums::manifest_hash(files))
    } else {
        plan.render(&selection, &digests)?
    };
    build::emit(args, ctx, &text)?;
    let paths: Vec<&str> = digests.keys().copied().collect();
    Ok(build::judge(args, ctx, &warnings(&plan.config, &selection, &paths), &measured(&hashed)))
}

/// Everything that decides the output besides the files.
struct Plan {
    config: Config,
    previous: Option<Previous>,
    timestamp_ms: u64,
}

impl Plan {
    fn of(args: &BuildArgs, ctx: &Context) -> Result<Plan, Error> {
        let path = args.ngsw_config.as_deref().ok_or(Error::NoNgswConfig)?;
        let config = Config::parse(&input::text(path)?, &args.base_href)
            .map_err(|reason| Error::NgswConfig { name: input::name(path), reason: Box::new(reason) })?;
        let config = if args.encode_names { config.with_encoded_names() } else { config };
        let previous = match args.previous.as_deref() {
            // The first build has no manifest before it.
            Some(path) if path.exists() => Some(Previous::parse(&input::text(path)?).map_err(|reason| {
                Error::PreviousNgsw { name: input::name(path), reason: Box::new(reason) }
            })?),
            _ => None,
        };
        let epoch = std::env::var("SOURCE_DATE_EPOCH").ok();
        let now_ms = u64::try_from(ctx.clock.now().as_millisecond()).unwrap_or_default();
        let sources =
            TimestampSources { given_ms: args.timestamp, source_date_epoch: epoch.as_deref(), now_ms };
        Ok(Plan { config, previous, timestamp_ms: sources.choose()? })
    }

    fn render(&self, selection: &ngsw::Selection, digests: &BTreeMap<&str, String>) -> Result<String, Error> {
        let sha1_of = |path: &str| digests.get(path.trim_start_matches('/')).map(String::as_str);
        Ok(ngsw::manifest(&self.config, selection, self.previous.as_ref(), self.timestamp_ms, sha1_of)?)
    }
}

fn digests(hashed: &[(String, Hashed)], algorithm: Algorithm) -> BTreeMap<&str, String> {
    let known =
        hashed.iter().filter_map(|(path, hashed)| Some((path.as_str(), hashed.digest(algorithm)?.hex())));
    known.collect()
}

/// The files with their sizes, for the budgets.
fn measured(hashed: &[(String, Hashed)]) -> Manifest {
    let entry = |(path, hashed): &(String, Hashed)| match hashed {
        Hashed::Digests(size, _) | Hashed::TooLarge(size) => {
            Entry { url: path.clone(), size_bytes: Some(*size), ..Entry::default() }
        }
    };
    Manifest { entries: hashed.iter().map(entry).collect(), ..Manifest::default() }
}

fn warnings(config: &Config, selection: &ngsw::Selection, paths: &[&str]) -> Vec<String> {
    let unused = selection.unused().iter();
    let unused = unused.map(|unused| format!("{}: pattern `{}` matches no file", unused.group, unused.glob));
    let unreachable = ngsw::unreachable(config, selection).into_iter().map(unreachable_text);
    unused.chain(unreachable).chain(build::twin_warnings(paths)).collect()
}

fn unreachable_text(file: Unreachable) -> String {
    let outcome =
        if file.breaks_install { "no client can install this release" } else { "it is never cached" };
    let Unreachable { path, culprit, .. } = file;
    format!("{path}: Angular's worker cannot fetch a name with {culprit}: {outcome}; --encode-names helps")
}
