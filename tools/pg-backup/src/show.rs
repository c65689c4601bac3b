//! `show`: one backup with its objects and what is proven of it.

use release_common::units::ByteSize;
use release_common::{Context, Outcome};
use serde_json::json;

use crate::answer;
use crate::cli::ShowArgs;
use crate::error::Error;
use crate::opened::{self, Backup};
use crate::proof::{self, Proof};

/// Shows a backup.
///
/// # Errors
/// When there is none, or the store fails.
pub(crate) fn run(args: &ShowArgs, context: &mut Context) -> Result<Outcome, Error> {
    let id = opened::id(args.id.as_ref())?;
    crate::runtime()?.block_on(async {
        let store = opened::store(&args.series.store)?;
        let series = opened::series(&store, &args.series).await?;
        let backup = opened::chosen(&store, &series, id.as_ref()).await?;
        let proof = proof::of(&store, &series, &backup).await?;
        for key in &proof.rejected {
            context.console.warn(format_args!("{key}: is no evidence about this backup"));
        }
        let holds: Vec<_> = store.list(&series.holds().join(backup.manifest.id.as_str())).await?;
        let holds: Vec<_> = holds
            .iter()
            .filter_map(|hold| {
                hold.key.filename().and_then(|name| name.strip_suffix(".json")).map(str::to_owned)
            })
            .collect();
        let summary = json!({
            "type": "summary", "result": "good", "key": series.manifest(&backup.manifest.id).to_string(),
            "manifest_sha256": backup.manifest_sha256, "manifest": backup.manifest,
            "proof": proof.word(&backup), "evidence": proof.evidence, "holds": holds,
        });
        answer::tell(context, args.report.format(), &summary, &text(&backup, &proof, &holds))?;
        Ok(Outcome::Good)
    })
}

fn text(backup: &Backup, proof: &Proof, holds: &[String]) -> String {
    let manifest = &backup.manifest;
    let mut lines = vec![
        manifest.id.to_string(),
        format!(
            "  of        {} in {}",
            manifest.database.as_deref().unwrap_or("the cluster"),
            manifest.cluster.name
        ),
        format!("  snapshot  {:.0}", manifest.snapshot_at),
        format!("  proof     {}", proof.word(backup)),
    ];
    if let Some(release) = &manifest.release {
        lines.push(format!("  release   {}", release.name));
    }
    if !holds.is_empty() {
        lines.push(format!("  held by   {}", holds.join(", ")));
    }
    if let Some(rows) = manifest.rows {
        lines.push(format!("  rows      {} in {} tables", rows.rows, rows.tables));
    }
    if !manifest.recipients.is_empty() {
        lines.push(format!("  encrypted to {}", manifest.recipients.join(", ")));
    }
    lines.push("  objects".to_owned());
    for object in &manifest.objects {
        let size = ByteSize(object.bytes).to_string();
        lines.push(format!("    {size:>10}  {}  {}", object.sha256, object.name));
    }
    lines.join("\n")
}
