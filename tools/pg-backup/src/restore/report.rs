//! What `restore --to` says of its plan and of what it has done.

use release_common::units::ByteSize;
use release_common::{Context, Outcome};
use release_postgres::{Database, Identifier};
use serde_json::{Value, json};

use super::act::Done;
use super::decision::{Into, Plan};
use crate::answer;
use crate::archive::Way;
use crate::cli::RestoreArgs;
use crate::error::Error;
use crate::manifest::Manifest;

/// A plan, and what it is about.
pub(super) struct Planned<'a> {
    pub(super) args: &'a RestoreArgs,
    pub(super) plan: &'a Plan,
    pub(super) target: &'a str,
    pub(super) manifest: &'a Manifest,
    pub(super) way: Way,
    pub(super) server: &'a Database,
}

impl Planned<'_> {
    /// Tells the plan of `--dry-run`.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub(super) fn tell(&self, context: &mut Context) -> Result<Outcome, Error> {
        let mut summary = self.summary("planned");
        if let Some(summary) = summary.as_object_mut() {
            summary.insert("steps".to_owned(), json!(self.steps()));
        }
        let steps: String = self.steps().iter().map(|step| format!("\n  {step}")).collect();
        let text =
            format!("would restore {} as {} on {}:{steps}", self.manifest.id, self.target, self.place());
        answer::tell(context, self.args.report.format(), &summary, &text)?;
        Ok(Outcome::Good)
    }

    /// Tells what was done.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub(super) fn done(&self, done: &Done, read: u64, context: &mut Context) -> Result<Outcome, Error> {
        for note in &done.notes {
            context.console.note(note);
        }
        let drop = done.kept.as_ref().map(|kept| format!("drop database {}", Identifier::new(kept)));
        let mut summary = self.summary("good");
        let more = json!({
            "restored_bytes": read, "restore_s": done.restore_s, "tables": done.rows.map(|rows| rows.tables),
            "rows": done.rows.map(|rows| rows.rows), "kept": done.kept, "next": &drop, "notes": done.notes,
        });
        if let (Some(summary), Value::Object(more)) = (summary.as_object_mut(), more) {
            summary.extend(more);
        }
        let mut lines = vec![format!("{} restored as {} on {}", self.manifest.id, self.target, self.place())];
        let rows = done
            .rows
            .map_or_else(String::new, |rows| format!("{} rows in {} tables, ", rows.rows, rows.tables));
        lines.push(format!("  {rows}{} read in {:.1} s ({})", ByteSize(read), done.restore_s, self.manner()));
        if let (Some(kept), Some(drop)) = (&done.kept, &drop) {
            lines.push(format!("  the database that it replaces is kept as {kept}"));
            lines.push(format!("  when all is well: {drop};"));
        }
        lines.push("  the planner knows nothing of it yet: vacuumdb --analyze-in-stages".to_owned());
        answer::tell(context, self.args.report.format(), &summary, &lines.join("\n"))?;
        Ok(Outcome::Good)
    }

    fn place(&self) -> String {
        format!("{}:{}", self.server.host(), self.server.port())
    }

    fn manner(&self) -> String {
        let jobs = if self.args.jobs > 1 { format!(", {} jobs", self.args.jobs) } else { String::new() };
        let whole = if self.plan.in_one_transaction { ", one transaction" } else { "" };
        format!("{}{jobs}{whole}", self.way.word())
    }

    fn summary(&self, result: &str) -> Value {
        json!({
            "type": "summary", "result": result, "reason": null, "id": self.manifest.id, "database": self.target,
            "server": self.place(), "snapshot_at": self.manifest.snapshot_at, "way": self.way.word(),
            "jobs": self.args.jobs, "in_one_transaction": self.plan.in_one_transaction,
        })
    }

    fn steps(&self) -> Vec<String> {
        let (into, target) = (&self.plan.into, self.target);
        let mut steps = match &self.plan.way {
            Into::New => vec![format!("make the database {into}")],
            Into::Empty { .. } => vec![format!("take the database {into}, which is empty")],
            Into::Again => vec![format!("drop {into}, which a killed restore has left, and make it again")],
            Into::Aside { is_left: false, .. } => vec![format!("make the database {into}")],
            Into::Aside { is_left: true, .. } => {
                vec![format!("drop {into}, which a killed restore has left, and make it again")]
            }
            Into::Complete { .. } => {
                vec![format!("take the database {into}, which an earlier run has restored")]
            }
        };
        if !matches!(self.plan.way, Into::Complete { .. }) {
            steps.push(format!("restore into it ({})", self.manner()));
        }
        if let Into::Aside { before, .. } | Into::Complete { before } = &self.plan.way {
            steps.push(format!("rename {target} to {before} and {into} to {target}, in one transaction"));
        }
        steps
    }
}
