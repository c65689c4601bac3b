//! What `base` says of its plan and of what it has made.

use release_common::units::ByteSize;
use release_common::{Context, Outcome};
use serde_json::json;

use super::Plan;
use crate::answer;
use crate::cli::BaseArgs;
use crate::error::Error;
use crate::manifest::Manifest;
use crate::store::Store;

/// Tells the plan of `--dry-run`.
pub(super) fn planned(args: &BaseArgs, plan: &Plan, context: &mut Context) -> Result<Outcome, Error> {
    let summary = json!({
        "type": "summary", "result": "planned", "series": plan.series.to_string(), "method": "stream",
        "cluster_bytes": plan.facts.cluster_bytes, "client": plan.programs.version().text,
        "compression": plan.sealing.compression, "recipients": plan.sealing.recipients.shown(),
    });
    let text = format!(
        "would copy {} ({}) by pg_basebackup {}, streamed, zstd {}",
        plan.series,
        ByteSize(plan.facts.cluster_bytes),
        plan.programs.version().text,
        plan.sealing.compression,
    );
    answer::tell(context, args.make.report.format(), &summary, &text)?;
    Ok(Outcome::Good)
}

/// Tells what was made.
pub(super) fn made(
    args: &BaseArgs,
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
        "cluster": manifest.cluster.name, "system_id": manifest.cluster.system_id, "release": manifest.release,
        "snapshot_at": manifest.snapshot_at, "finished_at": manifest.finished_at, "took_s": took_s,
        "stored_bytes": manifest.stored_bytes(), "plain_bytes": plain_bytes, "method": "stream",
        "timeline": manifest.wal.as_ref().map(|wal| wal.timeline),
        "start_lsn": manifest.wal.as_ref().map(|wal| &wal.start_lsn),
        "stop_lsn": manifest.wal.as_ref().map(|wal| &wal.stop_lsn),
        "restorable_from": manifest.wal.as_ref().map(|wal| wal.stop_at),
        "is_encrypted": !manifest.recipients.is_empty(), "client": manifest.tool.client,
    });
    let from = manifest.wal.as_ref().map_or(manifest.finished_at, |wal| wal.stop_at);
    let encrypted = if manifest.recipients.is_empty() { "" } else { ", encrypted" };
    let text = format!(
        "{}\n  {} of {} stored in {} ({} uncompressed{encrypted}), streamed with its own WAL\n  \
         with later WAL it leads to any moment from {from:.0} on, took {took_s:.1} s",
        manifest.id,
        ByteSize(manifest.stored_bytes()),
        manifest.cluster.name,
        store.shown(),
        ByteSize(plain_bytes),
    );
    answer::tell(context, args.make.report.format(), &summary, &text)?;
    Ok(Outcome::Good)
}
