//! Our keys and signatures against those of npm `jose`, which none of us wrote, both ways.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod stage;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use stage::{Stage, version};

const NODE_MODULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/npm/node_modules");
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/jose.mjs");

fn jose(action: &str, key: &Path, input: &str) -> String {
    assert!(Path::new(NODE_MODULES).join("jose").exists(), "run `scripts/setup test` first");
    let mut node = Command::new("node");
    node.args([SCRIPT, NODE_MODULES, action]).arg(key).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = node.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "jose refused to {action}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn jose_names_the_key_as_we_do() {
    let stage = Stage::open(&[]);
    assert_eq!(jose("thumbprint", &stage.path("release.public.jwk"), ""), stage.key.kid());
}

#[tokio::test]
async fn jose_verifies_what_send_publishes() {
    let stage = Stage::open(&[]);
    stage::finish(stage.send(&["--json", "--allow-empty", &version("bb").to_string()])).await;
    let (_client, jws) = stage.client_welcomed("one", "aa").await;
    let told = jose("verify", &stage.path("release.public.jwk"), &jws.unwrap());
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["header"], json!({"alg": "ES256", "kid": stage.key.kid(), "typ": "fr+jwt"}));
    assert_eq!(told["payload"]["manifest_hash"], version("bb").prefixed());
}

#[tokio::test]
async fn the_hub_accepts_what_jose_signs() {
    let stage = Stage::open(&[]);
    let mut client = stage.client("one", "aa").await;
    let event = stage.event("bb");
    let jws = jose("sign", &stage.path("release.private.jwk"), &serde_json::to_string(&event).unwrap());
    assert_eq!(stage.post(&jws).0, 201);
    assert_eq!(client.event().await["id"], event.id.to_string());
}
