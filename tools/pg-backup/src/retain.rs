//! `retain`: shows what may go, and deletes what a plan names.
//!
//! A plan is a list of what it rests on, with what becomes of each backup, and its own SHA-256. `apply` carries it out
//! only if the store still holds what the plan was made of, or a part of it that the plan itself has removed: so a plan
//! that was cut short goes on where it stopped.

mod apply;
mod document;
mod survey;
mod table;
mod wal;

use std::io::Read;
use std::path::Path;

use release_common::output::{Format, JsonLines};
use release_common::{Context, Outcome};

use self::document::Plan;
use crate::cli::{RetainApplyArgs, RetainPlanArgs};
use crate::error::Error;
use crate::retention::{Policy, Refusal};
use crate::{answer, opened};

/// A plan of a million backups is smaller.
const PLAN_LIMIT: u64 = 1 << 30;

/// `retain plan`.
pub(crate) fn plan(args: &RetainPlanArgs, context: &mut Context) -> Result<Outcome, Error> {
    let (policy, now) = (policy(args), context.clock.now());
    let plan = crate::runtime()?.block_on(async {
        let store = opened::store(&args.series.store)?;
        let series = opened::series(&store, &args.series).await?;
        let survey = survey::survey(&store, &series).await?;
        if survey.states.is_empty() {
            // A name that is mistyped must not look like a series that is in order.
            return Err(Error::NotFound {
                what: format!("{}: holds no backup of {series}", store.shown()),
                hint: "look at --cluster, --database and --base".to_owned(),
            });
        }
        let plan = Plan::make(&series, survey, policy, now)?;
        if !args.series.base {
            return Ok(plan);
        }
        let expendable = wal::expendable(&store, series.cluster(), |id| plan.keeps(id)).await?;
        plan.with_wal(expendable)
    })?;
    for warning in &plan.summary.warnings {
        context.console.warn(warning);
    }
    match args.report.format() {
        Format::Json => {
            let mut lines = JsonLines::new(context.stdout());
            for line in &plan.lines {
                lines.write(line)?;
                release_common::fault::point("plan-line");
            }
            lines.write(&plan.summary)?;
        }
        Format::Human | Format::Github => write!(context.stdout(), "{}", table::render(&plan))?,
    }
    Ok(Outcome::Good)
}

/// `retain apply`.
pub(crate) fn apply(args: &RetainApplyArgs, context: &mut Context) -> Result<Outcome, Error> {
    let (place, text) = read(&args.plan)?;
    let plan = Plan::read(&place, &text)?;
    let stop = release_common::Stop::new(&context.shutdown);
    let now = context.clock.now();
    let done = crate::runtime()?.block_on(async {
        let store = opened::store(&args.series.store)?;
        let series = plan.series();
        apply::check_meant(&args.series, &series)?;
        apply::apply(&store, &series, &plan, now, &stop, args.dry_run).await
    })?;
    for warning in &done.warnings {
        context.console.warn(warning);
    }
    answer::tell(context, args.report.format(), &done.summary(&plan), &done.text())?;
    done.outcome()
}

fn policy(args: &RetainPlanArgs) -> Policy {
    Policy {
        daily: args.daily,
        weekly: args.weekly,
        monthly: args.monthly,
        yearly: args.yearly,
        releases: args.releases,
        newest: args.newest,
        within_s: args.within.map(|span| span.0.as_secs()),
        pitr_s: args.pitr.map(|span| span.0.as_secs()),
        grace_s: args.grace.0.as_secs(),
        allow_large: args.allow_large,
        zone: args.zone.clone(),
    }
}

/// The plan's text, and its place for messages.
fn read(path: &Path) -> Result<(String, String), Error> {
    if path == Path::new("-") {
        let mut text = String::new();
        let read = std::io::stdin().lock().take(PLAN_LIMIT).read_to_string(&mut text);
        read.map_err(|error| Error::Stdin { what: format!("cannot be read: {error}") })?;
        if text.trim().is_empty() {
            return Err(Error::Stdin { what: "holds no plan".to_owned() });
        }
        return Ok(("stdin".to_owned(), text));
    }
    let text = std::fs::read_to_string(path).map_err(|error| Error::Refused {
        what: format!("{}: cannot be read: {error}", path.display()),
        reason: "plan",
        hint: "name the file that `pg-backup retain plan --format json` wrote".to_owned(),
    })?;
    Ok((path.display().to_string(), text))
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        match refusal {
            Refusal::KeepsNothing => Error::Refused {
                what: "this policy would keep no backup".to_owned(),
                reason: "keeps_nothing",
                hint: "--newest must be 1 or more, and one rule at least must keep something".to_owned(),
            },
            Refusal::Zone(zone) => Error::Refused {
                what: format!("`{zone}` is no time zone"),
                reason: "zone",
                hint: "--zone takes a name of the IANA database, such as Europe/Berlin or UTC".to_owned(),
            },
            Refusal::Large { deleted, of } => Error::Refused {
                what: format!("this policy would delete {deleted} of {of} backups, which is more than half"),
                reason: "large_deletion",
                hint: "see them with `pg-backup retain plan --allow-large`, which allows it too".to_owned(),
            },
        }
    }
}
