//! `verify`: compares the new columns of every row with what their expressions give.
//!
//! A checksum would tell that something is wrong; comparing tells which rows, and costs less (0.9 s against 1.6 s for two
//! million rows). A row counts as different only when a second look a moment later says so too: an application that
//! writes old and new column in two statements is not wrong in between.
//!
//! Walked by key, each row is seen whatever other sessions do. Walked by blocks, a row that is updated meanwhile may move
//! behind the cursor; such rows are told apart as moved, and another walk looks for them.

mod lines;
mod place;
mod record;
mod repair;
mod report;
mod sample;
mod tally;
mod walk;

use std::time::Instant;

use release_common::{Context, Outcome};

use self::lines::Summary;
use self::place::Place;
pub(crate) use self::place::other_table;
use self::record::Record;
use self::report::Reporter;
use self::tally::{Ending, Mode, Reason, Tally};
use self::walk::Walker;
use crate::cli::VerifyArgs;
use crate::comparison::Comparison;
use crate::error::Error;
use crate::expression;
use crate::job::{Job, State};
use crate::letters;
use crate::patience::Patient;
use crate::spec;

/// Compares old and new.
pub(crate) fn run(args: &VerifyArgs, context: &mut Context) -> Result<Outcome, Error> {
    crate::runtime()?.block_on(verify(args, context))
}

/// What a verification is about.
struct Subject<'a> {
    args: &'a VerifyArgs,
    job: &'a Job,
    comparison: &'a Comparison,
    place: Place,
}

async fn verify(args: &VerifyArgs, context: &mut Context) -> Result<Outcome, Error> {
    let mut patient = Patient::open(&args.connect, context).await?;
    let job = patient.job(&args.name).await?;
    refuse_self_reference(&job)?;
    let place = place::find(&mut patient, &job).await?;
    place.refuse(&job, args.repair)?;
    if job.state != State::Done {
        let state = job.state.name();
        context
            .console
            .note(format_args!("job {} is {state}: rows that are not filled yet differ", job.name));
    }
    if place.is_standby {
        context.console.note("this is a standby: rows are read again here, and nothing is recorded");
    }
    let comparison = Comparison::new(job.id, &job.spec, &job.target);
    let subject = Subject { args, job: &job, comparison: &comparison, place };
    let mut reporter = Reporter::new(context, args, subject.place.rows);
    let began = Instant::now();
    let ended = match args.sample {
        Some(percent) => sample::run(&subject, percent, &mut patient, &mut reporter).await,
        None => rounds(&subject, &mut patient, &mut reporter).await,
    };
    let clock = patient.actor().clock();
    let summary = |ending: &Ending| Summary::new(&subject, ending, began.elapsed(), clock);
    match ended {
        Ok(ending) => {
            reporter.summary(&summary(&ending))?;
            Ok(ending.outcome(args.follow))
        }
        Err(error) => {
            // Whoever reads the stream learns from its last line that there is no answer.
            let mode = if args.sample.is_some() { Mode::Sample } else { Mode::Full };
            let reason =
                if matches!(error, Error::Unreachable { .. }) { Reason::Unreachable } else { Reason::Failed };
            reporter.summary(&summary(&Ending::new(mode, reason, reporter.tally())))?;
            Err(error)
        }
    }
}

/// An expression that reads the column it fills has no value to compare with once it is filled.
pub(crate) fn refuse_self_reference(job: &Job) -> Result<(), Error> {
    let own = |one: &&spec::Assignment| expression::references(&one.expression, &one.column);
    let Some(one) = job.spec.set.iter().find(own) else { return Ok(()) };
    let reason = format!(
        "the expression reads the column {} that it fills: afterwards nothing tells what it was",
        one.column
    );
    let place = spec::Place::Stored(format!("set.{}", one.column.name()));
    let hint =
        Some("compare with a copy of the table, or keep the old value in a column of its own".to_owned());
    Err(Error::Spec(spec::SpecError { place, reason, hint }))
}

/// One verification, or with `--follow` one after the other until a signal.
async fn rounds(
    subject: &Subject<'_>,
    patient: &mut Patient,
    reporter: &mut Reporter<'_>,
) -> Result<Ending, Error> {
    let mut round = 1;
    let mut sum = Tally::default();
    loop {
        let began = Instant::now();
        let ending = complete(subject, round == 1, patient, reporter).await?;
        if !subject.args.follow {
            return Ok(ending);
        }
        if matches!(ending.reason, Reason::Signal) {
            return Ok(followed(&sum, &ending));
        }
        reporter.round(round, &ending, began.elapsed())?;
        sum.add(&ending.tally);
        patient.sleep(subject.args.every.0).await;
        if let Some(signal) = patient.requested() {
            return Ok(followed(&sum, &Ending::stopped(signal, Tally::default())));
        }
        round += 1;
    }
}

/// The end of `--follow`: all rounds together.
fn followed(sum: &Tally, last: &Ending) -> Ending {
    let mut tally = sum.clone();
    tally.add(&last.tally);
    Ending { tally, ..last.clone() }
}

/// One verification of the whole table. By blocks, rows that moved ask for another walk.
async fn complete(
    subject: &Subject<'_>,
    may_resume: bool,
    patient: &mut Patient,
    reporter: &mut Reporter<'_>,
) -> Result<Ending, Error> {
    /// A table whose differing rows move in every walk is not settled, and no number of walks will settle it.
    const MOST_WALKS: u32 = 3;
    let mut record = Record::begin(patient, subject, may_resume).await?;
    if let Some(age) = record.resumed() {
        reporter.note(format_args!("going on from the verification that began {age} ago"));
    }
    for walk in 1..=MOST_WALKS {
        let mut walker = Walker::new(subject, patient, reporter, &mut record);
        if let Some(signal) = walker.walk().await? {
            return Ok(Ending::stopped(signal, record.tally().clone()));
        }
        let moved = record.tally().rows_moved;
        if moved == 0 || walk == MOST_WALKS {
            break;
        }
        reporter.note(format_args!("{moved} rows changed while they were compared: looking again"));
        record.restart(patient).await?;
    }
    let dead_letters = letters::count(patient, subject.job).await;
    let dead_letters = dead_letters.map_err(|source| patient.error("counting dead letters", source))?;
    record.end(patient).await?;
    Ok(Ending::complete(record.tally().clone(), dead_letters))
}
