//! Readers that leave: a report that nobody reads changes nothing but the report.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod stage;

use std::io::{BufRead, BufReader};

use serde_json::json;
use stage::{Stage, version};

#[tokio::test]
async fn status_ends_quietly_when_its_reader_leaves() {
    let stage = Stage::open(&[]);
    let mut watch = stage.command("status");
    let mut watching = watch.args(["--watch", "--json"]).spawn().unwrap();
    let mut line = String::new();
    // The reader is dropped with the statement, as `head -1` does.
    BufReader::new(watching.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("{\"type\":\"status\""), "{line}");
    let output = tokio::task::spawn_blocking(|| watching.wait_with_output().unwrap()).await.unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
}

#[tokio::test]
async fn send_publishes_and_waits_although_nobody_reads() {
    let stage = Stage::open(&[]);
    let mut client = stage.client("one", "aa").await;
    let hash = version("bb").to_string();
    let mut sending = stage.send(&["--json", "--until", "100%", &hash]).spawn().unwrap();
    drop(sending.stdout.take());
    client.event().await;
    client.close().await;
    let _updated = stage.client("one", "bb").await;
    let output = tokio::task::spawn_blocking(|| sending.wait_with_output().unwrap()).await.unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stage.counts()["updated"], json!(1));
}
