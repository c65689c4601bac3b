//! The public listener: accepts connections, judges their handshake, hands them to sessions.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONNECTION, CONTENT_TYPE, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION};
use hyper::http::HeaderValue;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;

use crate::admission::{self, Policy};
use crate::session::{self, Pace};
use crate::switchboard::Switchboard;
use crate::wire::SUBPROTOCOL;

/// Connections that wait to be accepted. The usual 128 would drop most of a fleet that reconnects at once.
const BACKLOG: u32 = 4096;
/// Kernel buffer per connection: one event fits. Left to itself the kernel would grow it to 4 MiB for a reader that
/// stalls (tcp(7), tcp_wmem).
const SEND_BUFFER_BYTES: u32 = 32 * 1024;
/// Time for the whole handshake.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(5);
/// Longest head of a handshake request. Browsers send their cookies along, which are ignored.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// Pause after a failed accept: when files run out, trying again at once would only burn time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

type Body = Full<Bytes>;

/// What every connection is measured by.
#[derive(Clone, Debug)]
pub(crate) struct House {
    pub(crate) policy: Policy,
    pub(crate) pace: Pace,
    pub(crate) max_connections: usize,
}

/// Binds `address` with a backlog for a whole fleet and with bounded kernel buffers.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    // Accepted connections inherit it.
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts connections until the hub drains.
pub(crate) async fn accept(
    listener: TcpListener,
    house: Arc<House>,
    board: Arc<Switchboard>,
    mut draining: watch::Receiver<bool>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = draining.changed() => return,
        };
        match accepted {
            Ok((stream, _)) => {
                tokio::spawn(receive(stream, Arc::clone(&house), Arc::clone(&board)));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn receive(stream: TcpStream, house: Arc<House>, board: Arc<Switchboard>) {
    // Events are single small frames: waiting for more to send would only delay them.
    let _ = stream.set_nodelay(true);
    let Some(place) = board.enter(house.max_connections) else {
        board.count_refused_handshake(StatusCode::SERVICE_UNAVAILABLE.as_u16());
        return;
    };
    // Boxed, because its buffers are big and its life is short.
    let shaken = tokio::time::timeout(HANDSHAKE_DEADLINE, Box::pin(shake(stream, &house, &board))).await;
    match shaken {
        Ok(Some((stream, read))) => session::serve(stream, read, &board, place, house.pace).await,
        Ok(None) | Err(_) => board.leave(place.0, None),
    }
}

/// The handshake; `None` when it was refused or broke.
async fn shake(stream: TcpStream, house: &House, board: &Switchboard) -> Option<(TcpStream, Vec<u8>)> {
    let upgrade: Mutex<Option<OnUpgrade>> = Mutex::new(None);
    let service = service_fn(|mut request: Request<Incoming>| {
        let response = answer(&house.policy, &request);
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            *upgrade.lock().unwrap_or_else(PoisonError::into_inner) = Some(hyper::upgrade::on(&mut request));
        } else {
            board.count_refused_handshake(response.status().as_u16());
        }
        std::future::ready(Ok::<_, std::convert::Infallible>(response))
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HANDSHAKE_DEADLINE)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    connection.await.ok()?;
    let upgrade = upgrade.into_inner().unwrap_or_else(PoisonError::into_inner)?;
    let parts = upgrade.await.ok()?.downcast::<TokioIo<TcpStream>>().ok()?;
    Some((parts.io.into_inner(), parts.read_buf.to_vec()))
}

fn answer(policy: &Policy, request: &Request<Incoming>) -> Response<Body> {
    let uri = request.uri();
    if let Err(refusal) = admission::admit(policy, uri.path(), uri.query(), request.headers()) {
        return refuse(refusal.status(), &refusal.to_string());
    }
    match create_response_with_body(request, Body::default) {
        Ok(mut response) => {
            response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
            response
        }
        Err(error) => {
            let mut response = refuse(StatusCode::UPGRADE_REQUIRED.as_u16(), &error.to_string());
            response.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            response
        }
    }
}

fn refuse(status: u16, message: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{message}\n")));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
