//! `rpo`: how much would be lost if the database were gone now, by what was proven.
//!
//! Only a backup that was restored whole counts, and it is as old as its snapshot. With `--with-wal` everything counts
//! that a base backup and WAL without a gap bring back. A store that does not answer is no answer.

mod wal;

use jiff::{SignedDuration, Timestamp};
use release_common::units::Span;
use release_common::{Context, Outcome};
use serde_json::{Value, json};

use self::wal::WalPart;
use crate::cli::RpoArgs;
use crate::error::Error;
use crate::layout::Series;
use crate::newest::{self, Newest};
use crate::objective::Pace;
use crate::{answer, opened};

/// Older restores that tell the interval between backups.
const EARLIER: usize = 7;

/// The answer, and what it rests on.
#[derive(Debug)]
struct Answer {
    series: Series,
    now: Timestamp,
    max: SignedDuration,
    newest: Newest,
    pace: Option<Pace>,
    wal: Option<WalPart>,
}

/// Answers.
///
/// # Errors
/// When there is no answer.
pub(crate) fn run(args: &RpoArgs, context: &mut Context) -> Result<Outcome, Error> {
    let now = context.clock.now();
    let max = SignedDuration::try_from(args.max.0).unwrap_or(SignedDuration::MAX);
    let found = crate::runtime()?.block_on(async {
        let store = opened::store(&args.series.store)?;
        let Some(series) = opened::series_if_any(&store, &args.series).await? else { return Ok(None) };
        let newest = newest::newest(&store, &series, now, EARLIER).await?;
        let wal = if args.with_wal { wal::part(&store, series.cluster(), now).await? } else { None };
        let pace = pace(&newest);
        Ok::<_, Error>(Some(Answer { series, now, max, newest, pace, wal }))
    })?;
    let Some(answer) = found else {
        let summary = json!({
            "type": "summary", "result": "bad", "reason": "no_backup", "age_s": null, "max_s": max.as_secs(),
        });
        answer::tell(context, args.report.format(), &summary, "RPO: bad: there is no backup")?;
        return Ok(Outcome::Bad);
    };
    for warning in &answer.newest.warnings {
        context.console.warn(warning);
    }
    answer::tell(context, args.report.format(), &answer.summary(), &answer.text())?;
    Ok(if answer.is_good() { Outcome::Good } else { Outcome::Bad })
}

fn pace(newest: &Newest) -> Option<Pace> {
    let (backup, evidence) = newest.proven.as_ref()?;
    let manifest = &backup.manifest;
    let mut moments = vec![manifest.snapshot_at];
    moments.extend(newest.earlier.iter().filter_map(|evidence| evidence.id.time()));
    Pace::of(
        &moments,
        manifest.finished_at.duration_since(manifest.snapshot_at),
        evidence.finished_at.duration_since(evidence.started_at),
    )
}

impl Answer {
    /// The moment that everything before is safe of, and whether WAL makes it so.
    fn safe_until(&self) -> Option<(Timestamp, &'static str)> {
        let dump = self.newest.proven.as_ref().map(|(backup, _)| (backup.manifest.snapshot_at, "dump"));
        let wal = self.wal.as_ref().and_then(|wal| wal.counts().then_some((wal.until, "wal")));
        dump.into_iter().chain(wal).max_by_key(|(until, _)| *until)
    }

    fn age(&self) -> Option<SignedDuration> {
        // A snapshot of a moment ahead, as far as clocks may differ, is of now.
        self.safe_until().map(|(until, _)| self.now.duration_since(until).max(SignedDuration::ZERO))
    }

    fn is_good(&self) -> bool {
        self.age().is_some_and(|age| age <= self.max)
    }

    fn reason(&self) -> &'static str {
        match (self.age(), self.newest.count) {
            (Some(_), _) if self.is_good() => "within",
            (Some(_), _) => "too_old",
            (None, 0) => "no_backup",
            (None, _) => "nothing_proven",
        }
    }

    fn summary(&self) -> Value {
        let proven = self.newest.proven.as_ref();
        let pace = self.pace.as_ref();
        json!({
            "type": "summary", "result": if self.is_good() { "good" } else { "bad" }, "reason": self.reason(),
            "series": self.series.to_string(), "mode": self.safe_until().map(|(_, mode)| mode),
            "age_s": self.age().map(|age| age.as_secs()), "max_s": self.max.as_secs(),
            "safe_until": self.safe_until().map(|(until, _)| until),
            "id": proven.map(|(backup, _)| &backup.manifest.id),
            "snapshot_at": proven.map(|(backup, _)| backup.manifest.snapshot_at),
            "verified_at": proven.map(|(_, evidence)| evidence.finished_at),
            "newest_backup": self.newest.any, "backups": self.newest.count, "bad_backups": self.newest.bad,
            "interval_s": pace.map(|pace| pace.interval.as_secs()), "dump_s": pace.map(|pace| pace.dump.as_secs()),
            "verify_s": pace.map(|pace| pace.verify.as_secs()),
            "worst_age_s": pace.map(|pace| pace.worst().as_secs()),
            "needed_interval_s": pace.and_then(|pace| pace.needed(self.max)).map(|needed| needed.as_secs()),
            "dumps_suffice": pace.map(|pace| pace.worst() <= self.max),
            "wal": self.wal.as_ref().map(WalPart::summary),
        })
    }

    fn text(&self) -> String {
        let verdict = if self.is_good() { "good" } else { "bad" };
        let max = span(self.max);
        let mut lines = vec![match (self.age(), self.reason()) {
            (Some(age), _) => format!("RPO {}: {verdict}, at most {max} is allowed", span(age)),
            (None, "no_backup") => format!("RPO: {verdict}: there is no backup of {}", self.series),
            (None, _) => format!("RPO: {verdict}: none of the {} backups was restored", self.newest.count),
        }];
        if let Some((backup, evidence)) = &self.newest.proven {
            let (id, at, restored) = (&backup.manifest.id, backup.manifest.snapshot_at, evidence.finished_at);
            lines.push(format!("  newest restored backup {id}: snapshot {at:.0}, restored {restored:.0}"));
        }
        if let Some(newest) = self.newest.any.as_ref()
            && self.newest.proven.as_ref().is_none_or(|(backup, _)| backup.manifest.id < *newest)
        {
            lines.push(format!("  newer and not proven: {newest}; run `pg-backup verify --newest`"));
        }
        lines.extend(self.newest.bad.iter().map(|id| format!("  BAD: {id}")));
        lines.extend(self.wal.as_ref().map(|wal| format!("  {}", wal.text())));
        lines.extend(self.pace.as_ref().map(|pace| format!("  {}", self.pace_text(pace))));
        lines.join("\n")
    }

    fn pace_text(&self, pace: &Pace) -> String {
        let (worst, interval) = (span(pace.worst()), span(pace.interval));
        let parts = format!(
            "{interval} between backups, {} to dump, {} to verify",
            span(pace.dump),
            span(pace.verify)
        );
        let advice = match (pace.worst() <= self.max, pace.needed(self.max)) {
            (true, _) => "that is enough".to_owned(),
            (false, Some(needed)) => format!("dumps alone need one every {}", span(needed)),
            (false, None) => "no dumps are frequent enough: use base backups and WAL".to_owned(),
        };
        format!("at worst {worst} ({parts}): {advice}")
    }
}

/// To the second: nobody plans with less.
fn span(duration: SignedDuration) -> String {
    let whole = SignedDuration::from_secs(duration.as_secs());
    std::time::Duration::try_from(whole).map_or_else(|_| whole.to_string(), |whole| Span(whole).to_string())
}
