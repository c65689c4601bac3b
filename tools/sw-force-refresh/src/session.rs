//! One connection from hello to its end: reads frames, hands out the latest event, keeps the heartbeat.
//!
//! Follows RFC 6455; close codes as in the protocol: 4000-4099 do not come back, 4100-4199 back off, 1001 come back
//! after the advised delay.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as SocketError, Message, Utf8Bytes};

use crate::chance;
use crate::hub::ConnectionId;
use crate::jws;
use crate::switchboard::{Slot, Switchboard, Waiting};
use crate::wire::{self, ClientFrame, HubFrame, MAX_CLIENT_BYTES};

/// tungstenite fills its read buffer eagerly; with its default of 128 KiB every idle client would cost that much.
const READ_BUFFER_BYTES: usize = 4 * 1024;
/// One event with its frame fits, twice.
const WRITE_BUFFER_BYTES: usize = 2 * jws::MAX_BYTES + 1024;
/// How long the other side has to answer a close frame.
const CLOSE_DEADLINE: Duration = Duration::from_secs(2);

/// The times that a session keeps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) hello_deadline: Duration,
    pub(crate) heartbeat: Duration,
    pub(crate) heartbeat_deadline: Duration,
    pub(crate) write_deadline: Duration,
}

/// Why a session ends.
#[derive(Debug)]
enum Farewell {
    /// The other side closed or vanished.
    Gone,
    /// The other side takes nothing; a close frame would not arrive either.
    Slow,
    /// With a close frame.
    Close(u16, String),
}

type Socket = WebSocketStream<TcpStream>;

struct Session<'a> {
    socket: Socket,
    board: &'a Switchboard,
    connection: ConnectionId,
    pace: Pace,
}

/// Serves an upgraded connection to its end; `read` are bytes that came with the handshake.
pub(crate) async fn serve(
    stream: TcpStream,
    read: Vec<u8>,
    board: &Switchboard,
    (connection, slot): (ConnectionId, Arc<Slot>),
    pace: Pace,
) {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER_BYTES)
        .max_message_size(Some(MAX_CLIENT_BYTES))
        .max_frame_size(Some(MAX_CLIENT_BYTES));
    let socket = WebSocketStream::from_partially_read(stream, read, Role::Server, Some(config)).await;
    let mut session = Session { socket, board, connection, pace };
    let farewell = match session.greet(&slot).await {
        Ok(()) => session.converse(&slot).await,
        Err(farewell) => farewell,
    };
    board.leave(connection, Some(farewell.code()));
    session.part(farewell).await;
}

impl Session<'_> {
    /// Waits for the hello and answers it.
    async fn greet(&mut self, slot: &Slot) -> Result<(), Farewell> {
        let deadline = Instant::now() + self.pace.hello_deadline;
        loop {
            let message = tokio::select! {
                message = self.socket.next() => message,
                waiting = slot.take() => match waiting.drain_after_ms {
                    Some(after_ms) => return Err(self.announce_drain(after_ms).await),
                    None => continue,
                },
                () = sleep_until(deadline) => return Err(Farewell::close(4000, "no hello in time")),
            };
            match Self::frame_of(message)? {
                None => {}
                Some(ClientFrame::Hello(hello)) => {
                    let welcome = self.board.hello(self.connection, hello, self.pace.heartbeat.as_secs());
                    return self.send(welcome.to_text().into()).await;
                }
                Some(_) => return Err(Farewell::close(4000, "the first frame is a hello")),
            }
        }
    }

    /// Everything after the welcome.
    async fn converse(&mut self, slot: &Slot) -> Farewell {
        let mut is_answer_due = false;
        // Clients that came together, as after a restart, are not pinged together.
        let mut beat = Instant::now() + chance::between(self.pace.heartbeat / 2, self.pace.heartbeat);
        loop {
            let step = tokio::select! {
                message = self.socket.next() => match Self::frame_of(message) {
                    Ok(frame) => {
                        if is_answer_due {
                            is_answer_due = false;
                            beat = Instant::now() + self.pace.heartbeat;
                        }
                        self.obey(frame)
                    }
                    Err(farewell) => Err(farewell),
                },
                waiting = slot.take() => self.hand_out(waiting).await,
                () = sleep_until(beat) => {
                    if is_answer_due {
                        return Farewell::close(4102, "no heartbeat");
                    }
                    is_answer_due = true;
                    beat = Instant::now() + self.pace.heartbeat_deadline;
                    let ping = HubFrame::Ping { seq: self.board.seq() };
                    self.send(ping.to_text().into()).await
                }
            };
            if let Err(farewell) = step {
                return farewell;
            }
        }
    }

    fn obey(&self, frame: Option<ClientFrame>) -> Result<(), Farewell> {
        match frame {
            Some(ClientFrame::Hello(_)) => Err(Farewell::close(4000, "a second hello")),
            Some(ClientFrame::Ack(ack)) => {
                self.board.ack(self.connection, ack);
                Ok(())
            }
            Some(ClientFrame::Pong | ClientFrame::Unknown) | None => Ok(()),
        }
    }

    async fn hand_out(&mut self, waiting: Waiting) -> Result<(), Farewell> {
        if let Some(event) = waiting.event {
            self.send(event).await?;
            self.board.count_delivery();
        }
        match waiting.drain_after_ms {
            Some(after_ms) => Err(self.announce_drain(after_ms).await),
            None => Ok(()),
        }
    }

    async fn announce_drain(&mut self, after_ms: u64) -> Farewell {
        let drain = HubFrame::Drain { after_ms };
        match self.send(drain.to_text().into()).await {
            Ok(()) => Farewell::close(1001, "the hub stops"),
            Err(farewell) => farewell,
        }
    }

    async fn send(&mut self, text: Utf8Bytes) -> Result<(), Farewell> {
        match timeout(self.pace.write_deadline, self.socket.send(Message::Text(text))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Farewell::Gone),
            Err(_) => Err(Farewell::Slow),
        }
    }

    /// The frame in a message; `None` for what the WebSocket layer has dealt with.
    fn frame_of(message: Option<Result<Message, SocketError>>) -> Result<Option<ClientFrame>, Farewell> {
        match message {
            Some(Ok(Message::Text(text))) => {
                wire::parse(&text).map(Some).map_err(|bad| Farewell::close(4000, &bad.to_string()))
            }
            Some(Ok(Message::Binary(_))) => Err(Farewell::close(4000, "frames are text")),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(None),
            Some(Ok(Message::Close(_))) | None => Err(Farewell::Gone),
            Some(Err(SocketError::Capacity(_))) => Err(Farewell::close(1009, "the message is too long")),
            Some(Err(SocketError::Protocol(_))) => Err(Farewell::close(1002, "not a WebSocket frame")),
            Some(Err(SocketError::Utf8(_))) => Err(Farewell::close(1007, "not UTF-8")),
            Some(Err(_)) => Err(Farewell::Gone),
        }
    }

    /// Ends the connection in the way that fits why.
    async fn part(mut self, farewell: Farewell) {
        match farewell {
            Farewell::Gone => {
                // Reading on writes the answer to the other side's close frame, if there was one.
                let _ = timeout(CLOSE_DEADLINE, self.read_to_end()).await;
            }
            Farewell::Slow => {
                // A reset frees what the kernel still holds for a reader that never reads; it may be megabytes.
                let _ = self.socket.get_ref().set_zero_linger();
            }
            Farewell::Close(code, reason) => {
                let frame = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
                let _ = timeout(CLOSE_DEADLINE, async {
                    self.socket.close(Some(frame)).await?;
                    // Bytes left unread would turn the close into a reset that overtakes the frame.
                    self.read_to_end().await;
                    Ok::<(), SocketError>(())
                })
                .await;
            }
        }
    }

    async fn read_to_end(&mut self) {
        while let Some(Ok(_)) = self.socket.next().await {}
    }
}

impl Farewell {
    fn close(code: u16, reason: &str) -> Farewell {
        Farewell::Close(code, reason.to_owned())
    }

    fn code(&self) -> u16 {
        match self {
            Farewell::Gone => 1006,
            Farewell::Slow => 4101,
            Farewell::Close(code, _) => *code,
        }
    }
}
