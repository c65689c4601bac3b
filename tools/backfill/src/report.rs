//! What `run` tells: events as JSON Lines, a live display on a terminal, a table at the end.

use std::io::{self, Write};

use jiff::Timestamp;
use release_common::output::github::{Annotation, Level, annotations};
use release_common::output::{Format, JsonLines};
use release_common::units::Span;
use release_common::{Console, Context};
use serde::Serialize;
use serde_json::{Value, json};

use crate::control::Pace;
use crate::display::Display;
use crate::estimate::Outlook;
use crate::live::{Counts, Note};
use crate::signals::{Finding, Signals};

/// How far the work is, once a second.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    pub(crate) pass: i32,
    pub(crate) keys_seen: i64,
    pub(crate) rows_written: i64,
    pub(crate) rows_total: f64,
    pub(crate) keys_per_s: f64,
    pub(crate) average_keys_per_s: f64,
    pub(crate) chunks_left: i64,
    pub(crate) dead_letters: i64,
    pub(crate) batch_ms: f64,
    pub(crate) pace: Pace,
    pub(crate) findings: Vec<Finding>,
    pub(crate) signals: Signals,
    pub(crate) outlook: Option<Outlook>,
    pub(crate) counts: Counts,
}

impl Progress {
    /// The share of the time that is worked; zero while held.
    pub(crate) fn duty(&self) -> f64 {
        match self.pace {
            Pace::Work(duty) => duty,
            Pace::Hold(_) => 0.0,
        }
    }

    fn to_json(&self, job: &str, clock: &str) -> Value {
        let held = match &self.pace {
            Pace::Hold(why) => Some(why.as_str()),
            Pace::Work(_) => None,
        };
        json!({
            "type": "progress", "job": job, "pass": self.pass, "keys_seen": self.keys_seen,
            "rows_written": self.rows_written, "rows_total_estimate": self.rows_total,
            "keys_per_s": tenths(self.keys_per_s), "average_keys_per_s": tenths(self.average_keys_per_s),
            "duty": self.duty(), "held": held, "batch_ms": tenths(self.batch_ms), "chunks_left": self.chunks_left,
            "dead_letters": self.dead_letters, "findings": self.findings, "signals": self.signals,
            "nights_left": self.outlook.map(|outlook| outlook.nights),
            "ends_at": self.outlook.and_then(|outlook| outlook.ends_at), "clock": clock,
        })
    }
}

/// Nobody reads more digits.
fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// How a run ended.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Summary {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) reason: &'static str,
    pub(crate) job: String,
    pub(crate) state: &'static str,
    pub(crate) pass: i32,
    /// Of this run.
    pub(crate) keys: u64,
    pub(crate) rows: u64,
    pub(crate) batches: u64,
    pub(crate) retries: u64,
    pub(crate) reconnects: u64,
    pub(crate) worked_s: f64,
    pub(crate) elapsed_s: f64,
    /// Of the job.
    pub(crate) rows_written: i64,
    pub(crate) chunks_left: i64,
    pub(crate) dead_letters: i64,
    pub(crate) detail: Option<String>,
    pub(crate) opens_at: Option<Timestamp>,
    pub(crate) clock: &'static str,
}

/// Where it is told.
pub(crate) struct Reporter<'a> {
    out: &'a mut (dyn Write + Send),
    console: Console,
    format: Format,
    display: Option<Display>,
    job: String,
    clock: &'static str,
    /// The page that Prometheus reads.
    metrics: Option<crate::metrics::Page>,
    broken: Option<io::Error>,
}

impl<'a> Reporter<'a> {
    pub(crate) fn new(
        context: &'a mut Context,
        format: Format,
        job: &str,
        clock: &'static str,
        metrics: Option<crate::metrics::Page>,
    ) -> Reporter<'a> {
        let console = context.console;
        let display = console.wants_progress().then(|| Display::new(job));
        let out = context.stdout();
        Reporter { out, console, format, display, job: job.to_owned(), clock, metrics, broken: None }
    }

    /// Something that is decided once, at the start.
    pub(crate) fn event(&mut self, event: &Value) {
        if self.format == Format::Json && self.broken.is_none() {
            self.broken = JsonLines::new(&mut *self.out).write(event).err();
        }
    }

    /// A remark for people; in JSON it is an event of its own.
    pub(crate) fn remark(&mut self, text: &str) {
        self.event(&json!({"type": "remark", "job": self.job, "text": text}));
        if self.format != Format::Json {
            self.aside(|console| console.note(text));
        }
    }

    /// Where the work stands.
    pub(crate) fn progress(&mut self, progress: &Progress) {
        if let Some(display) = &mut self.display {
            display.show(progress);
        }
        if let Some(page) = &self.metrics {
            page.set(&self.job, progress);
        }
        let line = progress.to_json(&self.job, self.clock);
        self.event(&line);
    }

    /// Something that happened.
    pub(crate) fn note(&mut self, note: &Note) {
        let job = self.job.clone();
        let (line, text) = match note {
            Note::Retry { sqlstate, message } => {
                (json!({"type": "retry", "job": job, "sqlstate": sqlstate, "message": message}), None)
            }
            Note::DeadLetter { key, sqlstate, message } => (
                json!({"type": "dead_letter", "job": job, "key": key, "sqlstate": sqlstate, "message": message}),
                Some(format!("row ({}) is left out: {message} ({sqlstate})", key.join(", "))),
            ),
            Note::Reconnected { cause } => (
                json!({"type": "reconnected", "job": job, "cause": cause}),
                Some(format!("connected again after: {cause}")),
            ),
            Note::LostLease { pass, n } => (
                json!({"type": "lost_lease", "job": job, "pass": pass, "chunk": n}),
                Some(format!("chunk {n} was taken by another worker: its lease had ended")),
            ),
            Note::Pass { pass, rows_written } => (
                json!({"type": "pass", "job": job, "pass": pass, "rows_written_before": rows_written}),
                Some(format!("pass {pass} begins: the last one filled {rows_written} rows")),
            ),
        };
        self.event(&line);
        if let Some(text) = text.filter(|_| self.format != Format::Json) {
            self.aside(|console| console.warn(&text));
        }
    }

    /// Prints above the display.
    fn aside(&self, print: impl FnOnce(&Console)) {
        match &self.display {
            Some(display) => display.suspend(|| print(&self.console)),
            None => print(&self.console),
        }
    }

    /// The end.
    pub(crate) fn summary(mut self, summary: &Summary) -> io::Result<()> {
        self.display = None;
        if let Some(error) = self.broken {
            return Err(error);
        }
        match self.format {
            Format::Json => JsonLines::new(self.out).write(summary),
            Format::Human => write_table(self.out, summary),
            Format::Github => {
                write_table(self.out, summary)?;
                let level = match summary.reason {
                    "done" => return Ok(()),
                    "failed" | "dead_letters" => Level::Error,
                    _ => Level::Notice,
                };
                let message = format!("backfill {}: {}", summary.job, told(summary));
                write!(self.out, "{}", annotations(&[Annotation { level, file: None, message }]))
            }
        }
    }
}

fn write_table(out: &mut (dyn Write + Send), summary: &Summary) -> io::Result<()> {
    writeln!(out, "job           {}", summary.job)?;
    writeln!(out, "this run      {} rows filled of {} keys seen", summary.rows, summary.keys)?;
    writeln!(out, "in all        {} rows filled", summary.rows_written)?;
    if summary.dead_letters > 0 {
        writeln!(out, "dead letters  {}", summary.dead_letters)?;
    }
    if summary.retries > 0 {
        writeln!(out, "retries       {}", summary.retries)?;
    }
    let tenths = (summary.elapsed_s * 10.0).round().max(0.0) / 10.0;
    let elapsed = Span(std::time::Duration::try_from_secs_f64(tenths).unwrap_or_default());
    let batches = if summary.batches == 1 { "batch" } else { "batches" };
    writeln!(out, "time          {elapsed} ({} {batches})", summary.batches)?;
    if summary.clock == "simulated" {
        writeln!(out, "clock         simulated")?;
    }
    writeln!(out, "result        {}", told(summary))
}

/// The reason as a sentence.
fn told(summary: &Summary) -> String {
    let opens = summary.opens_at.map(|at| format!(", which opens at {at}")).unwrap_or_default();
    let detail = summary.detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
    match summary.reason {
        "done" => "done: every row was seen".to_owned(),
        "dead_letters" => format!("done but for {} dead letters", summary.dead_letters),
        "window_closed" => format!("work remains: the same command resumes within the window{opens}"),
        "throttled" => format!("work remains: the database had no time{detail}"),
        "paused" => format!("work remains: the job is paused{detail}"),
        "cancelled" => "cancelled; what is filled stays filled".to_owned(),
        "owned_elsewhere" => "work remains: it belongs to workers elsewhere".to_owned(),
        "unreachable" => format!("work remains: the database cannot be reached{detail}"),
        "signal" => "stopped; the same command resumes".to_owned(),
        _ => format!("failed{detail}"),
    }
}
