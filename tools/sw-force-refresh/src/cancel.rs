//! `cancel`: withdraws an update. Clients that have not reloaded yet forget it.

use release_common::output::{Format, JsonLines};
use release_common::{Context, Outcome};
use serde_json::json;

use crate::cli::CancelArgs;
use crate::error::Error;
use crate::hub_client::HubClient;
use crate::{plan, runtime, secrets, send};

/// Withdraws an update.
pub(crate) fn run(args: &CancelArgs, context: &mut Context) -> Result<Outcome, Error> {
    let key = secrets::signing_key(&args.key)?;
    let hub = HubClient::new(args.hub.hub.clone(), secrets::token(args.hub.token_file.as_deref())?);
    let now = context.clock.now();
    let event = runtime()?.block_on(async {
        let unknown = || Error::UnknownEvent { hub: hub.address().clone(), id: args.id };
        let status = hub.status(Some(args.id)).await?.ok_or_else(unknown)?;
        let published = status.events.into_iter().next().ok_or_else(unknown)?;
        let event = plan::withdrawal(&published, args.reason.clone(), now);
        send::number_and_publish(event, status.seq, &key, &hub).await?;
        Ok::<_, Error>(published)
    })?;
    let out = context.stdout();
    match args.report.format() {
        Format::Json => JsonLines::new(out).write(&json!({
            "type": "summary",
            "reason": "cancelled",
            "id": event.id,
            "manifest_hash": event.manifest_hash,
            "updated": event.counts.updated,
            "cohort": event.counts.cohort,
        }))?,
        Format::Human | Format::Github => {
            let counts = &event.counts;
            writeln!(out, "withdrawn  {} ({} of {} had updated)", event.id, counts.updated, counts.cohort)?;
        }
    }
    Ok(Outcome::Good)
}
