//! `wal-check`: whether the stored WAL is whole, and what each base backup can be brought to with it.

use futures_util::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use release_common::output::{Format, JsonLines};
use release_common::{Context, Outcome, Stop};
use serde_json::{Value, json};

use crate::answer;
use crate::cli::WalCheckArgs;
use crate::encryption::Identities;
use crate::error::Error;
use crate::opened;
use crate::store::Store;
use crate::wal_archive::{self, WalState, Window};
use crate::wal_chain::Run;
use crate::wal_fetch::Fetcher;
use crate::wal_name::WalName;

/// Files read at one time.
const AT_ONCE: usize = 4;

/// Looks for gaps; with `--read` also at every byte.
///
/// # Errors
/// When the store fails, or a document cannot be believed.
pub(crate) fn run(args: &WalCheckArgs, context: &mut Context) -> Result<Outcome, Error> {
    crate::runtime()?.block_on(async {
        let mut stop = Stop::new(&context.shutdown);
        let identities = Identities::read(&args.identity.identity)?;
        let store = opened::store(&args.store)?;
        let (state, damaged, last) = stop
            .unless(async {
                let cluster = opened::cluster(&store, args.store.cluster.as_ref()).await?;
                let state = wal_archive::wal_state(&store, &cluster, args.system_id.as_deref()).await?;
                let damaged = if args.read { read(&store, &state, &identities).await? } else { Vec::new() };
                let last = newest(&store, &state).await?;
                Ok::<_, Error>((state, damaged, last))
            })
            .await?;
        tell(args, &state, &damaged, last, context)
    })
}

/// When the newest segment was stored.
async fn newest(store: &Store, state: &WalState) -> Result<Option<Timestamp>, Error> {
    let Some(newest) = state.stored.archive.segments.last() else { return Ok(None) };
    let record = wal_archive::record(store, &state.stored.place, &WalName::Segment(*newest)).await?;
    Ok(record.map(|record| record.pushed_at))
}

/// Reads everything; what is wrong with which file.
async fn read(
    store: &Store,
    state: &WalState,
    identities: &Identities,
) -> Result<Vec<(WalName, String)>, Error> {
    let fetcher = Fetcher { store, place: &state.stored.place, identities };
    let check = |name: WalName| {
        let fetcher = &fetcher;
        async move {
            let checked = match wal_archive::record(fetcher.store, fetcher.place, &name).await {
                Ok(Some(record)) => fetcher.check_recorded(&record).await,
                Ok(None) => return Ok(Some((name, "its document is gone".to_owned()))),
                Err(error) => Err(error),
            };
            match checked {
                Ok(()) => Ok(None),
                Err(error) if error.is_damage() || error.reason() == "object_damaged" => {
                    Ok(Some((name, error.to_string())))
                }
                Err(error) => Err(error),
            }
        }
    };
    let names = state.stored.names.iter().copied();
    let found: Vec<_> = stream::iter(names).map(check).buffered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

/// A base backup that cannot be brought to the end of the WAL although there is more.
fn is_broken(window: &Window) -> bool {
    window.reach.is_hole
}

fn tell(
    args: &WalCheckArgs,
    state: &WalState,
    damaged: &[(WalName, String)],
    last: Option<Timestamp>,
    context: &mut Context,
) -> Result<Outcome, Error> {
    let runs = state.stored.archive.runs();
    let is_good = damaged.is_empty() && !state.windows.iter().any(is_broken);
    if args.report.format() == Format::Json {
        let mut lines = JsonLines::new(context.stdout());
        for run in &runs {
            lines.write(&run_json(state, run))?;
        }
        for window in &state.windows {
            lines.write(&window_json(window))?;
        }
        for (name, what) in damaged {
            lines.write(&json!({"type": "damage", "name": name, "message": what}))?;
        }
    }
    let until = state.until();
    let reason = match (damaged.is_empty(), is_good) {
        (false, _) => Some("object_damaged"),
        (true, false) => Some("wal_hole"),
        (true, true) => None,
    };
    let summary = json!({
        "type": "summary", "result": if is_good { "good" } else { "bad" }, "reason": reason,
        "cluster": state.stored.place.cluster, "system_id": state.stored.place.system_id,
        "segments": state.stored.archive.segments.len(), "segment_bytes": state.stored.archive.size.bytes(),
        "runs": runs.len(), "timelines": state.stored.archive.histories.len() + 1,
        "bases": state.windows.len(), "was_read": args.read, "damaged": damaged.len(),
        "newest": state.stored.archive.segments.last().map(ToString::to_string), "newest_pushed_at": last,
        "until": until.map(|(until, _)| until), "base": until.map(|(_, base)| base),
    });
    let text = text(state, &runs, damaged, last);
    answer::tell(context, args.report.format(), &summary, &text)?;
    Ok(if is_good { Outcome::Good } else { Outcome::Bad })
}

fn count(state: &WalState, run: &Run) -> u64 {
    let number = |segment| state.stored.archive.size.number(segment).unwrap_or_default();
    number(run.last).saturating_sub(number(run.first)) + 1
}

fn run_json(state: &WalState, run: &Run) -> Value {
    json!({
        "type": "range", "timeline": run.first.timeline, "first": run.first.to_string(), "last": run.last.to_string(),
        "segments": count(state, run),
    })
}

fn window_json(window: &Window) -> Value {
    json!({
        "type": "base", "id": window.base.id, "timeline": window.timeline, "from": window.from, "until": window.until,
        "end": window.reach.end.map(|end| end.to_string()), "missing": window.reach.missing.to_string(),
        "result": if is_broken(window) { "bad" } else { "good" },
    })
}

fn text(state: &WalState, runs: &[Run], damaged: &[(WalName, String)], last: Option<Timestamp>) -> String {
    let place = &state.stored.place;
    let mut lines = vec![format!("WAL of {}, {}", place.cluster, place.system_id)];
    for run in runs {
        let segments = count(state, run);
        lines.push(format!("  {} to {}  {segments} segments without a gap", run.first, run.last));
    }
    for (timeline, switches) in &state.stored.archive.histories {
        if let Some(switch) = switches.last() {
            lines.push(format!("  timeline {timeline} left {} at {}", switch.timeline, switch.lsn));
        }
    }
    if let (Some(newest), Some(last)) = (state.stored.archive.segments.last(), last) {
        lines.push(format!("  newest {newest}, stored {last:.0}"));
    }
    if state.windows.is_empty() {
        lines.push("no base backup: WAL alone restores nothing; `pg-backup base` makes one".to_owned());
    }
    for window in &state.windows {
        lines.push(window_text(window));
    }
    lines.extend(damaged.iter().map(|(name, what)| format!("damaged: {name}: {what}")));
    lines.join("\n")
}

fn window_text(window: &Window) -> String {
    let id = &window.base.id;
    let moments = match window.until {
        Some(until) if until >= window.from => format!("any moment from {:.0} to {until:.0}", window.from),
        _ => format!("no moment yet: no WAL after {:.0} is stored", window.from),
    };
    if is_broken(window) {
        format!("{id}: {moments}; then {} is missing, and later WAL is there", window.reach.missing)
    } else {
        format!("{id}: {moments}")
    }
}
