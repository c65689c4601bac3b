//! `list`: what there is, and what is proven of it.

use release_common::output::{Format, JsonLines};
use release_common::units::ByteSize;
use release_common::{Context, Outcome};
use serde_json::{Value, json};

use crate::answer;
use crate::cli::ListArgs;
use crate::error::Error;
use crate::layout::Series;
use crate::opened::{self, Backup, Backups};
use crate::proof::{self, Proof};

/// Lists the backups of a series, oldest first.
///
/// # Errors
/// When the store fails.
pub(crate) fn run(args: &ListArgs, context: &mut Context) -> Result<Outcome, Error> {
    crate::runtime()?.block_on(async {
        let store = opened::store(&args.series.store)?;
        let series = opened::series(&store, &args.series).await?;
        let mut found = opened::backups(&store, &series).await?;
        if let Some(release) = &args.release {
            found
                .good
                .retain(|backup| backup.manifest.release.as_ref().is_some_and(|made| made.name == *release));
        }
        let proofs = proof::of_all(&store, &series, &found.good).await?;
        for (_, error) in &found.unreadable {
            context.console.warn(format_args!("{}: kept, and counted nowhere", answer::with_causes(error)));
        }
        let with_proof =
            |backup: &Backup| (backup.clone(), proofs.get(&backup.manifest.id).cloned().unwrap_or_default());
        let listed: Vec<_> = found.good.iter().map(with_proof).collect();
        match args.report.format() {
            Format::Json => tell(&listed, &found, &series, context)?,
            Format::Human | Format::Github => show(&listed, &series, context)?,
        }
        Ok(Outcome::Good)
    })
}

/// One backup for machines.
pub(crate) fn described(backup: &Backup, proof: &Proof) -> Value {
    let manifest = &backup.manifest;
    json!({
        "type": "backup", "id": manifest.id, "kind": manifest.kind, "database": manifest.database,
        "cluster": manifest.cluster.name, "release": manifest.release, "snapshot_at": manifest.snapshot_at,
        "finished_at": manifest.finished_at, "stored_bytes": manifest.stored_bytes(),
        "database_bytes": manifest.database_bytes, "is_encrypted": !manifest.recipients.is_empty(),
        "proof": proof.word(backup),
        "restored_at": proof.restored(backup).map(|evidence| evidence.finished_at),
    })
}

fn tell(
    listed: &[(Backup, Proof)],
    found: &Backups,
    series: &Series,
    context: &mut Context,
) -> Result<(), Error> {
    let mut lines = JsonLines::new(context.stdout());
    for (backup, proof) in listed {
        lines.write(&described(backup, proof))?;
    }
    let restored = listed.iter().filter(|(backup, proof)| proof.restored(backup).is_some()).count();
    let bytes: u64 = listed.iter().map(|(backup, _)| backup.manifest.stored_bytes()).sum();
    lines.write(&json!({
        "type": "summary", "result": "good", "series": series.to_string(), "backups": listed.len(),
        "restored": restored, "unreadable": found.unreadable.len(), "stored_bytes": bytes,
    }))?;
    Ok(())
}

fn show(listed: &[(Backup, Proof)], series: &Series, context: &mut Context) -> Result<(), Error> {
    if listed.is_empty() {
        writeln!(context.stdout(), "no backup of {series}")?;
        return Ok(());
    }
    writeln!(context.stdout(), "{:33}  {:20}  {:>10}  {:8}  RELEASE", "ID", "SNAPSHOT", "STORED", "PROOF")?;
    for (backup, proof) in listed {
        let manifest = &backup.manifest;
        let release = manifest.release.as_ref().map_or("", |release| release.name.as_str());
        let line = format!(
            "{:33}  {:20.0}  {:>10}  {:8}  {release}",
            manifest.id.as_str(),
            manifest.snapshot_at,
            ByteSize(manifest.stored_bytes()).to_string(),
            proof.word(backup),
        );
        writeln!(context.stdout(), "{}", line.trim_end())?;
    }
    Ok(())
}
