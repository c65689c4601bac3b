//! `deadletter`: the rows that could not be filled, with the server's words, and another try for each.

use std::io::{self, Write};

use release_common::output::{Format, JsonLines};
use release_common::{Context, Outcome, Signal};
use release_postgres::DatabaseError;
use serde_json::{Value, json};

use crate::cli::{DeadLetterCommand, JobArgs};
use crate::error::Error;
use crate::job::{Job, State};
use crate::letters::{self, Letter, Retried};
use crate::patience::Patient;
use crate::reaction::Reaction;
use crate::statements::Statements;

/// Lists or retries.
pub(crate) fn run(command: &DeadLetterCommand, context: &mut Context) -> Result<Outcome, Error> {
    crate::runtime()?.block_on(async {
        match command {
            DeadLetterCommand::List(args) => list(args, context).await,
            DeadLetterCommand::Retry(args) => retry(args, context).await,
        }
    })
}

async fn list(args: &JobArgs, context: &mut Context) -> Result<Outcome, Error> {
    let mut patient = Patient::open(&args.connect, context).await?;
    let job = patient.job(&args.name).await?;
    let all = all(&mut patient, &job).await?;
    let is_json = args.report.format() == Format::Json;
    for letter in &all {
        if is_json {
            line(context, &to_json(letter))?;
        } else {
            write_letter(context.stdout(), letter)?;
        }
    }
    let reason = if all.is_empty() { "none" } else { "letters_left" };
    let clock = patient.actor().clock();
    let summary = json!({"type": "summary", "reason": reason, "job": job.name, "dead_letters": all.len(), "clock": clock});
    let text = if all.is_empty() {
        "no dead letters".to_owned()
    } else {
        format!("{} dead letters: `backfill deadletter retry {}` tries them again", all.len(), job.name)
    };
    crate::answer(context, args.report.format(), &summary, &text)?;
    Ok(if all.is_empty() { Outcome::Good } else { Outcome::Bad })
}

async fn retry(args: &JobArgs, context: &mut Context) -> Result<Outcome, Error> {
    let mut patient = Patient::open(&args.connect, context).await?;
    let job = patient.job(&args.name).await?;
    let statements = Statements::new(job.id, &job.spec, &job.target);
    let mut counts = Counts::default();
    for letter in all(&mut patient, &job).await? {
        if patient.requested().is_some() {
            break;
        }
        let tried = letters::retry(&mut patient, &job, &statements, &letter).await;
        let (result, text) = match tried {
            Ok(retried) => counts.gone(retried, &letter),
            Err(error) if is_of_the_row(&error) => {
                let written = patient.write(&letters::write(&job, &letter.key, &error)).await;
                written.map_err(|source| patient.error("writing a dead letter", source))?;
                counts.failed(&error, &letter)
            }
            Err(source) => return Err(patient.error("filling a row", source)),
        };
        if args.report.format() == Format::Json {
            let object = json!({"type": "dead_letter", "key": letter.key, "result": result, "message": text});
            line(context, &object)?;
        } else {
            writeln!(context.stdout(), "row ({}) {text}", letter.key.join(", "))?;
        }
    }
    end(args, &mut patient, &job, &counts, context).await
}

async fn end(
    args: &JobArgs,
    patient: &mut Patient,
    job: &Job,
    counts: &Counts,
    context: &mut Context,
) -> Result<Outcome, Error> {
    let left = letters::count(patient, job).await;
    let left = left.map_err(|source| patient.error("counting dead letters", source))?;
    let signal: Option<Signal> = patient.requested();
    let reason = match (signal, left) {
        (Some(_), _) => "signal",
        (None, 0) => "none_left",
        (None, _) => "letters_left",
    };
    let summary = json!({
        "type": "summary", "reason": reason, "job": job.name, "filled": counts.filled, "gone": counts.gone,
        "failed": counts.failed, "dead_letters": left, "clock": patient.actor().clock(),
    });
    let next = match (left, job.state) {
        (0, State::Done) => format!("; `backfill verify {}` proves that nothing is missing", job.name),
        (0, _) => format!("; the job is {}", job.state.name()),
        _ => String::new(),
    };
    let text = format!("{} filled, {} gone, {left} left{next}", counts.filled, counts.gone);
    crate::answer(context, args.report.format(), &summary, &text)?;
    Ok(match (signal, left) {
        (Some(signal), _) => Outcome::Stopped(signal),
        (None, 0) => Outcome::Good,
        (None, _) => Outcome::Bad,
    })
}

/// What came of the tries.
#[derive(Default)]
struct Counts {
    filled: u64,
    gone: u64,
    failed: u64,
}

impl Counts {
    fn gone(&mut self, retried: Retried, letter: &Letter) -> (&'static str, String) {
        match retried {
            Retried::Filled => {
                self.filled += 1;
                ("filled", format!("is filled after {} failed tries", letter.tries))
            }
            Retried::Gone => {
                self.gone += 1;
                ("gone", "is not there any more: its letter is removed".to_owned())
            }
        }
    }

    fn failed(&mut self, error: &DatabaseError, letter: &Letter) -> (&'static str, String) {
        self.failed += 1;
        let (code, tries) = (letters::code(error), letter.tries + 1);
        ("failed", format!("still fails after {tries} tries: {error} ({code})"))
    }
}

async fn all(patient: &mut Patient, job: &Job) -> Result<Vec<Letter>, Error> {
    let found = letters::all(patient, job).await;
    found.map_err(|source| patient.error("reading dead letters", source))
}

/// Whether another row may fare better: its data, or a lock or time that this one did not get.
fn is_of_the_row(error: &DatabaseError) -> bool {
    let reaction = error.sqlstate().map(Reaction::to);
    matches!(reaction, Some(Reaction::Bisect | Reaction::Shrink | Reaction::Wait | Reaction::Retry))
}

fn to_json(letter: &Letter) -> Value {
    json!({
        "type": "dead_letter", "key": letter.key, "sqlstate": letter.sqlstate, "message": letter.message,
        "tries": letter.tries, "at": letter.at,
    })
}

fn write_letter(out: &mut (dyn Write + Send), letter: &Letter) -> io::Result<()> {
    let tries = if letter.tries == 1 { "try" } else { "tries" };
    let (key, code) = (letter.key.join(", "), &letter.sqlstate);
    writeln!(out, "row ({key})  {code}  {} {tries}  {}", letter.tries, letter.message)
}

fn line(context: &mut Context, object: &Value) -> io::Result<()> {
    JsonLines::new(context.stdout()).write(object)
}
