//! `gc`: removes what killed runs have left, and nothing else.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use object_store::path::Path;
use release_common::units::ByteSize;
use release_common::{Context, Outcome, Signal, Stop};
use serde_json::{Value, json};

use crate::cli::GcArgs;
use crate::deletion::{self, Deleted};
use crate::error::Error;
use crate::garbage::{self, Garbage};
use crate::layout::{self, BackupId, Series};
use crate::store::{Listed, Store};
use crate::wal_name::WalName;
use crate::wal_record::WalPlace;
use crate::{answer, lease, opened, wal_archive, wal_garbage};

/// Objects that are told by their names; their number tells the rest.
const TOLD: usize = 3;

/// What was done.
#[derive(Debug, Default)]
struct Done {
    is_dry: bool,
    deletions: usize,
    held: usize,
    unfinished: usize,
    orphans: usize,
    leases: usize,
    wal: usize,
    objects: usize,
    freed_bytes: u64,
    young: usize,
    in_use: usize,
    unknown: usize,
    denied: usize,
    stopped: Option<Signal>,
    warnings: Vec<String>,
}

/// Removes it.
///
/// # Errors
/// When the store fails; the same command goes on.
pub(crate) fn run(args: &GcArgs, context: &mut Context) -> Result<Outcome, Error> {
    let (now, stop) = (context.clock.now(), Stop::new(&context.shutdown));
    let grace = SignedDuration::try_from(args.grace.0).unwrap_or(SignedDuration::MAX);
    let done = crate::runtime()?.block_on(async {
        let store = opened::store(&args.series.store)?;
        let series = opened::series(&store, &args.series).await?;
        // Leases are read after the listing: who began in between has nothing in it, and who was done has a manifest,
        // for which everything is looked at again.
        let listed = store.list(&series.folder()).await?;
        release_common::fault::point("gc-listed");
        let leases = lease::all(&store, series.cluster()).await?;
        let busy: BTreeSet<_> =
            leases.iter().filter(|lease| lease.may_be_live(now)).filter_map(lease::Found::backup).collect();
        let garbage = garbage::sort(&listed, &series, &busy, now, grace);
        let mut done = Done { is_dry: args.dry_run, ..Done::default() };
        done.remains(&garbage);
        let mut work = Work { store: &store, series: &series, now, stop: &stop, done: &mut done };
        work.carry_out(&garbage, &leases).await?;
        work.collect_wal(grace).await?;
        Ok::<_, Error>(done)
    })?;
    for warning in &done.warnings {
        context.console.warn(warning);
    }
    answer::tell(context, args.report.format(), &done.summary(), &done.text())?;
    done.outcome()
}

struct Work<'a> {
    store: &'a Store,
    series: &'a Series,
    now: Timestamp,
    stop: &'a Stop,
    done: &'a mut Done,
}

impl Work<'_> {
    async fn carry_out(&mut self, garbage: &Garbage, leases: &[lease::Found]) -> Result<(), Error> {
        for id in &garbage.deletions {
            if self.is_stopped() {
                return Ok(());
            }
            self.finish_deletion(id).await?;
        }
        // A lease that has ended goes before the objects that it was for: its holder, should it wake up, learns by that
        // that its backup is lost, and writes no manifest.
        let now = self.now;
        for ended in leases.iter().filter(|lease| !lease.may_be_live(now)) {
            let Some(id) = ended.backup() else { continue };
            if garbage.young.contains(&id) || self.is_stopped() {
                continue;
            }
            self.done.leases += 1;
            if !self.done.is_dry {
                self.store.delete(&layout::lease(self.series.cluster(), &ended.name)).await?;
            }
        }
        for (id, objects) in &garbage.unfinished {
            if self.is_stopped() {
                return Ok(());
            }
            self.done.unfinished += usize::from(self.remove(id, objects).await?);
        }
        for (id, objects) in &garbage.orphans {
            if self.is_stopped() {
                return Ok(());
            }
            self.done.orphans += usize::from(self.remove(id, objects).await?);
        }
        Ok(())
    }

    /// What pushes of WAL have left, of every system of the cluster.
    async fn collect_wal(&mut self, grace: SignedDuration) -> Result<(), Error> {
        let cluster = self.series.cluster();
        for system_id in self.store.folders(&layout::wal_root(cluster)).await? {
            let place = WalPlace { cluster: cluster.clone(), system_id };
            let listed = self.store.list(&place.folder()).await?;
            let garbage = wal_garbage::sort(&listed, &place, self.now, grace);
            self.done.young += garbage.young;
            self.done.unknown(&garbage.unknown);
            for (name, object) in &garbage.alone {
                self.remove_wal(&place, name, std::slice::from_ref(object)).await?;
            }
            for (name, objects) in &garbage.doubtful {
                self.remove_wal(&place, name, objects).await?;
            }
        }
        Ok(())
    }

    /// Removes data of a file of WAL but those that its document names, which is looked at again.
    async fn remove_wal(
        &mut self,
        place: &WalPlace,
        name: &WalName,
        objects: &[Listed],
    ) -> Result<(), Error> {
        let record = wal_archive::record(self.store, place, name).await?;
        let named = record.map(|record| place.object(name, &record.object.name));
        for object in objects.iter().filter(|object| named.as_ref() != Some(&object.key)) {
            if self.is_stopped() {
                return Ok(());
            }
            self.done.wal += usize::from(self.remove_one(object).await?);
        }
        Ok(())
    }

    fn is_stopped(&mut self) -> bool {
        self.done.stopped = self.stop.requested();
        self.done.stopped.is_some()
    }

    async fn finish_deletion(&mut self, id: &BackupId) -> Result<(), Error> {
        if self.done.is_dry {
            self.done.deletions += 1;
            return Ok(());
        }
        match deletion::finish(self.store, self.series, id, self.now).await? {
            Deleted::Whole { objects, bytes } => {
                self.done.deletions += 1;
                self.done.objects += objects;
                self.done.freed_bytes += bytes;
            }
            Deleted::Held(names) => {
                self.done.held += 1;
                let names = names.join(", ");
                self.done
                    .warnings
                    .push(format!("{id}: was to be deleted and is held as {names}, so it stays"));
            }
            Deleted::Denied(error) | Deleted::Partly { error, .. } => {
                self.done.denied += 1;
                self.done.warnings.push(format!("{id}: cannot be deleted: {}", answer::with_causes(&error)));
            }
        }
        Ok(())
    }

    /// Removes objects that belong to no backup; false when one has come to be in the meantime.
    async fn remove(&mut self, id: &BackupId, objects: &[Listed]) -> Result<bool, Error> {
        if self.store.size(&self.series.manifest(id)).await?.is_some() {
            return Ok(false);
        }
        for object in objects {
            self.remove_one(object).await?;
        }
        Ok(true)
    }

    /// Whether the store lets it go.
    async fn remove_one(&mut self, object: &Listed) -> Result<bool, Error> {
        if !self.done.is_dry {
            release_common::fault::point("gc-object");
            match self.store.delete(&object.key).await {
                Ok(()) => {}
                Err(error) if deletion::is_denied(&error) => {
                    self.done.denied += 1;
                    self.done.warnings.push(answer::with_causes(&error));
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
        self.done.objects += 1;
        self.done.freed_bytes += object.bytes;
        Ok(true)
    }
}

impl Done {
    fn remains(&mut self, garbage: &Garbage) {
        (self.young, self.in_use) = (garbage.young.len(), garbage.in_use.len());
        self.unknown(&garbage.unknown);
    }

    fn unknown(&mut self, keys: &[Path]) {
        self.unknown += keys.len();
        for key in keys.iter().take(TOLD) {
            self.warnings.push(format!("{key}: has no name of pg-backup and is left alone"));
        }
    }

    fn summary(&self) -> Value {
        let (result, reason) = match (&self.stopped, self.denied, self.is_dry) {
            (Some(_), ..) => ("stopped", "signal"),
            (None, 1.., _) => ("failed", "delete_denied"),
            (None, 0, true) => ("good", "planned"),
            (None, 0, false) => ("good", "collected"),
        };
        json!({
            "type": "summary", "result": result, "reason": reason, "dry_run": self.is_dry,
            "unfinished_backups": self.unfinished, "unfinished_deletions": self.deletions, "orphans": self.orphans,
            "ended_leases": self.leases, "wal_objects": self.wal, "objects": self.objects, "freed_bytes": self.freed_bytes, "held": self.held,
            "denied": self.denied, "young": self.young, "in_use": self.in_use, "unknown": self.unknown,
        })
    }

    fn text(&self) -> String {
        let verb = if self.is_dry { "would remove" } else { "removed" };
        let mut text = format!(
            "{verb} {} unfinished backups, {} unfinished deletions, {} orphans, {} rests of WAL: {} objects, {}",
            self.unfinished,
            self.deletions,
            self.orphans,
            self.wal,
            self.objects,
            ByteSize(self.freed_bytes)
        );
        let more = [(self.young, "young"), (self.in_use, "in use"), (self.unknown, "unknown")];
        for (count, what) in more.into_iter().filter(|(count, _)| *count > 0) {
            text.push_str(&format!("; left alone: {count} {what}"));
        }
        text
    }

    fn outcome(&self) -> Result<Outcome, Error> {
        if let Some(signal) = self.stopped {
            return Ok(Outcome::Stopped(signal));
        }
        if self.denied == 0 {
            return Ok(Outcome::Good);
        }
        Err(Error::Failed {
            what: format!("the store does not let {} objects or backups go", self.denied),
            reason: "delete_denied",
            hint: "objects that are locked go when their lock ends: the same command goes on then".to_owned(),
        })
    }
}
