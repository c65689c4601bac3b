//! `rto`: how long a restore of the newest backup would take, by restores that were measured.
//!
//! What is not known is not good: without a restore that was verified there is no time to tell.

use std::collections::BTreeSet;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use jiff::SignedDuration;
use release_common::units::{ByteSize, Span};
use release_common::{Context, Outcome};
use serde_json::{Value, json};

use crate::cli::RtoArgs;
use crate::error::Error;
use crate::evidence::Evidence;
use crate::layout::{BackupId, Series};
use crate::manifest::Manifest;
use crate::objective::Speed;
use crate::store::Store;
use crate::{answer, newest, opened, proof};

/// Restores that are looked at: enough for a median, and all of this year's machines.
const SAMPLES: usize = 10;
/// Documents read at one time; at most so many are read in vain.
const AT_ONCE: usize = 4;

/// The answer, and what it rests on.
#[derive(Debug)]
struct Answer {
    max_s: f64,
    newest: Option<Manifest>,
    speed: Option<Speed>,
}

/// Answers.
///
/// # Errors
/// When there is no answer.
pub(crate) fn run(args: &RtoArgs, context: &mut Context) -> Result<Outcome, Error> {
    let answer = crate::runtime()?.block_on(async {
        let store = opened::store(&args.series.store)?;
        let nothing = Answer { max_s: args.max.0.as_secs_f64(), newest: None, speed: None };
        let Some(series) = opened::series_if_any(&store, &args.series).await? else { return Ok(nothing) };
        let buried = newest::buried(&store, &series).await?;
        let newest = newest_of_all(&store, &series, &buried).await?;
        let speed = Speed::of(&restores(&store, &series, &buried).await?);
        Ok::<_, Error>(Answer { newest, speed, ..nothing })
    })?;
    answer::tell(context, args.report.format(), &answer.summary(), &answer.text())?;
    Ok(if answer.is_good() { Outcome::Good } else { Outcome::Bad })
}

/// The newest backup by its id: the one that would be restored, once it is verified.
async fn newest_of_all(
    store: &Store,
    series: &Series,
    buried: &BTreeSet<BackupId>,
) -> Result<Option<Manifest>, Error> {
    let names = store.folders(&series.backups()).await?;
    let ids = names.iter().rev().filter_map(|name| name.parse().ok()).filter(|id| !buried.contains(id));
    for id in ids {
        match opened::committed(store, series, &id).await {
            Ok(Some(backup)) => return Ok(Some(backup.manifest)),
            Ok(None) | Err(Error::Manifest { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Evidence of the last restores.
async fn restores(
    store: &Store,
    series: &Series,
    buried: &BTreeSet<BackupId>,
) -> Result<Vec<Evidence>, Error> {
    let places = proof::places(store, series).await?;
    let of_kept = places.iter().rev().filter(|(id, _)| !buried.contains(*id));
    let read = of_kept.map(|(_, keys)| newest::restored(store, keys));
    let found = stream::iter(read).buffered(AT_ONCE).try_filter_map(|evidence| async { Ok(evidence) });
    found.take(SAMPLES).try_collect().await
}

impl Answer {
    /// Seconds at the median rate and at the slowest.
    fn estimate(&self) -> Option<(f64, f64)> {
        let bytes = self.newest.as_ref()?.database_bytes;
        self.speed.map(|speed| speed.seconds(bytes))
    }

    fn is_good(&self) -> bool {
        self.estimate().is_some_and(|(median, _)| median <= self.max_s)
    }

    fn reason(&self) -> &'static str {
        match (&self.newest, self.estimate()) {
            (None, _) => "no_backup",
            (Some(_), None) => "nothing_measured",
            (Some(_), Some(_)) if self.is_good() => "within",
            (Some(_), Some(_)) => "too_slow",
        }
    }

    fn summary(&self) -> Value {
        let whole = |seconds: f64| seconds.ceil();
        json!({
            "type": "summary", "result": if self.is_good() { "good" } else { "bad" }, "reason": self.reason(),
            "id": self.newest.as_ref().map(|newest| &newest.id),
            "database_bytes": self.newest.as_ref().map(|newest| newest.database_bytes),
            "estimate_s": self.estimate().map(|(median, _)| whole(median)),
            "slowest_estimate_s": self.estimate().map(|(_, slowest)| whole(slowest)), "max_s": self.max_s,
            "samples": self.speed.map_or(0, |speed| speed.samples),
            "median_bytes_per_s": self.speed.map(|speed| speed.median.round()),
            "slowest_bytes_per_s": self.speed.map(|speed| speed.slowest.round()),
        })
    }

    fn text(&self) -> String {
        let verdict = if self.is_good() { "good" } else { "bad" };
        let (Some(newest), Some(speed), Some((median, slowest))) =
            (&self.newest, self.speed, self.estimate())
        else {
            return match self.reason() {
                "no_backup" => format!("RTO: {verdict}: there is no backup"),
                _ => format!(
                    "RTO: {verdict}: no restore was measured; `pg-backup verify --newest` measures one"
                ),
            };
        };
        let bytes = ByteSize(newest.database_bytes);
        let rate = |rate: f64| ByteSize(rate as u64);
        format!(
            "RTO {}: {verdict}, at most {} is allowed\n  {bytes} of {} at {}/s, the median of {} restores; at the \
             slowest, {}/s, {}",
            span(median),
            span(self.max_s),
            newest.id,
            rate(speed.median),
            speed.samples,
            rate(speed.slowest),
            span(slowest),
        )
    }
}

fn span(seconds: f64) -> String {
    let whole = SignedDuration::try_from_secs_f64(seconds.ceil()).unwrap_or(SignedDuration::MAX);
    std::time::Duration::try_from(whole)
        .map_or_else(|_| format!("{seconds}s"), |whole| Span(whole).to_string())
}
