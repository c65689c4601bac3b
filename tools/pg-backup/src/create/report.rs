//! What `create` says of its plan and of what it has made.

use release_common::units::ByteSize;
use release_common::{Context, Outcome};
use serde_json::json;

use super::plan::Plan;
use crate::answer;
use crate::cli::CreateArgs;
use crate::error::Error;
use crate::manifest::{Kind, Manifest};
use crate::store::Store;

/// Tells the plan of `--dry-run`.
pub(super) fn planned(args: &CreateArgs, plan: &Plan, context: &mut Context) -> Result<Outcome, Error> {
    let summary = json!({
        "type": "summary", "result": "planned", "series": plan.series.to_string(), "layout": layout(plan.kind),
        "jobs": args.jobs, "database_bytes": plan.facts.database_bytes, "table_bytes": plan.facts.table_bytes,
        "client": plan.programs.version().text, "compression": plan.sealing.compression,
        "recipients": plan.sealing.recipients.shown(),
    });
    answer::tell(context, args.make.report.format(), &summary, &plan.shown())?;
    Ok(Outcome::Good)
}

/// Tells what was made.
pub(super) fn made(
    args: &CreateArgs,
    manifest: &Manifest,
    store: &Store,
    context: &mut Context,
) -> Result<Outcome, Error> {
    if args.make.print_id {
        writeln!(context.stdout(), "{}", manifest.id)?;
        return Ok(Outcome::Good);
    }
    let plain_bytes: u64 = manifest.objects.iter().map(|object| object.plain_bytes).sum();
    let took_s = manifest.finished_at.duration_since(manifest.started_at).as_secs_f64();
    let summary = json!({
        "type": "summary", "result": "good", "id": manifest.id, "store": store.shown(),
        "cluster": manifest.cluster.name, "database": manifest.database, "release": manifest.release,
        "snapshot_at": manifest.snapshot_at, "finished_at": manifest.finished_at, "took_s": took_s,
        "stored_bytes": manifest.stored_bytes(), "plain_bytes": plain_bytes, "objects": manifest.objects.len(),
        "tables": manifest.rows.map(|rows| rows.tables), "rows": manifest.rows.map(|rows| rows.rows),
        "layout": layout(manifest.kind), "jobs": args.jobs, "is_encrypted": !manifest.recipients.is_empty(),
        "client": manifest.tool.client,
    });
    answer::tell(context, args.make.report.format(), &summary, &text(manifest, store, plain_bytes, took_s))?;
    Ok(Outcome::Good)
}

fn text(manifest: &Manifest, store: &Store, plain_bytes: u64, took_s: f64) -> String {
    let rows = manifest
        .rows
        .map_or_else(String::new, |rows| format!(", {} rows in {} tables", rows.rows, rows.tables));
    let encrypted = if manifest.recipients.is_empty() { "" } else { ", encrypted" };
    format!(
        "{}\n  {} of {} stored in {} ({} uncompressed{encrypted}){rows}\n  snapshot of {:.0}, took {took_s:.1} s\n  \
         not proven yet: pg-backup verify --level restore {}",
        manifest.id,
        ByteSize(manifest.stored_bytes()),
        manifest.database.as_deref().unwrap_or_default(),
        store.shown(),
        ByteSize(plain_bytes),
        manifest.snapshot_at,
        manifest.id,
    )
}

const fn layout(kind: Kind) -> &'static str {
    match kind {
        Kind::Dump => "custom",
        Kind::DumpDirectory => "directory",
        Kind::Base => "base",
    }
}
