//! A hub as a real process on free ports, and clients that speak its wire, for the tests of this folder.

#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use precache_manifest::ManifestHash;
use serde_json::{Value, json};
use sw_force_refresh::event::{Event, Kind, Severity};
use sw_force_refresh::jws;
use sw_force_refresh::keys::SigningKey;
use sw_force_refresh::wire::HubFrame;
use testbed::{Program, Ready, Running};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// The program under test.
pub(crate) const TOOL: &str = env!("CARGO_BIN_EXE_sw-force-refresh");
/// The origin that hubs of these tests let in.
pub(crate) const ORIGIN: &str = "http://app.example";
/// No awaited event takes longer, however busy the machine is.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// A hub with its key and folder.
pub(crate) struct Stage {
    /// Scratch folder with `release.private.jwk`, `release.public.jwk` and `state/hub.json`.
    pub(crate) folder: tempfile::TempDir,
    /// The key that the hub trusts.
    pub(crate) key: SigningKey,
    /// The running hub.
    pub(crate) hub: Running,
    /// Where browsers connect.
    pub(crate) listen: SocketAddr,
    /// Where `send` connects.
    pub(crate) admin: SocketAddr,
}

/// The version whose hash repeats these two digits.
pub(crate) fn version(digits: &str) -> ManifestHash {
    digits.repeat(32).parse().unwrap()
}

impl Stage {
    /// A hub with these options besides the necessary ones.
    pub(crate) fn open(options: &[&str]) -> Stage {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("state")).unwrap();
        let key = SigningKey::generate().unwrap();
        write_json(&folder.path().join("release.private.jwk"), &key.to_private_jwk());
        write_json(&folder.path().join("release.public.jwk"), &key.public().to_jwk());
        let (hub, listen, admin) = start(folder.path(), FREE, FREE, options);
        Stage { folder, key, hub, listen, admin }
    }

    /// A hub in the place of the one that has ended.
    pub(crate) fn reopen(&mut self, options: &[&str]) {
        (self.hub, self.listen, self.admin) = start(self.folder.path(), FREE, FREE, options);
    }

    /// As [`Stage::reopen`], at the same addresses.
    pub(crate) fn reopen_there(&mut self) {
        (self.hub, ..) = start(self.folder.path(), self.listen, self.admin, &[]);
    }

    /// A path in the stage's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// An event to `hash` with the hub's next number.
    pub(crate) fn event(&self, hash: &str) -> Event {
        let now = jiff::Timestamp::now().as_second();
        Event {
            kind: Kind::ForceRefresh,
            id: ulid::Ulid::generate(),
            seq: self.status()["seq"].as_u64().unwrap() + 1,
            manifest_hash: version(hash),
            severity: Severity::Critical,
            deadline: 60,
            jitter_ms: 0,
            audience: Default::default(),
            rollout: 100,
            issued_at: now,
            expires_at: now + 3_600,
            iss: None,
            reason: None,
        }
    }

    /// Signs and posts `event`; the status and the answer.
    pub(crate) fn publish(&self, event: &Event) -> (u16, Value) {
        self.post(&jws::sign(&self.key, event).unwrap())
    }

    /// Posts a text as an event; the status and the answer.
    pub(crate) fn post(&self, jws: &str) -> (u16, Value) {
        let head = format!("POST /v1/events HTTP/1.1\r\nhost: hub\r\ncontent-length: {}", jws.len());
        let (status, body) = call(self.admin, &format!("{head}\r\nconnection: close\r\n\r\n{jws}"));
        (status, serde_json::from_str(&body).unwrap())
    }

    /// The status and the text at an admin address.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        call(self.admin, &format!("GET {path} HTTP/1.1\r\nhost: hub\r\nconnection: close\r\n\r\n"))
    }

    /// What the hub tells about itself.
    pub(crate) fn status(&self) -> Value {
        serde_json::from_str(&self.get("/v1/status").1).unwrap()
    }

    /// The counts of the newest event.
    pub(crate) fn counts(&self) -> Value {
        self.status()["events"].as_array().unwrap().last().unwrap()["counts"].clone()
    }

    /// Asks the hub until `is_so`.
    pub(crate) fn await_status(&self, is_so: impl Fn(&Value) -> bool) -> Value {
        let deadline = std::time::Instant::now() + LIMIT;
        loop {
            let status = self.status();
            if is_so(&status) {
                return status;
            }
            assert!(std::time::Instant::now() < deadline, "never so: {status}");
        }
    }

    /// The command `send` with the stage's key and hub; stdin is empty and closed.
    pub(crate) fn send(&self, arguments: &[&str]) -> Command {
        let mut command = self.command("send");
        command.arg("--key").arg(self.path("release.private.jwk")).args(arguments);
        command
    }

    /// A subcommand that talks to the stage's hub.
    pub(crate) fn command(&self, subcommand: &str) -> Command {
        let mut command = Command::new(TOOL);
        command.arg(subcommand).arg("--hub").arg(format!("http://{}", self.admin));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// A client that has said hello and was welcomed.
    pub(crate) async fn client(&self, name: &str, hash: &str) -> Client {
        let (mut client, _) = self.client_welcomed(name, hash).await;
        client.name = name.to_owned();
        client
    }

    /// As [`Stage::client`], with the event of the welcome.
    pub(crate) async fn client_welcomed(&self, name: &str, hash: &str) -> (Client, Option<String>) {
        let mut client = Client::connect(self.listen).await.unwrap();
        client.say(&hello(name, hash)).await;
        match client.next().await {
            HubFrame::Welcome { event, .. } => (client, event),
            other => panic!("no welcome but {other:?}"),
        }
    }
}

/// A free port of this machine.
const FREE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

fn start(
    folder: &Path,
    listen: SocketAddr,
    admin: SocketAddr,
    options: &[&str],
) -> (Running, SocketAddr, SocketAddr) {
    let mut program = Program::new(TOOL)
        .args(["serve", "--json", "--origin", ORIGIN])
        .args(["--listen", &listen.to_string(), "--admin", &admin.to_string()])
        .args(["--state".into(), folder.join("state/hub.json").into_os_string()])
        .args(["--verify-key".into(), folder.join("release.public.jwk").into_os_string()]);
    program = program.args(options.iter().copied()).ready(Ready::Line("\"ready\"".into()));
    let hub = program.start().unwrap();
    let ready: Value = serde_json::from_str(hub.ready_line().unwrap()).unwrap();
    let address = |name: &str| ready[name].as_str().unwrap().parse().unwrap();
    (hub, address("listen"), address("admin"))
}

fn write_json(path: &Path, value: &impl serde::Serialize) {
    std::fs::write(path, serde_json::to_vec(value).unwrap()).unwrap();
}

fn call(address: SocketAddr, request: &str) -> (u16, String) {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    // The hub may answer and close before it has read all of a long body.
    let _ = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// What a browser says first.
pub(crate) fn hello(name: &str, hash: &str) -> Value {
    json!({"t": "hello", "v": 1, "client": name, "install": name, "hash": version(hash).prefixed(),
        "labels": {"tenant": "a"}, "sw": "controlled", "last": null})
}

/// A client as a browser is one, without being one.
pub(crate) struct Client {
    /// Its identifier.
    pub(crate) name: String,
    socket: WebSocketStream<TcpStream>,
}

impl Client {
    /// Opens a socket as a page of [`ORIGIN`] does.
    pub(crate) async fn connect(address: SocketAddr) -> Result<Client, SocketError> {
        let headers = [("origin", ORIGIN), ("sec-websocket-protocol", "sw-force-refresh.v1")];
        Client::connect_with(address, "/v1/ws", &headers).await
    }

    /// Opens a socket with these headers.
    pub(crate) async fn connect_with(
        address: SocketAddr,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Client, SocketError> {
        let stream = TcpStream::connect(address).await.unwrap();
        Client::upgrade(stream, path, headers).await
    }

    /// Makes a WebSocket of a connection.
    pub(crate) async fn upgrade(
        stream: TcpStream,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Client, SocketError> {
        let mut request = format!("ws://hub{path}").into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        let (socket, _) = timeout(LIMIT, client_async(request, stream)).await.expect("handshake in time")?;
        Ok(Client { name: String::new(), socket })
    }

    /// Sends a frame.
    pub(crate) async fn say(&mut self, frame: &Value) {
        self.socket.send(Message::text(frame.to_string())).await.unwrap();
    }

    /// Sends any message; a hub that has closed does not matter.
    pub(crate) async fn send(&mut self, message: Message) {
        let _ = self.socket.send(message).await;
    }

    /// Says how it fares with the event `id`.
    pub(crate) async fn ack(&mut self, id: &str, state: &str) {
        self.say(&json!({"t": "ack", "id": id, "state": state})).await;
    }

    /// The next frame besides pings, which it answers.
    pub(crate) async fn next(&mut self) -> HubFrame {
        loop {
            let message = timeout(LIMIT, self.socket.next()).await.expect("a frame in time");
            match message.expect("an open socket").unwrap() {
                Message::Text(text) => match serde_json::from_str(&text).unwrap() {
                    HubFrame::Ping { .. } => self.say(&json!({"t": "pong"})).await,
                    frame => return frame,
                },
                other => panic!("no text but {other:?}"),
            }
        }
    }

    /// The next event, decoded without checking its signature.
    pub(crate) async fn event(&mut self) -> Value {
        match self.next().await {
            HubFrame::Event { jws } => payload(&jws),
            other => panic!("no event but {other:?}"),
        }
    }

    /// Reads without answering until the hub closes; its close code, 1006 when there is none.
    pub(crate) async fn closed(&mut self) -> u16 {
        loop {
            match timeout(LIMIT, self.socket.next()).await.expect("a close in time") {
                Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return 1006,
            }
        }
    }

    /// Closes as a tab does.
    pub(crate) async fn close(mut self) {
        let _ = self.socket.close(None).await;
    }
}

/// The payload of a signed event.
pub(crate) fn payload(jws: &str) -> Value {
    use base64::Engine;
    let part = jws.split('.').nth(1).unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// Runs a command to its end: exit code, and the JSON lines of its stdout.
pub(crate) async fn finish(mut command: Command) -> (i32, Vec<Value>) {
    let Output { status, stdout, stderr } =
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let lines = String::from_utf8(stdout).unwrap();
    let lines = lines.lines().map(|line| {
        serde_json::from_str(line)
            .unwrap_or_else(|_| panic!("no JSON: {line}\n{}", String::from_utf8_lossy(&stderr)))
    });
    (status.code().unwrap(), lines.collect())
}

/// Starts a `send --json` and returns once it has told that the hub took the update; the handle gives its end.
pub(crate) async fn published(mut command: Command) -> tokio::task::JoinHandle<(i32, Vec<Value>)> {
    let (told, heard) = std::sync::mpsc::channel();
    let sending = tokio::task::spawn_blocking(move || {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut text = String::new();
        stdout.read_line(&mut text).unwrap();
        told.send(text.contains("\"published\"")).unwrap();
        stdout.read_to_string(&mut text).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (child.wait().unwrap().code().unwrap(), lines)
    });
    let is_published = tokio::task::spawn_blocking(move || heard.recv_timeout(LIMIT).unwrap());
    assert!(is_published.await.unwrap(), "the first line is not that of a publication");
    sending
}
