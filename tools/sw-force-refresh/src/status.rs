//! `status`: what a hub holds, once, every second, or until an update is adopted.

use std::io::{self, Write};
use std::time::Duration;

use release_common::output::{Format, JsonLines};
use release_common::{Context, Outcome, Stop};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use crate::api::Status;
use crate::cli::StatusArgs;
use crate::error::Error;
use crate::hub_client::HubClient;
use crate::report::{Reporter, short};
use crate::{runtime, secrets, send};

/// Time between two looks under `--watch`.
const PAUSE: Duration = Duration::from_secs(1);

/// Shows a hub.
pub(crate) fn run(args: &StatusArgs, context: &mut Context) -> Result<Outcome, Error> {
    let hub = HubClient::new(args.hub.hub.clone(), secrets::token(args.hub.token_file.as_deref())?);
    let stop = Stop::new(&context.shutdown);
    runtime()?.block_on(show(args, &hub, stop, context))
}

async fn show(
    args: &StatusArgs,
    hub: &HubClient,
    mut stop: Stop,
    context: &mut Context,
) -> Result<Outcome, Error> {
    let begin = Instant::now();
    let mut status = ask(args, hub).await?;
    if let (Some(id), Some(_)) = (args.id, args.wait.until) {
        let mut reporter = Reporter::new(context, args.report.format());
        return send::follow(id, &args.wait, hub, begin, &mut stop, &mut reporter).await;
    }
    loop {
        write(&status, !args.watch, args, context)?;
        if !args.watch {
            return Ok(Outcome::Good);
        }
        tokio::select! {
            () = sleep(PAUSE) => status = ask(args, hub).await?,
            signal = stop.wait() => {
                if args.report.format() == Format::Json {
                    write(&status, true, args, context)?;
                }
                return Ok(Outcome::Stopped(signal));
            }
        }
    }
}

async fn ask(args: &StatusArgs, hub: &HubClient) -> Result<Status, Error> {
    let status = hub.status(args.id).await?;
    let mut status = match (status, args.id) {
        (Some(status), _) => status,
        (None, Some(id)) => {
            return Err(Error::UnknownEvent { hub: hub.address().clone(), id });
        }
        (None, None) => {
            return Err(Error::NotAHub { hub: hub.address().clone() });
        }
    };
    if let Some(hash) = args.hash {
        status.events.retain(|event| event.manifest_hash == hash);
        status.hashes.retain(|count| count.manifest_hash == hash);
        status.other_hashes = 0;
    }
    Ok(status)
}

fn write(status: &Status, is_last: bool, args: &StatusArgs, context: &mut Context) -> io::Result<()> {
    #[derive(Serialize)]
    #[serde(tag = "type", rename_all = "snake_case")]
    enum Line<'a> {
        Status(&'a Status),
        Summary(&'a Status),
    }
    let out = context.stdout();
    match args.report.format() {
        Format::Json if is_last => JsonLines::new(out).write(&Line::Summary(status)),
        Format::Json => JsonLines::new(out).write(&Line::Status(status)),
        Format::Human | Format::Github => {
            write_table(out, status)?;
            out.flush()
        }
    }
}

fn write_table(out: &mut (dyn Write + Send), status: &Status) -> io::Result<()> {
    let draining = if status.is_draining { ", draining" } else { "" };
    writeln!(out, "hub       {} of {} connections said hello{draining}", status.clients, status.connections)?;
    writeln!(out, "numbers   seq {}, epoch {}", status.seq, status.epoch)?;
    for hash in &status.hashes {
        writeln!(out, "version   {}  {}", short(&hash.manifest_hash), hash.clients)?;
    }
    if status.other_hashes > 0 {
        writeln!(out, "version   others        {}", status.other_hashes)?;
    }
    for event in &status.events {
        let state = match (event.is_cancelled, event.is_superseded, event.is_expired) {
            (true, ..) => "withdrawn",
            (_, true, _) => "replaced",
            (.., true) => "expired",
            _ => "current",
        };
        let counts = &event.counts;
        let version = short(&event.manifest_hash);
        let updated = format!("{} of {} updated", counts.updated, counts.cohort);
        writeln!(out, "update    {}  {version}  {state}, {updated}, for {}", event.id, event.audience)?;
    }
    Ok(())
}
