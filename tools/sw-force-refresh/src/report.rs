//! What the commands tell: events as JSON Lines, or text for people.

use std::io::{self, Write};
use std::time::Duration;

use precache_manifest::ManifestHash;
use release_common::Context;
use release_common::output::github::{Annotation, Level, annotations};
use release_common::output::{Format, JsonLines};
use release_common::units::Span;
use serde::Serialize;
use ulid::Ulid;

use crate::adoption::Reason;
use crate::api::{Accepted, EventStatus, HashCount, Status};
use crate::cohort::Counts;
use crate::event::Event;
use crate::progress::Progress;
use crate::wait::Ending;

/// One line of `send --json`, `cancel --json` and `status --id --until --json`.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Line<'a> {
    /// What would be signed, under `--dry-run`.
    Plan { event: &'a Event },
    /// The hub has it.
    Published { id: Ulid, seq: u64, manifest_hash: ManifestHash, is_new: bool },
    /// Something has changed.
    Progress {
        id: Ulid,
        updated_percent: Option<f64>,
        #[serde(flatten)]
        counts: &'a Counts,
        hashes: &'a [HashCount],
    },
    /// The end.
    Summary(Summary<'a>),
}

/// How it ended.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Summary<'a> {
    pub(crate) reason: Reason,
    pub(crate) id: Ulid,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seq: Option<u64>,
    pub(crate) manifest_hash: ManifestHash,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) target_percent: Option<f64>,
    pub(crate) updated_percent: Option<f64>,
    pub(crate) elapsed_s: f64,
    #[serde(flatten)]
    pub(crate) counts: &'a Counts,
}

/// Where lines go.
pub(crate) struct Reporter<'a> {
    context: &'a mut Context,
    format: Format,
    progress: Option<Progress>,
    shown: Option<Counts>,
}

impl Reporter<'_> {
    pub(crate) fn new(context: &mut Context, format: Format) -> Reporter<'_> {
        Reporter { context, format, progress: None, shown: None }
    }

    /// What would be signed.
    pub(crate) fn plan(&mut self, event: &Event) -> io::Result<()> {
        if self.format == Format::Json {
            return self.line(&Line::Plan { event });
        }
        let out = self.context.stdout();
        writeln!(out, "update    {}", event.id)?;
        writeln!(out, "version   {}", event.manifest_hash)?;
        writeln!(out, "for       {}, {}% of all browsers", event.audience, event.rollout)?;
        writeln!(out, "severity  {}", spelled(&event.severity))?;
        let jitter = Span(Duration::from_millis(event.jitter_ms));
        writeln!(out, "reloads   spread over {jitter}, deferred at most {}", seconds(event.deadline))?;
        writeln!(out, "result    nothing is published: this is a dry run")
    }

    /// The hub has it.
    pub(crate) fn published(&mut self, accepted: Accepted, manifest_hash: ManifestHash) -> io::Result<()> {
        let Accepted { id, seq, is_new } = accepted;
        if self.format == Format::Json {
            return self.line(&Line::Published { id, seq, manifest_hash, is_new });
        }
        // Whoever interrupts the wait needs the id to resume it.
        let word = if is_new { "published" } else { "was published before" };
        self.context.console.note(format_args!("update {id} {word}"));
        Ok(())
    }

    /// Where it stands, if that is news.
    pub(crate) fn progress(&mut self, status: &Status, event: &EventStatus) -> io::Result<()> {
        if self.context.console.wants_progress() {
            self.progress.get_or_insert_with(Progress::new).show(status, event);
        }
        let is_news = self.shown.as_ref() != Some(&event.counts);
        if self.format != Format::Json || !is_news {
            return Ok(());
        }
        self.shown = Some(event.counts.clone());
        let (updated_percent, hashes) = (event.updated_percent, status.hashes.as_slice());
        self.line(&Line::Progress { id: event.id, updated_percent, counts: &event.counts, hashes })
    }

    /// The end: a table for people, annotations for GitHub when it is bad.
    pub(crate) fn summary(&mut self, summary: &Summary<'_>, ending: Ending) -> io::Result<()> {
        self.progress = None;
        match self.format {
            Format::Json => self.line(&Line::Summary(summary.clone())),
            Format::Human => write_table(self.context.stdout(), summary),
            Format::Github => {
                write_table(self.context.stdout(), summary)?;
                if matches!(ending, Ending::Bad(_)) {
                    let message = format!("update {}: {}", summary.id, told(summary));
                    let error = Annotation { level: Level::Error, file: None, message };
                    write!(self.context.stdout(), "{}", annotations(&[error]))?;
                }
                Ok(())
            }
        }
    }

    fn line(&mut self, line: &Line<'_>) -> io::Result<()> {
        JsonLines::new(self.context.stdout()).write(line)
    }
}

fn write_table(out: &mut (dyn Write + Send), summary: &Summary<'_>) -> io::Result<()> {
    let counts = summary.counts;
    writeln!(out, "update       {}", summary.id)?;
    writeln!(out, "version      {}", summary.manifest_hash)?;
    let share = summary.updated_percent.map(|share| format!("  {share:.1}%")).unwrap_or_default();
    writeln!(out, "updated      {} of {}{share}", counts.updated, counts.cohort)?;
    for (name, count) in [
        ("updating", counts.updating),
        ("received", counts.received),
        ("deferred", counts.deferred),
        ("failed", counts.failed),
        ("refused", counts.refused),
        ("skipped", counts.skipped),
        ("silent", counts.silent),
        ("gone", counts.gone),
        ("unsupported", counts.unsupported),
        ("already", counts.already),
    ] {
        if count > 0 {
            writeln!(out, "{name:<12} {count}")?;
        }
    }
    for (why, count) in &counts.why {
        writeln!(out, "  because    {} ({count})", spelled(why))?;
    }
    writeln!(out, "result       {}", told(summary))
}

/// The reason as a sentence.
fn told(summary: &Summary<'_>) -> String {
    // Nobody reads milliseconds: tenths of a second will do.
    let tenths = (summary.elapsed_s * 10.0).round().max(0.0);
    let elapsed = Span(Duration::try_from_secs_f64(tenths / 10.0).unwrap_or_default());
    match summary.reason {
        Reason::TargetMet => format!("target met after {elapsed}"),
        Reason::AlreadyCurrent => "all matched clients ran this version before".to_owned(),
        Reason::Empty => "published; no client matched".to_owned(),
        Reason::Published => "published".to_owned(),
        Reason::NoClientMatched => "published, but no client matched".to_owned(),
        Reason::TooFewClients => "published, but too few clients matched".to_owned(),
        Reason::BelowTarget => format!("published, but below the target after {elapsed}"),
        Reason::Cancelled => "the update was withdrawn".to_owned(),
        Reason::Superseded => "a newer update replaced this one".to_owned(),
        Reason::Interrupted => {
            format!("published; `status --id {} --until ...` resumes the wait", summary.id)
        }
        Reason::DryRun => "nothing is published: this is a dry run".to_owned(),
    }
}

/// Enough digits to tell versions apart.
pub(crate) fn short(hash: &ManifestHash) -> String {
    hash.to_string().chars().take(12).collect()
}

fn seconds(count: u64) -> Span {
    Span(Duration::from_secs(count))
}

/// A name as it stands in JSON.
fn spelled(name: &impl Serialize) -> String {
    serde_json::to_value(name)
        .ok()
        .and_then(|value| value.as_str().map(ToOwned::to_owned))
        .unwrap_or_default()
}
