//! Where answers are told: lines for people, JSON Lines, annotations, and a live display while watching.

use std::io::{self, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use release_common::output::github::{Annotation, Level, annotations};
use release_common::output::{Format, JsonLines};
use release_common::{Console, Context};
use serde_json::Value;

use super::check::Report;
use super::lines::Finding;
use super::verdict::Answer;
use crate::job::Job;

/// Tells answers of one run.
pub(crate) struct Reporter<'a> {
    out: &'a mut (dyn Write + Send),
    console: Console,
    format: Format,
    job: &'a Job,
    display: Option<ProgressBar>,
    /// Findings that were told last.
    told: Vec<Finding>,
}

impl<'a> Reporter<'a> {
    pub(crate) fn new(context: &'a mut Context, format: Format, job: &'a Job) -> Reporter<'a> {
        let console = context.console;
        Reporter { out: context.stdout(), console, format, job, display: None, told: Vec::new() }
    }

    /// One look of `watch`: findings when they have changed, then where it stands.
    pub(crate) fn observation(&mut self, report: &Report) -> io::Result<()> {
        self.findings(report)?;
        if self.format == Format::Json {
            self.line(&report.observation())?;
        }
        if self.console.wants_progress() {
            self.display.get_or_insert_with(display).set_message(report.told());
        }
        Ok(())
    }

    /// Something about the watching itself.
    pub(crate) fn note(&mut self, text: &str) {
        self.aside(|console| console.note(text));
    }

    /// The answer.
    pub(crate) fn summary(&mut self, report: &Report) -> io::Result<()> {
        self.findings(report)?;
        self.display = None;
        if report.standbys > 0 && report.answer != Answer::InUse {
            self.console.note(format_args!(
                "standbys: {}; statements that run there are counted there and not seen here",
                report.standbys
            ));
        }
        if self.format == Format::Json {
            return self.line(&report.summary(self.job));
        }
        let columns = report.columns.join(", ");
        writeln!(self.out, "column    {columns} of {}", self.job.target.name)?;
        writeln!(self.out, "result    {}", report.told())?;
        writeln!(self.out, "next      {}", report.next(self.job))?;
        if self.format == Format::Github {
            write!(self.out, "{}", annotations(&annotated(report, &columns)))?;
        }
        self.out.flush()
    }

    fn findings(&mut self, report: &Report) -> io::Result<()> {
        let findings = report.findings();
        if findings == self.told {
            return Ok(());
        }
        for finding in &findings {
            match self.format {
                Format::Json => self.line(&finding.json)?,
                Format::Human | Format::Github => self.aside(|console| console.finding(&finding.text)),
            }
        }
        self.told = findings;
        Ok(())
    }

    /// Prints something above the display.
    fn aside(&self, print: impl FnOnce(&Console)) {
        match &self.display {
            Some(display) => display.suspend(|| print(&self.console)),
            None => print(&self.console),
        }
    }

    fn line(&mut self, line: &Value) -> io::Result<()> {
        JsonLines::new(&mut *self.out).write(line)
    }
}

impl Drop for Reporter<'_> {
    fn drop(&mut self) {
        if let Some(display) = &self.display {
            display.finish_and_clear();
        }
    }
}

fn display() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

/// Each finding as an error; without any, the answer itself unless it is good.
fn annotated(report: &Report, columns: &str) -> Vec<Annotation> {
    let level = if report.answer == Answer::InUse { Level::Error } else { Level::Warning };
    let about = |text: &str| format!("column {columns}: {text}");
    let mut all: Vec<Annotation> = report
        .findings()
        .iter()
        .map(|finding| Annotation { level, file: None, message: about(&finding.text) })
        .collect();
    if all.is_empty() && report.answer != Answer::Clean {
        all.push(Annotation { level, file: None, message: about(&report.told()) });
    }
    all
}
