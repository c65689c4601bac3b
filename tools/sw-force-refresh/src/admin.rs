//! The private listener: publishing, status, probes and metrics over plain HTTP.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE};
use hyper::http::HeaderValue;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::net::{TcpListener, TcpStream};

use crate::api::Denied;
use crate::event::Refusal;
use crate::hub::PublishError;
use crate::jws::{self, JwsError};
use crate::keys::VerifyingKey;
use crate::switchboard::{AcceptError, Switchboard};

/// Time for the head of a request; half a request holds no place for longer.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);
/// Pause after a failed accept, as on the public listener.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

type Body = Full<Bytes>;

/// Whom the hub believes.
pub(crate) struct Trust {
    pub(crate) keys: Vec<VerifyingKey>,
    pub(crate) publish_token: Option<String>,
}

/// Answers on `listener` for as long as the hub runs.
pub(crate) async fn serve(listener: TcpListener, trust: Arc<Trust>, board: Arc<Switchboard>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(answer_all(stream, Arc::clone(&trust), Arc::clone(&board)));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn answer_all(stream: TcpStream, trust: Arc<Trust>, board: Arc<Switchboard>) {
    let service = service_fn(|request| {
        let (trust, board) = (Arc::clone(&trust), Arc::clone(&board));
        async move { Ok::<_, Infallible>(answer(request, &trust, &board).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "an admin connection broke");
    }
}

async fn answer(request: Request<Incoming>, trust: &Trust, board: &Switchboard) -> Response<Body> {
    let query = request.uri().query().map(ToOwned::to_owned);
    match (request.method(), request.uri().path()) {
        (&Method::POST, "/v1/events") => publish(request, trust, board).await,
        (&Method::GET, "/v1/status") => status(query.as_deref(), board),
        (&Method::GET, "/healthz") => text(StatusCode::OK, "ok\n"),
        (&Method::GET, "/readyz") if board.is_draining() => {
            text(StatusCode::SERVICE_UNAVAILABLE, "draining\n")
        }
        (&Method::GET, "/readyz") => text(StatusCode::OK, "ready\n"),
        (&Method::GET, "/metrics") => text(StatusCode::OK, board.metrics().unwrap_or_default()),
        (_, "/v1/events" | "/v1/status" | "/healthz" | "/readyz" | "/metrics") => {
            denied(board, StatusCode::METHOD_NOT_ALLOWED, "method", "this address takes another method")
        }
        _ => denied(board, StatusCode::NOT_FOUND, "path", "there is nothing here"),
    }
}

fn status(query: Option<&str>, board: &Switchboard) -> Response<Body> {
    let wanted = query.unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("event="));
    let only = match wanted.map(str::parse).transpose() {
        Ok(only) => only,
        Err(_) => {
            return denied(board, StatusCode::BAD_REQUEST, "id", "the event's id is not a ULID");
        }
    };
    match board.status(only) {
        Some(status) => json(StatusCode::OK, &status),
        None => denied(board, StatusCode::NOT_FOUND, "unknown_event", "there is no such event"),
    }
}

async fn publish(request: Request<Incoming>, trust: &Trust, board: &Switchboard) -> Response<Body> {
    if !is_allowed(&request, trust.publish_token.as_deref()) {
        return refused(board, StatusCode::UNAUTHORIZED, "token", "the publish token is missing or wrong");
    }
    let Ok(body) = Limited::new(request.into_body(), jws::MAX_BYTES).collect().await else {
        return refused(board, StatusCode::PAYLOAD_TOO_LARGE, "too_long", "the signed event is too long");
    };
    let bytes = body.to_bytes();
    let text = std::str::from_utf8(&bytes).unwrap_or_default().trim();
    let event = match jws::verify(&trust.keys, text) {
        Ok(event) => event,
        Err(error) => {
            let (status, code) = judge_signature(&error);
            return refused(board, status, code, &error.to_string());
        }
    };
    // It may write a file: the other connections of this thread go on meanwhile.
    match tokio::task::block_in_place(|| board.publish(event, text)) {
        Ok(accepted) => {
            let status = if accepted.is_new { StatusCode::CREATED } else { StatusCode::OK };
            tracing::info!(id = %accepted.id, seq = accepted.seq, is_new = accepted.is_new, "published");
            json(status, &accepted)
        }
        Err(error) => {
            let (status, code) = judge_acceptance(&error);
            refused(board, status, code, &error.to_string())
        }
    }
}

/// Compares digests, so that the time it takes tells nothing about the token.
fn is_allowed(request: &Request<Incoming>, token: Option<&str>) -> bool {
    let Some(token) = token else { return true };
    let given = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    Sha256::digest(given) == Sha256::digest(token)
}

fn judge_signature(error: &JwsError) -> (StatusCode, &'static str) {
    match error {
        JwsError::TooLong(_) => (StatusCode::PAYLOAD_TOO_LARGE, "too_long"),
        JwsError::Malformed(_) => (StatusCode::BAD_REQUEST, "malformed"),
        JwsError::Header(_) => (StatusCode::BAD_REQUEST, "header"),
        JwsError::UnknownKey(_) => (StatusCode::FORBIDDEN, "unknown_key"),
        JwsError::Signature => (StatusCode::FORBIDDEN, "bad_signature"),
        JwsError::Payload(_) => (StatusCode::BAD_REQUEST, "payload"),
    }
}

fn judge_acceptance(error: &AcceptError) -> (StatusCode, &'static str) {
    match error {
        AcceptError::Publish(PublishError::Refused(refusal)) => match refusal {
            Refusal::Expired => (StatusCode::UNPROCESSABLE_ENTITY, "expired"),
            Refusal::Future => (StatusCode::UNPROCESSABLE_ENTITY, "future"),
            Refusal::Life(_) => (StatusCode::UNPROCESSABLE_ENTITY, "life"),
            Refusal::Seq { .. } => (StatusCode::CONFLICT, "seq"),
            Refusal::Rollout(_) => (StatusCode::UNPROCESSABLE_ENTITY, "rollout"),
            Refusal::TooLong(_) => (StatusCode::UNPROCESSABLE_ENTITY, "too_long"),
        },
        AcceptError::Publish(PublishError::IdTaken(_)) => (StatusCode::CONFLICT, "id_taken"),
        AcceptError::Publish(PublishError::NothingToCancel(_)) => (StatusCode::NOT_FOUND, "unknown_event"),
        AcceptError::Publish(PublishError::Full) => (StatusCode::CONFLICT, "full"),
        AcceptError::Write(_) | AcceptError::Record(_) => (StatusCode::SERVICE_UNAVAILABLE, "state"),
        AcceptError::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
    }
}

fn refused(board: &Switchboard, status: StatusCode, code: &'static str, message: &str) -> Response<Body> {
    tracing::warn!(code, message, "refused an event");
    board.count_refused_event(code);
    denied(board, status, code, message)
}

fn denied(board: &Switchboard, status: StatusCode, code: &str, message: &str) -> Response<Body> {
    json(status, &Denied { code: code.to_owned(), message: message.to_owned(), seq: board.seq() })
}

fn json(status: StatusCode, object: &impl Serialize) -> Response<Body> {
    let mut body = serde_json::to_vec(object).unwrap_or_default();
    body.push(b'\n');
    respond(status, "application/json", body)
}

fn text(status: StatusCode, body: impl Into<String>) -> Response<Body> {
    respond(status, "text/plain; version=0.0.4; charset=utf-8", body.into().into_bytes())
}

fn respond(status: StatusCode, kind: &'static str, body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
