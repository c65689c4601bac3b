//! An HTTP proxy in front of an S3 server that fails requests as scripted: a fake of a bad network and of a store
//! under load, never of S3 itself.
//!
//! What no rule is for passes unchanged. Clients sign requests with the address they talk to, and the proxy leaves
//! their `Host` as it is, so signatures stay valid.

use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::error::Error;
use crate::fault::{Fault, Rule};
use crate::fault_answer::{Answer, Cut, MISSING_PAGE, refusal, spoiled, unchanged};
use crate::http_server::HttpServer;

/// A proxy in front of an endpoint. Dropped, it closes its port and all connections.
#[derive(Debug)]
pub struct FaultProxy {
    server: HttpServer,
    script: Arc<Script>,
}

#[derive(Debug)]
struct Script {
    server: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    rules: Vec<Rule>,
    seen: Vec<(String, String)>,
    faults: usize,
}

impl FaultProxy {
    /// Listens on a free port and passes requests on to `endpoint`, `http://ADDRESS:PORT`.
    pub fn start(endpoint: &str) -> Result<Self, Error> {
        let address =
            endpoint.strip_prefix("http://").and_then(|address| address.trim_end_matches('/').parse().ok());
        let server = address.ok_or_else(|| Error::Url { url: endpoint.to_owned() })?;
        let script = Arc::new(Script { server, state: Mutex::default(), changed: Condvar::new() });
        let serving = Arc::clone(&script);
        let server =
            HttpServer::start(0, move |client| serve(Arc::clone(&serving), client)).map_err(Error::Port)?;
        Ok(Self { server, script })
    }

    /// `http://127.0.0.1:PORT`, for clients.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// The environment of the server with the proxy in its place.
    pub fn environment(&self, server: Vec<(&'static str, String)>) -> Vec<(&'static str, String)> {
        let through = |(name, value)| (name, if name == "AWS_ENDPOINT" { self.endpoint() } else { value });
        server.into_iter().map(through).collect()
    }

    /// Adds a rule; where several are due for a request, the oldest decides.
    pub fn add(&self, rule: Rule) {
        self.script.state().rules.push(rule);
    }

    /// Forgets every rule, so that all requests pass.
    pub fn clear(&self) {
        self.script.state().rules.clear();
    }

    /// Every request so far, failed ones included: method, and path with query.
    pub fn seen(&self) -> Vec<(String, String)> {
        self.script.state().seen.clone()
    }

    /// How many requests met a fault so far.
    pub fn faults(&self) -> usize {
        self.script.state().faults
    }

    /// Waits until so many requests have met a fault; whether they have. The fault has begun then: a stalled request
    /// is stalled, and a lost answer may still be on its way to being lost.
    #[must_use]
    pub fn wait_for_faults(&self, number: usize, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let mut state = self.script.state();
        while state.faults < number {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.script.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

/// Serves a connection until the client leaves or a fault cuts it.
fn serve(script: Arc<Script>, client: TcpStream) {
    let Ok((client, twin)) = twins(client) else { return };
    let twin = Arc::new(twin);
    let answer = service_fn(move |request| {
        let (script, twin) = (Arc::clone(&script), Arc::clone(&twin));
        async move { script.answer(request, &twin).await }
    });
    tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(client), answer));
}

/// The connection twice: for the server of requests, and to be told how it shall end.
fn twins(client: TcpStream) -> std::io::Result<(TcpStream, TcpStream)> {
    let client = client.into_std()?;
    let twin = TcpStream::from_std(client.try_clone()?)?;
    Ok((TcpStream::from_std(client)?, twin))
}

impl Script {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An error cuts the connection.
    async fn answer(&self, request: Request<Incoming>, client: &TcpStream) -> Result<Answer, Cut> {
        let Some(fault) = self.note(&request) else { return Ok(unchanged(self.pass(request).await?)) };
        match &fault {
            Fault::AnswerLost => {
                self.pass(request).await?.into_body().collect().await?;
                self.begin();
                return Err("the answer is lost".into());
            }
            Fault::TruncatedBody | Fault::MissingPage | Fault::KeysDropped(_) | Fault::FlipByte { .. } => {
                let answer = self.pass(request).await?;
                self.begin();
                return spoiled(answer, &fault).await;
            }
            Fault::Reset => {
                half(request.into_body()).await?;
                client.set_zero_linger()?;
                self.begin();
                return Err("reset".into());
            }
            _ => {}
        }
        // A server may answer before it has read all, but then a client may or may not see the answer.
        request.into_body().collect().await?;
        self.begin();
        Ok(match fault {
            Fault::Stall => std::future::pending().await,
            Fault::SlowDown => {
                refusal(StatusCode::SERVICE_UNAVAILABLE, "SlowDown", "Please reduce your request rate.")
            }
            Fault::OkWithError => {
                refusal(StatusCode::OK, "InternalError", "We encountered an internal error.")
            }
            Fault::Status(status) => {
                let status = StatusCode::from_u16(status)?;
                refusal(status, code(status), "Scripted by a test.")
            }
            _ => refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", "Not a fault of this kind."),
        })
    }

    /// The fault of the oldest rule that is due. Every rule counts the request.
    fn note(&self, request: &Request<Incoming>) -> Option<Fault> {
        let (method, uri) = (request.method(), request.uri());
        let mut state = self.state();
        state
            .seen
            .push((method.to_string(), uri.path_and_query().map_or("/", |path| path.as_str()).to_owned()));
        let mut due = None;
        for rule in &mut state.rules {
            let fault = rule.meet(method, uri).cloned();
            due = due.or(fault);
        }
        let is_for_missing_page = uri.query().is_some_and(|query| query.contains(MISSING_PAGE));
        due.or_else(|| is_for_missing_page.then_some(Fault::Status(500)))
    }

    fn begin(&self) {
        self.state().faults += 1;
        self.changed.notify_all();
    }

    /// Passes a request on, over a connection of its own.
    async fn pass(&self, request: Request<Incoming>) -> Result<Response<Incoming>, Cut> {
        let stream = TcpStream::connect(self.server).await?;
        stream.set_nodelay(true)?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender.send_request(request).await?)
    }
}

/// The code that S3 gives with a status.
fn code(status: StatusCode) -> &'static str {
    match status {
        StatusCode::FORBIDDEN => "AccessDenied",
        StatusCode::NOT_FOUND => "NoSuchKey",
        StatusCode::PRECONDITION_FAILED => "PreconditionFailed",
        _ => "InternalError",
    }
}

/// Reads half of the body, or more if more comes at once.
async fn half(mut body: Incoming) -> Result<(), Cut> {
    let length = body.size_hint().lower();
    let mut read = 0;
    while read < length / 2
        && let Some(frame) = body.frame().await
    {
        read += frame?.data_ref().map_or(0, |bytes| bytes.len() as u64);
    }
    Ok(())
}
