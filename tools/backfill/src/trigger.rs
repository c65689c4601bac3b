//! `trigger`: the dual write in the database, for applications that cannot write both columns themselves.
//!
//! It computes the new columns of every written row. Creating it needs a lock that writers wait behind, so it is asked
//! for in short tries: each gives up after `timeouts.lock`, and lets those who queued behind it pass.

mod definition;
mod lock;

use std::time::Instant;

use release_common::output::Format;
use release_common::{Context, Outcome, Signal};
use release_postgres::{DatabaseError, Identifier};
use serde_json::{Value, json};

use self::definition::{Definition, Difference, Found};
use self::lock::Blocker;
use crate::catalog;
use crate::cli::{JobArgs, TriggerArgs, TriggerCommand};
use crate::error::Error;
use crate::expression;
use crate::job::Job;
use crate::patience::{Patient, backoff};
use crate::reaction::Reaction;
use crate::spec::{Place, SpecError};
use crate::verify;

/// Creates, checks or drops.
pub(crate) fn run(command: &TriggerCommand, context: &mut Context) -> Result<Outcome, Error> {
    crate::runtime()?.block_on(async {
        match command {
            TriggerCommand::Create(args) => create(args, context).await,
            TriggerCommand::Check(args) => check(args, context).await,
            TriggerCommand::Drop(args) => drop_it(args, context).await,
        }
    })
}

/// A change of the database, decided and not yet made.
struct Plan<'a> {
    job: &'a Job,
    definition: &'a Definition,
    statements: Vec<String>,
    /// As the record and the report name it.
    event: &'static str,
    is_drop: bool,
}

impl Plan<'_> {
    fn told(&self, text: &str) -> String {
        format!("trigger {} on {}: {text}", self.definition.trigger, self.job.target.name)
    }
}

/// What came of a plan.
enum Made {
    Done,
    Locked(Vec<Blocker>),
    Stopped(Signal),
}

async fn create(args: &TriggerArgs, context: &mut Context) -> Result<Outcome, Error> {
    let mut patient = Patient::open(&args.connect, context).await?;
    let job = patient.job(&args.name).await?;
    verify::refuse_self_reference(&job)?;
    refuse_generated(&mut patient, &job).await?;
    let definition = Definition::of(&job);
    let found = find(&mut patient, &definition).await?;
    let differences = definition.compare(&found);
    let is_new = differences.contains(&Difference::NoTrigger);
    let event = if is_new { "trigger_created" } else { "trigger_replaced" };
    let statements = definition.create(&differences);
    for name in &found.later {
        context.console.warn(format_args!(
            "trigger {name} fires after {} and may change the row again",
            definition.trigger
        ));
    }
    let plan = Plan { job: &job, definition: &definition, statements, event, is_drop: false };
    carry_out(args, &plan, &mut patient, context).await
}

async fn drop_it(args: &TriggerArgs, context: &mut Context) -> Result<Outcome, Error> {
    let mut patient = Patient::open(&args.connect, context).await?;
    let job = patient.job(&args.name).await?;
    let definition = Definition::of(&job);
    let found = find(&mut patient, &definition).await?;
    let is_absent = found.kind.is_none() && found.body.is_none();
    let statements = if is_absent { Vec::new() } else { definition.drop() };
    let plan =
        Plan { job: &job, definition: &definition, statements, event: "trigger_dropped", is_drop: true };
    carry_out(args, &plan, &mut patient, context).await
}

async fn check(args: &JobArgs, context: &mut Context) -> Result<Outcome, Error> {
    let mut patient = Patient::open(&args.connect, context).await?;
    let job = patient.job(&args.name).await?;
    let definition = Definition::of(&job);
    let found = find(&mut patient, &definition).await?;
    let findings: Vec<String> =
        definition.compare(&found).into_iter().map(|difference| difference.told(&found)).collect();
    let reason = match (findings.is_empty(), found.kind) {
        (true, _) => "present",
        (false, None) => "absent",
        (false, Some(_)) => "different",
    };
    let mut summary = summary(reason, &job, &definition, &patient);
    if let Some(object) = summary.as_object_mut() {
        object.insert("findings".to_owned(), json!(findings));
        object.insert("fires_later".to_owned(), json!(found.later));
    }
    let told =
        if findings.is_empty() { "present, enabled and as created".to_owned() } else { findings.join("; ") };
    let text = format!("trigger {} on {}: {told}", definition.trigger, job.target.name);
    crate::answer(context, args.report.format(), &summary, &text)?;
    Ok(if findings.is_empty() { Outcome::Good } else { Outcome::Bad })
}

/// Shows the plan, or makes it so and tells.
async fn carry_out(
    args: &TriggerArgs,
    plan: &Plan<'_>,
    patient: &mut Patient,
    context: &mut Context,
) -> Result<Outcome, Error> {
    let format = args.report.format();
    let told = |text: &str| plan.told(text);
    if args.dry_run {
        return dry_run(plan, format, patient, context);
    }
    if plan.statements.is_empty() {
        let summary = summary("unchanged", plan.job, plan.definition, patient);
        let state = if plan.is_drop { "is not there" } else { "is there already" };
        crate::answer(context, format, &summary, &told(state))?;
        return Ok(Outcome::Good);
    }
    let (reason, text, blockers, outcome) = match make(plan, patient).await? {
        Made::Done => {
            let word = plan.event.trim_start_matches("trigger_");
            (word, word.to_owned(), Vec::new(), Outcome::Good)
        }
        Made::Locked(blockers) => {
            let text = "nothing has changed: the table stayed locked; the same command tries again";
            ("locked", text.to_owned(), blockers, Outcome::Unfinished)
        }
        Made::Stopped(signal) => {
            ("signal", "nothing has changed".to_owned(), Vec::new(), Outcome::Stopped(signal))
        }
    };
    for blocker in &blockers {
        context.console.finding(format_args!("{} holds {}", blocker.told(), plan.job.target.name));
    }
    let mut summary = summary(reason, plan.job, plan.definition, patient);
    if let Some(object) = summary.as_object_mut() {
        object.insert("blockers".to_owned(), json!(blockers));
    }
    crate::answer(context, format, &summary, &told(&text))?;
    Ok(outcome)
}

fn dry_run(
    plan: &Plan<'_>,
    format: Format,
    patient: &Patient,
    context: &mut Context,
) -> Result<Outcome, Error> {
    let sql: String = plan.statements.iter().map(|statement| format!("{statement};\n")).collect();
    if format == Format::Json {
        let mut summary = summary("dry_run", plan.job, plan.definition, patient);
        if let Some(object) = summary.as_object_mut() {
            object.insert("sql".to_owned(), json!(sql));
        }
        crate::answer(context, format, &summary, "")?;
    } else {
        write!(context.stdout(), "{sql}")?;
    }
    Ok(Outcome::Good)
}

/// Tries until the lock is had, the time is over or a signal comes. The event is of the same transaction.
async fn make(plan: &Plan<'_>, patient: &mut Patient) -> Result<Made, Error> {
    let detail = json!({"trigger": plan.definition.trigger.name(), "table": plan.job.target.name});
    let timeouts = plan.job.spec.timeouts;
    let message = format!(
        "begin; set local lock_timeout = {}; set local statement_timeout = {}; {}; {}; commit",
        timeouts.lock.0.as_millis(),
        timeouts.statement.0.as_millis(),
        plan.statements.join("; "),
        patient.actor().event(plan.job, plan.event, &detail)
    );
    let (began, mut tries, mut blockers) = (Instant::now(), 0, Vec::new());
    loop {
        if let Some(signal) = patient.requested() {
            return Ok(Made::Stopped(signal));
        }
        let error = match patient.attempt(&message).await {
            Ok(_) => return Ok(Made::Done),
            Err(error) => error,
        };
        let is_locked = is_locked(&error);
        if is_locked {
            let seen = lock::blockers(patient, &plan.job.target.name, plan.is_drop).await;
            // Who is gone by now is not in the way any more; the last one that was is worth naming.
            let seen = seen.map_err(|source| patient.error("asking who holds the table", source))?;
            blockers = if seen.is_empty() { blockers } else { seen };
        }
        let is_over = began.elapsed() > patient.patience();
        match (is_locked, is_over) {
            (true, true) => return Ok(Made::Locked(blockers)),
            (false, true) => return Err(patient.error("changing the trigger", error)),
            (false, false) if !is_absent(&error) => return Err(patient.error("changing the trigger", error)),
            _ => {}
        }
        tries += 1;
        patient.sleep(backoff(tries)).await;
    }
}

fn is_locked(error: &DatabaseError) -> bool {
    error
        .sqlstate()
        .is_some_and(|code| matches!(Reaction::to(code), Reaction::Wait | Reaction::Retry | Reaction::Shrink))
}

/// Whether the way to the database is broken; all statements of the plan may run twice.
fn is_absent(error: &DatabaseError) -> bool {
    error
        .sqlstate()
        .map_or(!matches!(error, DatabaseError::Row(_)), |code| Reaction::to(code) == Reaction::Reconnect)
}

async fn find(patient: &mut Patient, definition: &Definition) -> Result<Found, Error> {
    let found = patient.read::<Found>(&definition.query()).await;
    let found = found.map_err(|source| patient.error("reading the catalog", source))?;
    Ok(found.into_iter().next().unwrap_or_default())
}

/// A stored generated column is computed after the triggers: before, it is null.
async fn refuse_generated(patient: &mut Patient, job: &Job) -> Result<(), Error> {
    let query = catalog::table_query(&job.target.name);
    let table = patient.read::<crate::target::Table>(&query).await;
    let table = table.map_err(|source| patient.error("reading the catalog", source))?.pop();
    let Some(table) = table.filter(|table| table.oid == job.target.oid) else {
        return Err(verify::other_table(job));
    };
    for column in table.columns.iter().filter(|column| column.is_generated) {
        let name = Identifier::new(&column.name);
        let reads = |one: &&crate::spec::Assignment| expression::references(&one.expression, &name);
        if let Some(one) = job.spec.set.iter().find(reads) {
            let reason =
                format!("the expression reads the generated column {name}, which is null while triggers run");
            let hint = Some(format!("write in place of {name} what it is generated from"));
            let place = Place::Stored(format!("set.{}", one.column.name()));
            return Err(Error::Spec(SpecError { place, reason, hint }));
        }
    }
    Ok(())
}

fn summary(reason: &str, job: &Job, definition: &Definition, patient: &Patient) -> Value {
    json!({
        "type": "summary", "reason": reason, "job": job.name, "table": job.target.name,
        "trigger": definition.trigger.name(), "function": definition.function, "clock": patient.actor().clock(),
    })
}
