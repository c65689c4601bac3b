//! The job `diff`: two manifests in, what changed and what it costs a returning client out.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use precache_manifest::difference::{Difference, is_immutable};
use precache_manifest::{Entry, Manifest, url};
use release_common::units::ByteSize;
use release_common::{Context, Outcome};

use crate::build::missed_budgets;
use crate::cli::DiffArgs;
use crate::error::Error;
use crate::input;
use crate::report::{self, Cost, Report};

/// Compares as `args` ask.
///
/// # Errors
/// See [`Error`]; the tool changes nothing.
pub fn run(args: &DiffArgs, ctx: &mut Context) -> Result<Outcome, Error> {
    if input::is_stdin(&args.old) && input::is_stdin(&args.new) {
        return Err(Error::TwoStdins);
    }
    let old = input::manifest(&args.old)?;
    let mut new = input::manifest(&args.new)?;
    if let Some(folder) = &args.files {
        add_sizes(&mut new, folder)?;
    }
    let difference = Difference::between(&old, &new, is_immutable);
    if args.keep {
        for url in difference.kept_for_old_clients() {
            writeln!(ctx.stdout(), "{url}")?;
        }
        return Ok(Outcome::Good);
    }
    let cost =
        Cost { fetch_bytes: fetch_bytes(&difference), fetch_gzip_bytes: gzip_bytes(&difference, args)? };
    let findings = findings(args, &difference, &new, cost);
    let is_gate = args.max_delta.is_some() || args.max_total.is_some() || args.max_files.is_some();
    let is_good = findings.is_empty() && (is_gate || difference.is_empty());
    let report = Report { difference: &difference, cost, new: &new, findings: &findings, is_good };
    report::write(&report, args.report.format(), ctx.stdout())?;
    Ok(if is_good { Outcome::Good } else { Outcome::Bad })
}

/// Takes the sizes that the manifest lacks from the files themselves.
fn add_sizes(manifest: &mut Manifest, folder: &Path) -> Result<(), Error> {
    for entry in manifest.entries.iter_mut().filter(|entry| entry.size_bytes.is_none()) {
        let Some(path) = file_path(entry) else { continue };
        let location = folder.join(path);
        let metadata = location
            .metadata()
            .map_err(|source| Error::Unreadable { name: location.display().to_string(), source })?;
        entry.size_bytes = Some(metadata.len());
    }
    Ok(())
}

fn file_path(entry: &Entry) -> Option<String> {
    entry.path.clone().or_else(|| url::decode(&entry.url))
}

/// `None` when the size of a fetched entry is unknown: a sum of the others would be a wrong answer.
fn fetch_bytes(difference: &Difference) -> Option<u64> {
    difference.fetched().iter().try_fold(0_u64, |total, entry| total.checked_add(entry.size_bytes?))
}

fn gzip_bytes(difference: &Difference, args: &DiffArgs) -> Result<Option<u64>, Error> {
    let Some(folder) = &args.files else {
        return Ok(None);
    };
    let mut total = 0;
    for path in difference.fetched().into_iter().filter_map(file_path) {
        let location = folder.join(path);
        total += gzip_size(&location)
            .map_err(|source| Error::Unreadable { name: location.display().to_string(), source })?;
    }
    Ok(Some(total))
}

/// Size of one file as a server would send it with gzip at its usual level 6.
fn gzip_size(location: &Path) -> std::io::Result<u64> {
    let mut file = File::open(location)?;
    let mut encoder = GzEncoder::new(CountingSink(0), Compression::new(6));
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(encoder.finish()?.0);
        }
        encoder.write_all(buffer.get(..count).unwrap_or_default())?;
    }
}

struct CountingSink(u64);

impl Write for CountingSink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What is wrong with the next release, beyond being another one.
fn findings(args: &DiffArgs, difference: &Difference, new: &Manifest, cost: Cost) -> Vec<String> {
    let mut findings = missed_budgets(new, args.max_total, args.max_files);
    match (args.max_delta, cost.fetch_bytes) {
        (Some(limit), Some(bytes)) if ByteSize(bytes) > limit => {
            findings.push(format!(
                "budget missed: a client fetches {}, more than --max-delta {limit}",
                ByteSize(bytes)
            ));
        }
        (Some(_), None) => {
            findings.push("budget unknown: sizes are missing; name the folder with --files".to_owned())
        }
        _ => (),
    }
    if args.max_total.is_some() && new.entries.iter().any(|entry| entry.size_bytes.is_none()) {
        findings.push("budget unknown: sizes are missing; name the folder with --files".to_owned());
    }
    if args.strict {
        let text = |entry: &Entry| format!("{}: immutable name with new content", entry.url);
        findings.extend(difference.poisoned.iter().map(text));
    }
    findings.dedup();
    findings
}
