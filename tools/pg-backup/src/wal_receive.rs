//! `wal-receive`: WAL of a server whose files nobody can reach, over the replication protocol.
//!
//! `pg_receivewal` writes what arrives into a spool folder, and each segment that is whole is pushed as `wal-push` does
//! it. A replication slot makes the server keep what has not arrived; what has arrived and is not pushed yet lies in the
//! spool alone, so that it belongs on a disk that outlives this process. The segment that is being written is a
//! `.partial` file there and gets into the store when it is whole: `archive_timeout` on the server bounds how long.
//!
//! The newest whole segment stays in the spool: by it `pg_receivewal` knows where to go on, also with servers that do not
//! tell the position of a slot.

mod facts;
mod spool;

use std::process::Stdio;
use std::time::Duration;

use release_common::{Context, Outcome, Stop, fault};
use serde_json::json;

use self::facts::Facts;
use self::spool::Spool;
use crate::answer;
use crate::child::Child;
use crate::cli::WalReceiveArgs;
use crate::error::Error;
use crate::opened;
use crate::programs::Programs;
use crate::seal::Sealing;
use crate::server::Server;
use crate::store::Store;
use crate::wal_name::WalName;
use crate::wal_push::Pusher;

/// Between two looks into the spool.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Receives until it is told to stop; with `--once` until everything up to now is stored.
///
/// # Errors
/// When the server or the store ends it; nothing is lost, and the same command goes on.
pub(crate) fn run(args: &WalReceiveArgs, context: &mut Context) -> Result<Outcome, Error> {
    crate::runtime()?.block_on(async {
        let mut stop = Stop::new(&context.shutdown);
        let sealing = Sealing::read(&args.seal, &stop)?;
        let spool = Spool::open(&args.spool)?;
        let (mut server, facts, programs) = stop.unless(prepare(args)).await?;
        let store = stop.unless(opened::store_for_writing(&args.store, context)).await?;
        let pusher = Pusher {
            store: &store,
            cluster: args.store.cluster.as_ref(),
            sealing: &sealing,
            console: context.console,
        };
        let mut receiver =
            Receiver { facts: &facts, spool, pusher, clock: &*context.clock, pushed: 0, newest: None };
        // What an earlier run has received comes first.
        stop.unless(receiver.push_whole()).await?;
        let mut child = start(args, &server, &programs)?;
        let goal = match args.once {
            true => Some(tokio::select! {
                goal = stop.unless(facts::goal(&mut server, &facts, &args.slot)) => goal?,
                ended = child.wait() => return Err(facts::explained(&ended?, &receiver.pusher)),
            }),
            false => None,
        };
        let end = receiver.follow(&mut child, goal.map(|goal| goal.number), &mut stop).await;
        child.end().await;
        let end = match end {
            Ok(()) => receiver.push_whole().await,
            Err(error) => Err(error),
        };
        end?;
        let (pushed, newest) = (receiver.pushed, receiver.newest);
        tell(args, &facts, &store, pushed, newest, goal.is_some_and(|goal| goal.is_whole), context)
    })
}

async fn prepare(args: &WalReceiveArgs) -> Result<(Server, Facts, Programs), Error> {
    let mut server = Server::open(&args.connect).await?;
    let facts = facts::ask(&mut server, &args.slot).await?;
    let programs = Programs::for_server(args.connect.pg_bin.as_deref(), facts.server_version)?;
    programs.require("pg_receivewal")?;
    Ok((server, facts, programs))
}

fn start(args: &WalReceiveArgs, server: &Server, programs: &Programs) -> Result<Child, Error> {
    let mut client = server.client(&programs.require("pg_receivewal")?)?;
    client.command.args(["--no-loop", "--synchronous", "--slot", &args.slot, "--directory"]).arg(&args.spool);
    client.command.stdin(Stdio::null()).stdout(Stdio::null());
    client.start()
}

struct Receiver<'a> {
    facts: &'a Facts,
    spool: Spool,
    pusher: Pusher<'a>,
    clock: &'a dyn release_common::Clock,
    /// Files that this run has pushed.
    pushed: u64,
    newest: Option<WalName>,
}

impl Receiver<'_> {
    /// Pushes what becomes whole until the goal is reached.
    async fn follow(&mut self, child: &mut Child, goal: Option<u64>, stop: &mut Stop) -> Result<(), Error> {
        loop {
            stop.unless(self.push_whole()).await?;
            let newest = self.newest.and_then(|name| self.facts.size().number(name.segment()?));
            if goal
                .is_some_and(|goal| newest.is_some_and(|newest| newest >= goal) || goal < self.facts.first())
            {
                return Ok(());
            }
            let signal = tokio::select! {
                signal = stop.wait() => Some(signal),
                ended = child.wait() => return Err(facts::explained(&ended?, &self.pusher)),
                () = tokio::time::sleep(LOOK_AGAIN) => None,
            };
            if let Some(signal) = signal {
                return Err(Error::Stopped(signal));
            }
        }
    }

    /// Pushes every file that is whole, oldest first, and forgets it.
    async fn push_whole(&mut self) -> Result<(), Error> {
        for (name, path) in self.spool.whole()? {
            if self.spool.is_pushed(&name) {
                continue;
            }
            self.pusher.push_file(&path, &self.facts.system_id, self.clock.now()).await?;
            fault::point("receive.pushed");
            self.pushed += 1;
            if name.segment().is_some() {
                self.newest = Some(name);
            }
            self.spool.forget(name)?;
        }
        Ok(())
    }
}

fn tell(
    args: &WalReceiveArgs,
    facts: &Facts,
    store: &Store,
    pushed: u64,
    newest: Option<WalName>,
    is_whole: bool,
    context: &mut Context,
) -> Result<Outcome, Error> {
    if !is_whole {
        context.console.warn(
            "this role may not end a segment (pg_switch_wal), so that what is in the last one is not stored yet",
        );
    }
    let newest = newest.map(|name| name.to_string());
    let summary = json!({
        "type": "summary", "result": "good", "slot": args.slot, "system_id": facts.system_id, "files": pushed,
        "newest": newest, "is_up_to_date": is_whole, "store": store.shown(),
    });
    let text = match &newest {
        Some(newest) => format!("stored {pushed} files of WAL in {}, the last is {newest}", store.shown()),
        None => format!("{}: no segment has ended since the last run", store.shown()),
    };
    answer::tell(context, args.report.format(), &summary, &text)?;
    Ok(Outcome::Good)
}
