//! `doctor`: looks for what would make a backup, a verification or a restore fail, before the night on which it does.
//!
//! It tries rather than reads settings: an object is written to the store and removed, a scratch cluster is started. What
//! fails is said with the next step; what is only missing for more than dumps is a warning.

mod database;
mod finding;
mod machine;
mod store;

use release_common::output::{Format, JsonLines};
use release_common::{Context, Outcome, Stop};
use serde_json::json;

use self::finding::{Finding, Level};
use crate::cli::DoctorArgs;
use crate::error::Error;
use crate::scratch;

/// Looks.
///
/// # Errors
/// When the store or the database cannot be reached, or stdout cannot be written.
pub(crate) fn run(args: &DoctorArgs, context: &mut Context) -> Result<Outcome, Error> {
    let now = context.clock.now();
    let (findings, unreachable) = crate::runtime()?.block_on(async {
        let mut stop = Stop::new(&context.shutdown);
        stop.unless(async { Ok::<_, Error>(look(args, now).await) }).await
    })?;
    for finding in &findings {
        tell(args, finding, context)?;
    }
    // What could not be asked is no answer about the rest.
    if let Some(error) = unreachable {
        return Err(error);
    }
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    let (failed, warned) = (count(Level::Fail), count(Level::Warn));
    let is_good = failed == 0;
    let summary = json!({
        "type": "summary", "result": if is_good { "good" } else { "bad" },
        "reason": if is_good { "healthy" } else { "checks_failed" },
        "checks": findings.len(), "failed": failed, "warnings": warned,
    });
    let text = format!("{} checks: {failed} failed, {warned} warnings", findings.len());
    crate::answer::tell(context, args.report.format(), &summary, &text)?;
    Ok(if is_good { Outcome::Good } else { Outcome::Bad })
}

/// All findings, and what could not be reached.
async fn look(args: &DoctorArgs, now: jiff::Timestamp) -> (Vec<Finding>, Option<Error>) {
    let mut findings = Vec::new();
    if args.sweep {
        findings.push(swept(args));
    }
    let store = store::look(&args.series.store, now, &mut findings).await;
    let database = database::look(&args.connect, now, &mut findings).await;
    let facts = database.as_ref().ok().and_then(|seen| seen.as_ref().map(|(facts, _)| facts));
    let programs = machine::programs(args, facts, &mut findings);
    machine::scratch(args, facts, programs, &mut findings).await;
    let unreachable = store.err().or(database.err());
    (findings, unreachable)
}

fn swept(args: &DoctorArgs) -> Finding {
    match scratch::sweep(&scratch::folder_for_scratch(args.scratch.as_deref())) {
        Ok(removed) => {
            Finding::ok("sweep", format!("{} scratch clusters of killed runs removed", removed.len()))
        }
        Err(error) => Finding::fail("sweep", crate::answer::with_causes(&error), "remove it by hand"),
    }
}

fn tell(args: &DoctorArgs, finding: &Finding, context: &mut Context) -> Result<(), Error> {
    match args.report.format() {
        Format::Json => JsonLines::new(context.stdout()).write(finding)?,
        Format::Human | Format::Github => {
            let level = match finding.level {
                Level::Ok => "ok",
                Level::Warn => "warn",
                Level::Fail => "FAIL",
            };
            writeln!(context.stdout(), "{level:<4}  {:<14}  {}", finding.name, finding.text)?;
            if let Some(hint) = &finding.hint {
                writeln!(context.stdout(), "{:22}hint: {hint}", "")?;
            }
        }
    }
    Ok(())
}
