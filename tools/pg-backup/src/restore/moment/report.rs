//! What `restore --at` says of its plan and of what it has restored.

use jiff::SignedDuration;
use release_common::{Context, Outcome};
use serde_json::json;

use super::Plan;
use super::recovering::Facts;
use crate::answer;
use crate::cli::RestoreArgs;
use crate::error::Error;

/// Tells the plan of `--dry-run`.
pub(super) fn planned(args: &RestoreArgs, plan: &Plan, context: &mut Context) -> Result<Outcome, Error> {
    let summary = json!({
        "type": "summary", "result": "planned", "base": plan.window.base.id, "target": plan.target,
        "from": plan.window.from, "until": plan.window.until, "timeline": plan.window.timeline,
        "pgdata": plan.pgdata, "server": plan.programs.version().text,
    });
    let text = format!(
        "would restore {} to {} in {}\n  WAL of timeline {} leads from {:.0} to {}",
        plan.window.base.id,
        plan.target,
        plan.pgdata.display(),
        plan.window.timeline,
        plan.window.from,
        plan.window.until.map_or_else(String::new, |until| format!("{until:.0}")),
    );
    answer::tell(context, args.report.format(), &summary, &text)?;
    Ok(Outcome::Good)
}

/// Tells what was restored.
pub(super) fn restored(
    args: &RestoreArgs,
    plan: &Plan,
    facts: &Facts,
    took: SignedDuration,
    context: &mut Context,
) -> Result<Outcome, Error> {
    let took_s = took.as_secs_f64();
    let summary = json!({
        "type": "summary", "result": "good", "base": plan.window.base.id, "target": plan.target,
        "last_commit_at": facts.last_commit, "timeline": facts.timeline, "system_id": facts.system_id,
        "pgdata": plan.pgdata, "took_s": took_s, "archives": false,
    });
    let last = match facts.last_commit {
        Some(last) => format!("the last commit in it is of {last:.0}"),
        None => "nothing was committed after the base backup".to_owned(),
    };
    let pg_ctl = plan.programs.path("pg_ctl");
    let text = format!(
        "restored {} to {} in {}\n  {last}, took {took_s:.1} s\n  start it: {} -D {} start\n  \
         it does not archive: remove archive_mode from its postgresql.auto.conf when it takes over",
        plan.place.cluster,
        plan.target,
        plan.pgdata.display(),
        pg_ctl.display(),
        plan.pgdata.display(),
    );
    answer::tell(context, args.report.format(), &summary, &text)?;
    Ok(Outcome::Good)
}
