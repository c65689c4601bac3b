//! `serve`: reads keys and state, opens both listeners, runs until a signal, and leaves without a stampede.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use jiff::SignedDuration;
use release_common::output::{Format, JsonLines};
use release_common::{Context, Outcome, Signal, files};
use serde_json::json;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::admin::{self, Trust};
use crate::admission::Policy;
use crate::chance;
use crate::cli::ServeArgs;
use crate::error::Error;
use crate::hub::Hub;
use crate::jws;
use crate::keys::VerifyingKey;
use crate::record::{Record, RecordError};
use crate::secrets;
use crate::session::Pace;
use crate::socket::{self, House};
use crate::switchboard::Switchboard;

/// Time for a client's hello after the handshake.
const HELLO_DEADLINE: Duration = Duration::from_secs(5);
/// Open files that are not clients: listeners, state, admin connections.
const RESERVED_FILES: usize = 64;

/// Runs the hub.
pub(crate) fn run(args: &ServeArgs, context: &mut Context) -> Result<Outcome, Error> {
    let keys = secrets::verifying_keys(&args.verify_key)?;
    let publish_token = secrets::token(args.publish_token_file.as_deref())?;
    let hub = open_hub(args, &keys, context)?;
    if args.state.is_none() {
        context.console.note("without --state FILE the current updates are forgotten when this hub ends");
    }
    let board = Arc::new(Switchboard::new(hub, args.state.clone(), Arc::clone(&context.clock)));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Error::Runtime)?;
    let signal = runtime.block_on(serve(args, Trust { keys, publish_token }, &board, context))?;
    // What still runs are sockets that outlived the drain window.
    runtime.shutdown_background();
    report_end(args, &board, signal, context)?;
    Ok(Outcome::Stopped(signal))
}

async fn serve(
    args: &ServeArgs,
    trust: Trust,
    board: &Arc<Switchboard>,
    context: &mut Context,
) -> Result<Signal, Error> {
    let public =
        socket::bind(args.listen).map_err(|source| Error::Listen { address: args.listen, source })?;
    let private = socket::bind(args.admin).map_err(|source| Error::Listen { address: args.admin, source })?;
    report_ready(args, &public, &private, context)?;
    let (drain, draining) = watch::channel(false);
    let house = Arc::new(house_of(args));
    let acceptor = tokio::spawn(socket::accept(public, house, Arc::clone(board), draining));
    let admin = tokio::spawn(admin::serve(private, Arc::new(trust), Arc::clone(board)));
    let (sender, receiver) = oneshot::channel();
    context.shutdown.on_request(move |signal| {
        let _ = sender.send(signal);
    });
    // The sender lives in the shutdown until it is used, so an error cannot come.
    let signal = receiver.await.unwrap_or(Signal::Terminate);
    board.begin_drain();
    let _ = drain.send(true);
    let _ = acceptor.await;
    drain_over(board, args.drain.0).await;
    admin.abort();
    Ok(signal)
}

/// Closes all connections, evenly over most of `window`, each with its own advice when to come back; whatever is
/// still there at its end is cut off.
async fn drain_over(board: &Switchboard, window: Duration) {
    let begin = Instant::now();
    let slots = board.slots();
    let count = u32::try_from(slots.len()).unwrap_or(u32::MAX).max(1);
    // The last fifth is left for close frames to be answered.
    let step = window.mul_f64(0.8) / count;
    for (place, slot) in (0_u32..).zip(slots) {
        sleep_until(begin + step * place).await;
        let after = chance::between(Duration::ZERO, window);
        let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        slot.put(|waiting| waiting.drain_after_ms = Some(after_ms));
    }
    let all_gone = async {
        loop {
            let departure = board.departures.notified();
            if board.connection_count() == 0 {
                return;
            }
            departure.await;
        }
    };
    let _ = timeout_at(begin + window, all_gone).await;
    // Close frames that were just written leave the process before it ends.
    sleep(Duration::from_millis(20).min(window)).await;
}

fn open_hub(args: &ServeArgs, keys: &[VerifyingKey], context: &Context) -> Result<Hub, Error> {
    let now = context.clock.now();
    let record = match &args.state {
        Some(path) => read_record(path)?,
        None => None,
    };
    let record = match record {
        Some(record) => record,
        None => {
            Record::fresh(chance::ulid(now).map_err(|cause| Error::Runtime(cause.into()))?.to_string(), now)
        }
    };
    let mut events = Vec::new();
    for recorded in record.events.clone() {
        match jws::verify(keys, &recorded.jws) {
            Ok(event) => events.push((event, recorded)),
            Err(error) => context.console.warn(format_args!("a recorded update is dropped: {error}")),
        }
    }
    let grace = SignedDuration::try_from(args.gone_after.0).unwrap_or(SignedDuration::MAX);
    let hub = Hub::resume(&record, events, grace, now);
    // Written at once, so that an unwritable file is found now and not by the first update.
    if let Some(path) = &args.state {
        let source = |source| Error::State { path: path.clone(), source };
        let bytes = hub.record().to_json().map_err(source)?;
        files::write_atomically(path, &bytes)
            .map_err(|source| Error::StateUnwritable { path: path.clone(), source })?;
    }
    Ok(hub)
}

fn read_record(path: &Path) -> Result<Option<Record>, Error> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(Error::Unreadable { path: path.to_owned(), source });
        }
    };
    let unusable = |source: RecordError| Error::State { path: path.to_owned(), source };
    Record::from_json(&bytes).map(Some).map_err(unusable)
}

fn house_of(args: &ServeArgs) -> House {
    House {
        policy: Policy { origins: args.origin.clone(), allow_no_origin: args.allow_no_origin },
        pace: Pace {
            hello_deadline: HELLO_DEADLINE,
            heartbeat: args.hb.0,
            heartbeat_deadline: args.hb_deadline.0,
            write_deadline: args.write_deadline.0,
        },
        max_connections: args.max_conns.unwrap_or_else(file_limit),
    }
}

/// How many clients the limit of open files allows. The soft limit is raised to the hard one first: it is low only
/// for the sake of programs that still use select(2).
fn file_limit() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let allowed = getrlimit(Resource::Nofile).current.and_then(|files| usize::try_from(files).ok());
    allowed.unwrap_or(usize::MAX).saturating_sub(RESERVED_FILES)
}

fn report_ready(
    args: &ServeArgs,
    public: &tokio::net::TcpListener,
    private: &tokio::net::TcpListener,
    context: &mut Context,
) -> Result<(), Error> {
    let (listen, admin) = (public.local_addr()?, private.local_addr()?);
    let out = context.stdout();
    match args.report.format() {
        Format::Json => JsonLines::new(&mut *out)
            .write(&json!({"type": "ready", "listen": listen.to_string(), "admin": admin.to_string()}))?,
        Format::Human | Format::Github => {
            writeln!(out, "browsers  ws://{listen}{}", crate::wire::SOCKET_PATH)?;
            writeln!(out, "admin     http://{admin}")?;
        }
    }
    Ok(out.flush()?)
}

fn report_end(
    args: &ServeArgs,
    board: &Switchboard,
    signal: Signal,
    context: &mut Context,
) -> Result<(), Error> {
    let (published, left) = (board.published(), board.connection_count());
    let out = context.stdout();
    match args.report.format() {
        Format::Json => JsonLines::new(out).write(&json!({
            "type": "summary", "reason": "drained", "signal": signal.name(), "published": published, "cut_off": left,
        }))?,
        Format::Human | Format::Github => {
            writeln!(out, "stopped by {}: {published} published, {left} connections cut off", signal.name())?;
        }
    }
    Ok(())
}
