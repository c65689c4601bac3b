//! What `verify` says.

use release_common::output::Format;
use release_common::units::ByteSize;
use release_common::{Context, Outcome};
use serde_json::{Value, json};

use super::{Finding, Subject};
use crate::answer;
use crate::cli::VerifyArgs;
use crate::error::Error;
use crate::evidence::{Evidence, Level, Verdict};
use crate::seal::Meter;

/// An answer with its evidence.
pub(super) struct Report<'a> {
    pub(super) args: &'a VerifyArgs,
    pub(super) subject: &'a Subject,
    pub(super) finding: &'a Finding,
    pub(super) evidence: &'a Evidence,
    /// Where the evidence lies.
    pub(super) key: &'a str,
    pub(super) meter: &'a Meter,
}

impl Report<'_> {
    /// Tells it.
    ///
    /// # Errors
    /// When it is inconclusive, or stdout cannot be written.
    pub(super) fn tell(&self, context: &mut Context) -> Result<Outcome, Error> {
        for note in &self.finding.notes {
            context.console.note(note);
        }
        let format = self.args.report.format();
        answer::tell(context, format, &self.summary(), &self.text())?;
        match self.finding.verdict {
            Verdict::Good => Ok(Outcome::Good),
            Verdict::Bad => {
                if format == Format::Json {
                    context.console.finding(format_args!("{}: {}", self.subject.id(), self.finding.text));
                }
                Ok(Outcome::Bad)
            }
            Verdict::Inconclusive => Err(Error::Inconclusive {
                what: format!("{}: {}", self.subject.id(), self.finding.text),
                hint: self.finding.hint.clone(),
            }),
        }
    }

    fn summary(&self) -> Value {
        let (finding, evidence) = (self.finding, self.evidence);
        let restore = finding.restore.as_ref();
        let manifest = self.subject.manifest();
        json!({
            "type": "summary", "result": finding.verdict, "reason": finding.reason,
            "message": Some(&finding.text).filter(|text| !text.is_empty()), "id": self.subject.id(),
            "level": evidence.level, "checked_bytes": self.meter.read(),
            "objects": manifest.map(|manifest| manifest.objects.len()),
            "snapshot_at": manifest.map(|manifest| manifest.snapshot_at),
            "started_at": evidence.started_at, "finished_at": evidence.finished_at, "took_s": self.took_s(),
            "way": finding.way, "jobs": restore.map(|check| check.jobs),
            "restore_s": restore.map(|check| check.restore_s),
            "tables": restore.map(|check| check.found.tables), "rows": restore.map(|check| check.found.rows),
            "database_bytes": restore.map(|check| check.database_bytes),
            "server_version": restore.map(|check| check.server_version),
            "differing_tables": restore.map(|check| &check.differing),
            "differing_schema": restore.map(|check| &check.schema.differing),
            "indexes": restore.map(|check| match &check.indexes {
                Some(indexes) if indexes.is_clean => "good",
                Some(_) => "bad",
                None => "skipped",
            }),
            "notes": finding.notes, "evidence": self.key,
        })
    }

    fn took_s(&self) -> f64 {
        self.evidence.finished_at.duration_since(self.evidence.started_at).as_secs_f64()
    }

    fn text(&self) -> String {
        let word = match self.finding.verdict {
            Verdict::Good => "good",
            Verdict::Bad => "BAD",
            Verdict::Inconclusive => "cannot tell",
        };
        let mut lines = vec![format!("{}  {word} ({})", self.subject.id(), level(self.evidence.level))];
        if self.finding.verdict != Verdict::Good {
            lines.push(format!("  {}", self.finding.text));
        }
        if let Some(check) = &self.finding.restore {
            let way = self.finding.way.unwrap_or_default();
            let jobs = if check.jobs == 1 { "1 job".to_owned() } else { format!("{} jobs", check.jobs) };
            lines.push(format!("  restored in {:.1} s ({way}, {jobs})", check.restore_s));
            let indexes = match (&check.indexes, &check.indexes_skipped) {
                (Some(indexes), _) if indexes.is_clean => "indexes checked".to_owned(),
                (Some(_), _) => "indexes BAD".to_owned(),
                (None, why) => format!("indexes not checked: {}", why.as_deref().unwrap_or("unknown")),
            };
            let (rows, tables) = (check.found.rows, check.found.tables);
            let schema = if check.schema.differing.is_empty() { "same schema" } else { "another schema" };
            lines.push(format!("  {rows} rows in {tables} tables, {schema}, {indexes}"));
        }
        let read = ByteSize(self.meter.read());
        lines.push(format!("  {read} read, took {:.1} s; evidence {}", self.took_s(), self.key));
        if self.finding.verdict == Verdict::Good && self.evidence.level != Level::Restore {
            lines.push(format!(
                "  only a restore proves it: pg-backup verify --level restore {}",
                self.subject.id()
            ));
        }
        if self.finding.verdict == Verdict::Bad {
            lines.push(format!("  hint: {}", self.finding.hint));
        }
        lines.join("\n")
    }
}

const fn level(level: Level) -> &'static str {
    match level {
        Level::Checksum => "checksum",
        Level::Decode => "decode",
        Level::Restore => "restore",
    }
}

/// Tells an answer whose evidence could not be stored.
pub(super) fn unrecorded(subject: &Subject, finding: &Finding, context: &Context) {
    let word = match finding.verdict {
        Verdict::Good => "was found good",
        Verdict::Bad => "is BAD",
        Verdict::Inconclusive => "could not be judged",
    };
    let text = if finding.text.is_empty() { String::new() } else { format!(": {}", finding.text) };
    context.console.finding(format_args!("{} {word}{text}; the evidence could not be stored", subject.id()));
}
