//! Shows a difference between two releases: for people, as one JSON object, or as annotations.

use std::io::{self, Write};

use precache_manifest::difference::Difference;
use precache_manifest::{Entry, Manifest};
use release_common::output::github::{Annotation, Level, annotations};
use release_common::output::{Format, JsonLines};
use release_common::units::ByteSize;
use serde::Serialize;

/// What a returning client fetches; `None` where sizes are unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Bytes of all fetched files.
    pub fetch_bytes: Option<u64>,
    /// The same, each file compressed by gzip at level 6.
    pub fetch_gzip_bytes: Option<u64>,
}

/// Everything there is to show.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// What changed.
    pub difference: &'a Difference,
    /// What it costs.
    pub cost: Cost,
    /// The next release.
    pub new: &'a Manifest,
    /// Missed budgets and broken promises.
    pub findings: &'a [String],
    /// Whether the answer is good.
    pub is_good: bool,
}

/// Writes `report` to `out` in `format`.
///
/// # Errors
/// Those of the writer.
pub fn write(report: &Report<'_>, format: Format, out: &mut (dyn Write + Send)) -> io::Result<()> {
    match format {
        Format::Human => write_human(report, out),
        Format::Json => JsonLines::new(out).write(&Summary::of(report)),
        Format::Github => out.write_all(annotations(&all_annotations(report)).as_bytes()),
    }
}

fn write_human(report: &Report<'_>, out: &mut (dyn Write + Send)) -> io::Result<()> {
    let difference = report.difference;
    let mut lines: Vec<(&str, char, String, Option<u64>)> = Vec::new();
    lines.extend(
        difference.added.iter().map(|entry| (entry.url.as_str(), '+', entry.url.clone(), entry.size_bytes)),
    );
    lines.extend(
        difference.changed.iter().map(|entry| (entry.url.as_str(), '~', entry.url.clone(), entry.size_bytes)),
    );
    lines.extend(difference.removed.iter().map(|entry| (entry.url.as_str(), '-', entry.url.clone(), None)));
    lines.extend(difference.renamed.iter().map(|rename| {
        let text = format!("{} (was {})", rename.to.url, rename.from);
        (rename.to.url.as_str(), '>', text, rename.to.size_bytes)
    }));
    lines.sort();
    for (_, mark, text, size) in lines {
        match size {
            Some(size) => writeln!(out, "{mark} {:>10}  {text}", ByteSize(size).to_string())?,
            None => writeln!(out, "{mark} {:>10}  {text}", "")?,
        }
    }
    writeln!(
        out,
        "{} added, {} changed, {} renamed, {} removed, {} unchanged",
        difference.added.len(),
        difference.changed.len(),
        difference.renamed.len(),
        difference.removed.len(),
        difference.unchanged
    )?;
    writeln!(out, "{}", cost_text(report))?;
    for entry in &difference.poisoned {
        writeln!(out, "immutable name with new content: {}", entry.url)?;
    }
    report
        .findings
        .iter()
        .filter(|finding| finding.starts_with("budget"))
        .try_for_each(|finding| writeln!(out, "{finding}"))
}

fn cost_text(report: &Report<'_>) -> String {
    let total = ByteSize(report.new.total_bytes());
    match (report.cost.fetch_bytes, report.cost.fetch_gzip_bytes) {
        (None, _) => "sizes are unknown; name the new release's folder with --files".to_owned(),
        (Some(raw), None) => format!("a returning client fetches {} of {total}", ByteSize(raw)),
        (Some(raw), Some(gzip)) => {
            format!("a returning client fetches {} ({} by gzip) of {total}", ByteSize(raw), ByteSize(gzip))
        }
    }
}

#[derive(Serialize)]
struct Summary<'a> {
    r#type: &'a str,
    v: u32,
    result: &'a str,
    added: Vec<&'a str>,
    changed: Vec<&'a str>,
    renamed: Vec<Renamed<'a>>,
    removed: Vec<&'a str>,
    immutable_changed: Vec<&'a str>,
    unchanged: usize,
    fetch_bytes: Option<u64>,
    fetch_gzip_bytes: Option<u64>,
    total_bytes: u64,
    findings: &'a [String],
}

#[derive(Serialize)]
struct Renamed<'a> {
    from: &'a str,
    to: &'a str,
}

impl<'a> Summary<'a> {
    fn of(report: &'a Report<'a>) -> Summary<'a> {
        let urls = |entries: &'a [Entry]| entries.iter().map(|entry| entry.url.as_str()).collect();
        let difference = report.difference;
        let renamed = difference.renamed.iter();
        Summary {
            r#type: "summary",
            v: 1,
            result: if difference.is_empty() { "same" } else { "different" },
            added: urls(&difference.added),
            changed: urls(&difference.changed),
            renamed: renamed.map(|rename| Renamed { from: &rename.from, to: &rename.to.url }).collect(),
            removed: urls(&difference.removed),
            immutable_changed: urls(&difference.poisoned),
            unchanged: difference.unchanged,
            fetch_bytes: report.cost.fetch_bytes,
            fetch_gzip_bytes: report.cost.fetch_gzip_bytes,
            total_bytes: report.new.total_bytes(),
            findings: report.findings,
        }
    }
}

fn all_annotations(report: &Report<'_>) -> Vec<Annotation> {
    let finding = |text: &String| Annotation { level: Level::Error, file: None, message: text.clone() };
    let mut all: Vec<Annotation> = report.findings.iter().map(finding).collect();
    let poison = report.difference.poisoned.iter().map(|entry| Annotation {
        level: Level::Warning,
        file: None,
        message: format!("{}: immutable name with new content", entry.url),
    });
    all.extend(
        poison
            .filter(|warning| !all.iter().any(|known| known.message == warning.message))
            .collect::<Vec<_>>(),
    );
    all.push(Annotation { level: Level::Notice, file: None, message: cost_text(report) });
    all
}
