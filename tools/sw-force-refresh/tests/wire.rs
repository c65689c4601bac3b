//! The public listener against friendly, clumsy and hostile clients, over real sockets.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod stage;

use std::time::{Duration, Instant};

use serde_json::json;
use stage::{Client, LIMIT, ORIGIN, Stage, hello};
use sw_force_refresh::audience::Audience;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

const V1: (&str, &str) = ("sec-websocket-protocol", "sw-force-refresh.v1");

async fn check_refused(stage: &Stage, path: &str, headers: &[(&'static str, &str)], status: u16) {
    match Client::connect_with(stage.listen, path, headers).await {
        Err(SocketError::Http(response)) => assert_eq!(response.status(), status, "{path} {headers:?}"),
        Err(error) => panic!("{path} {headers:?}: {error}"),
        Ok(_) => panic!("{path} {headers:?}: let in"),
    }
}

async fn check_closed_after(stage: &Stage, message: Message, code: u16) {
    let mut client = Client::connect(stage.listen).await.unwrap();
    client.send(message.clone()).await;
    assert_eq!(client.closed().await, code, "{message:?}");
}

#[tokio::test]
async fn hello_is_welcomed_and_an_event_arrives_and_is_acknowledged() {
    let stage = Stage::open(&[]);
    let mut client = stage.client("one", "aa").await;
    let event = stage.event("bb");
    let (status, answer) = stage.publish(&event);
    assert_eq!((status, &answer["is_new"]), (201, &json!(true)), "{answer}");
    let received = client.event().await;
    assert_eq!(received["id"], event.id.to_string());
    client.ack(&event.id.to_string(), "received").await;
    let status = stage.await_status(|status| status["events"][0]["counts"]["received"] == 1);
    assert_eq!((&status["clients"], &status["events"][0]["counts"]["cohort"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn only_listed_origins_and_the_own_protocol_come_in() {
    let stage = Stage::open(&[]);
    for evil in ["http://evil.example", "null", "http://app.example.evil.example", "https://app.example"] {
        check_refused(&stage, "/v1/ws", &[("origin", evil), V1], 403).await;
    }
    check_refused(&stage, "/v1/ws", &[V1], 403).await;
    check_refused(&stage, "/v1/ws", &[("origin", ORIGIN)], 400).await;
    let other = ("sec-websocket-protocol", "sw-force-refresh.v9");
    check_refused(&stage, "/v1/ws", &[("origin", ORIGIN), other], 400).await;
    check_refused(&stage, "/v1/ws?token=secret", &[("origin", ORIGIN), V1], 400).await;
    check_refused(&stage, "/", &[("origin", ORIGIN), V1], 404).await;
    let metrics = stage.get("/metrics").1;
    assert!(metrics.contains("handshakes_refused_total{status=\"403\"} 5\n"), "{metrics}");
}

#[tokio::test]
async fn programs_without_an_origin_come_in_when_allowed() {
    let stage = Stage::open(&["--allow-no-origin"]);
    assert!(Client::connect_with(stage.listen, "/v1/ws", &[V1]).await.is_ok());
    check_refused(&stage, "/v1/ws", &[("origin", "http://evil.example"), V1], 403).await;
}

#[tokio::test]
async fn what_is_not_the_protocol_is_sent_away_with_a_code() {
    let stage = Stage::open(&[]);
    let mut wrong_version = hello("one", "aa");
    wrong_version["v"] = json!(2);
    for (message, code) in [
        (Message::text("garbage"), 4000),
        (Message::text(wrong_version.to_string()), 4000),
        (Message::text(r#"{"t":"pong"}"#), 4000),
        (Message::binary(vec![0_u8; 8]), 4000),
        (Message::text("x".repeat(4 * 1024 + 1)), 1009),
        (Message::binary(vec![0_u8; 1 << 20]), 1009),
    ] {
        check_closed_after(&stage, message, code).await;
    }
    let mut twice = stage.client("one", "aa").await;
    twice.say(&hello("one", "aa")).await;
    assert_eq!(twice.closed().await, 4000);
}

#[tokio::test]
async fn fragments_add_up_to_a_message_that_is_too_long() {
    let stage = Stage::open(&[]);
    let mut client = Client::connect(stage.listen).await.unwrap();
    for part in [Data::Text, Data::Continue, Data::Continue] {
        let fragment = Frame::message(vec![b'x'; 3 * 1024], OpCode::Data(part), false);
        client.send(Message::Frame(fragment)).await;
    }
    assert_eq!(client.closed().await, 1009);
}

#[tokio::test]
async fn a_tab_that_closes_is_answered_and_forgotten() {
    let stage = Stage::open(&[]);
    let mut client = stage.client("one", "aa").await;
    client.send(Message::Close(Some(CloseFrame { code: CloseCode::Normal, reason: "".into() }))).await;
    assert_eq!(client.closed().await, 1000);
    stage.await_status(|status| status["connections"] == 0);
}

#[tokio::test]
async fn unknown_frames_are_ignored() {
    let stage = Stage::open(&[]);
    let mut client = stage.client("one", "aa").await;
    client.say(&json!({"t": "telemetry", "x": 1})).await;
    stage.publish(&stage.event("bb"));
    assert_eq!(client.event().await["type"], "FORCE_REFRESH");
}

#[tokio::test]
async fn a_silent_client_is_closed_before_and_after_its_hello() {
    let stage = Stage::open(&["--hb", "1s", "--hb-deadline", "1s"]);
    let mut mute = Client::connect(stage.listen).await.unwrap();
    let mut deaf = stage.client("deaf", "aa").await;
    assert_eq!(deaf.closed().await, 4102);
    assert_eq!(mute.closed().await, 4000);
}

#[tokio::test]
async fn half_handshakes_are_cut_and_keep_nobody_waiting() {
    let stage = Stage::open(&[]);
    let mut halves = Vec::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(stage.listen).await.unwrap();
        stream.write_all(b"GET /v1/ws HTTP/1.1\r\nHost: hub\r\nUpgra").await.unwrap();
        halves.push(stream);
    }
    let begin = Instant::now();
    let _client = stage.client("real", "aa").await;
    // A second on an idle machine; far below the five that a half handshake may take.
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    for mut half in halves {
        let mut answer = Vec::new();
        tokio::time::timeout(LIMIT, half.read_to_end(&mut answer)).await.unwrap().unwrap_or_default();
        assert!(!answer.starts_with(b"HTTP/1.1 101"));
    }
    stage.await_status(|status| status["connections"] == 1);
}

/// Events of about 12 KiB fill the 32 KiB that the kernel may hold for a client, and then the session waits.
#[tokio::test]
async fn a_reader_that_stalls_is_cut_and_the_others_get_the_latest() {
    let stage = Stage::open(&["--write-deadline", "1s"]);
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket.connect(stage.listen).await.unwrap();
    let mut stalled = Client::upgrade(stream, "/v1/ws", &[("origin", ORIGIN), V1]).await.unwrap();
    stalled.say(&hello("stalled", "aa")).await;
    let mut healthy = stage.client("healthy", "aa").await;
    let padding = (0..150).map(|number| format!("tenant={number:060}"));
    let choices = padding.chain(["tenant=a".to_owned()]).map(|text| text.parse().unwrap());
    let audience = Audience::of(choices);
    for _ in 0..20 {
        let event = sw_force_refresh::event::Event { audience: audience.clone(), ..stage.event("bb") };
        assert_eq!(stage.publish(&event).0, 201);
        assert_eq!(healthy.event().await["seq"], event.seq);
    }
    stage.await_status(|status| status["connections"] == 1);
    let metrics = stage.get("/metrics").1;
    assert!(metrics.contains("closes_total{code=\"4101\"} 1\n"), "{metrics}");
}

#[tokio::test]
async fn a_full_hub_turns_newcomers_away_and_recovers() {
    let stage = Stage::open(&["--max-conns", "2"]);
    let first = stage.client("one", "aa").await;
    let _second = stage.client("two", "aa").await;
    assert!(Client::connect(stage.listen).await.is_err());
    first.close().await;
    stage.await_status(|status| status["connections"] == 1);
    stage.client("three", "aa").await;
}
