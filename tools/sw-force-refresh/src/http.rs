//! One HTTP/1.1 exchange over a fresh connection: carries requests out and decides nothing.
//!
//! A fresh connection each time, because a load balancer may then answer from another server: that is what the
//! preflight wants to see.

use std::io;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::TcpStream;

use crate::http_address::HttpAddress;

/// Longest answer: a status with all its events stays far below.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;
/// Longest time for one exchange; a hub answers within milliseconds.
const DEADLINE: Duration = Duration::from_secs(10);

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    pub(crate) address: &'a HttpAddress,
    /// Path and query, when they are not those of the address.
    pub(crate) path: Option<&'a str>,
    pub(crate) token: Option<&'a str>,
    pub(crate) body: String,
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum HttpError {
    /// No connection: the other side has seen nothing of the request.
    #[error("no connection")]
    Connect(#[source] io::Error),
    /// The request may have been taken.
    #[error("no answer within {0:?}")]
    Late(Duration),
    /// The request may have been taken.
    #[error("the connection broke")]
    Broken(#[source] hyper::Error),
    /// The answer is too long or torn.
    #[error("the answer cannot be read: {0}")]
    Answer(String),
    /// A header or path that cannot be sent.
    #[error("the request cannot be made")]
    Request(#[source] hyper::http::Error),
}

impl HttpError {
    /// Whether the other side has certainly not taken the request.
    pub(crate) fn is_before_sending(&self) -> bool {
        matches!(self, HttpError::Connect(_) | HttpError::Request(_))
    }
}

/// Makes one call.
pub(crate) async fn exchange(call: &Call<'_>) -> Result<Answer, HttpError> {
    let connect = TcpStream::connect((call.address.host(), call.address.port()));
    let stream = match tokio::time::timeout(DEADLINE, connect).await {
        Ok(connected) => connected.map_err(HttpError::Connect)?,
        Err(_) => return Err(HttpError::Connect(io::ErrorKind::TimedOut.into())),
    };
    match tokio::time::timeout(DEADLINE, exchange_over(stream, call)).await {
        Ok(answer) => answer,
        Err(_) => Err(HttpError::Late(DEADLINE)),
    }
}

async fn exchange_over(stream: TcpStream, call: &Call<'_>) -> Result<Answer, HttpError> {
    let request = request_of(call)?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(HttpError::Broken)?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(HttpError::Broken)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
        let body = body.map_err(|error| HttpError::Answer(error.to_string()))?.to_bytes();
        Ok(Answer { status, body })
    };
    tokio::pin!(exchange, connection);
    let mut is_connected = true;
    loop {
        tokio::select! {
            answer = &mut exchange => return answer,
            // Its end wakes the exchange, which tells what it means.
            _ = &mut connection, if is_connected => is_connected = false,
        }
    }
}

fn request_of(call: &Call<'_>) -> Result<Request<Full<Bytes>>, HttpError> {
    let mut request = Request::builder()
        .method(call.method.clone())
        .uri(call.path.unwrap_or(call.address.path()))
        .header(HOST, call.address.authority())
        .header(ACCEPT, "application/json")
        .header(CACHE_CONTROL, "no-cache");
    if let Some(token) = call.token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    if !call.body.is_empty() {
        request = request.header(CONTENT_TYPE, "application/jose");
    }
    request.body(Full::new(Bytes::from(call.body.clone()))).map_err(HttpError::Request)
}
