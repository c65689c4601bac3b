//! What a hub accepts as an event: the rows of the threat table that need no browser.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod stage;

use serde_json::json;
use stage::{Stage, version};
use sw_force_refresh::event::{Event, Kind};
use sw_force_refresh::jws;
use sw_force_refresh::keys::SigningKey;
use sw_force_refresh::wire::HubFrame;

fn check_refused(stage: &Stage, event: &Event, status: u16, code: &str) {
    let (found, answer) = stage.publish(event);
    assert_eq!((found, &answer["code"]), (status, &json!(code)), "{answer}");
}

#[tokio::test]
async fn no_changed_byte_is_accepted_and_nobody_hears_of_it() {
    let stage = Stage::open(&[]);
    let mut client = stage.client("one", "aa").await;
    let event = stage.event("bb");
    let good = jws::sign(&stage.key, &event).unwrap();
    for position in (0..good.len()).step_by(7) {
        let mut bytes = good.clone().into_bytes();
        bytes[position] ^= 1;
        let (status, answer) = stage.post(&String::from_utf8(bytes).unwrap());
        assert!((400..500).contains(&status), "byte {position}: {status} {answer}");
    }
    assert_eq!(stage.status()["events"], json!([]));
    assert_eq!(stage.post(&good).0, 201);
    assert_eq!(
        client.event().await["id"],
        event.id.to_string(),
        "the first event it hears of is the good one"
    );
}

#[test]
fn rules_are_named_when_they_are_broken() {
    let stage = Stage::open(&[]);
    let event = stage.event("bb");
    let now = event.issued_at;
    check_refused(
        &stage,
        &Event { expires_at: now - 1, issued_at: now - 60, ..event.clone() },
        422,
        "expired",
    );
    check_refused(&stage, &Event { expires_at: now + 90_000, ..event.clone() }, 422, "life");
    check_refused(&stage, &Event { issued_at: now + 600, ..event.clone() }, 422, "future");
    check_refused(&stage, &Event { rollout: 101, ..event.clone() }, 422, "rollout");
    check_refused(&stage, &Event { seq: event.seq - 1, ..event.clone() }, 409, "seq");
    check_refused(&stage, &Event { kind: Kind::Cancel, ..event.clone() }, 404, "unknown_event");
    let stranger = SigningKey::generate().unwrap();
    let (status, answer) = stage.post(&jws::sign(&stranger, &event).unwrap());
    assert_eq!((status, &answer["code"]), (403, &json!("unknown_key")));
    assert_eq!(stage.post(&"x".repeat(20_000)).0, 413);
    assert_eq!(stage.get("/nothing").0, 404);
    assert_eq!(stage.get("/v1/events").0, 405);
}

#[tokio::test]
async fn a_replay_changes_nothing() {
    let stage = Stage::open(&[]);
    let old = stage.event("bb");
    let old_jws = jws::sign(&stage.key, &old).unwrap();
    stage.post(&old_jws);
    stage.publish(&stage.event("cc"));
    let (status, answer) = stage.post(&old_jws);
    assert_eq!((status, &answer["is_new"]), (200, &json!(false)), "the very same event is known");
    let disguised = Event { id: ulid::Ulid::generate(), ..old };
    check_refused(&stage, &disguised, 409, "seq");
    let (_, event) = stage.client_welcomed("one", "aa").await;
    assert_eq!(stage::payload(&event.unwrap())["manifest_hash"], version("cc").prefixed());
}

#[tokio::test]
async fn a_withdrawal_reaches_those_who_have_the_event() {
    let stage = Stage::open(&[]);
    let mut client = stage.client("one", "aa").await;
    stage.publish(&stage.event("bb"));
    let id = client.event().await["id"].as_str().unwrap().to_owned();
    let key = stage.path("release.private.jwk");
    let mut cancel = stage.command("cancel");
    cancel.args(["--json", &id, "--key"]).arg(&key);
    let (code, lines) = stage::finish(cancel).await;
    assert_eq!((code, &lines[0]["reason"]), (0, &json!("cancelled")));
    let withdrawn = client.event().await;
    assert_eq!((&withdrawn["type"], &withdrawn["id"]), (&json!("CANCEL"), &json!(id)));
    let mut unknown = stage.command("cancel");
    unknown.arg("01JZZZZZZZZZZZZZZZZZZZZZZZ").arg("--key").arg(&key);
    assert_eq!(stage::finish(unknown).await.0, 2);
}

#[tokio::test]
async fn events_reach_their_audience_only() {
    let stage = Stage::open(&[]);
    let mut ours = stage.client("one", "aa").await;
    let mut others = stage::Client::connect(stage.listen).await.unwrap();
    let mut hello = stage::hello("two", "aa");
    hello["labels"]["tenant"] = json!("b");
    others.say(&hello).await;
    assert!(matches!(others.next().await, HubFrame::Welcome { .. }));
    let (code, lines) = stage::finish(send_json(&stage, "bb", &["--audience", "tenant=a"])).await;
    assert_eq!((code, &lines[1]["cohort"]), (0, &json!(1)), "{lines:?}");
    assert_eq!(ours.event().await["manifest_hash"], version("bb").prefixed());
    stage::finish(send_json(&stage, "cc", &[])).await;
    assert_eq!(others.event().await["manifest_hash"], version("cc").prefixed(), "it never heard of bb");
}

#[tokio::test]
async fn a_publish_token_is_asked_for_besides_the_signature() {
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "secret\n").unwrap();
    let stage = Stage::open(&["--publish-token-file", token.path().to_str().unwrap()]);
    let (status, answer) = stage.publish(&stage.event("bb"));
    assert_eq!((status, &answer["code"]), (401, &json!("token")));
    let allowed = ["--allow-empty", "--token-file", token.path().to_str().unwrap()];
    assert_eq!(stage::finish(send_json(&stage, "bb", &allowed)).await.0, 0);
    assert_eq!(stage::finish(send_json(&stage, "bb", &["--allow-empty"])).await.0, 2);
}

/// The threat table: the log of a full run, at its most talkative, holds neither tokens nor signed texts.
#[tokio::test]
async fn no_secret_is_ever_logged() {
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "open-sesame").unwrap();
    let token_file = token.path().to_str().unwrap();
    let mut stage = Stage::open(&["-vv", "--drain", "0s", "--publish-token-file", token_file]);
    let mut client = stage.client("one", "aa").await;
    let jws = jws::sign(&stage.key, &stage.event("cc")).unwrap();
    assert_eq!(stage.post(&jws).0, 401);
    stage::finish(send_json(&stage, "bb", &["--token-file", token_file])).await;
    client.event().await;
    let _ = stage::Client::connect_with(stage.listen, "/v1/ws?token=open-sesame", &[]).await;
    stage.hub.wait_for_line("published", stage::LIMIT).unwrap();
    stage.hub.signal(testbed::Signal::TERM).unwrap();
    stage.hub.wait(stage::LIMIT).unwrap();
    let log = stage.hub.output().join("\n");
    for secret in ["open-sesame", jws.as_str(), "eyJ"] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}

fn send_json(stage: &Stage, hash: &str, options: &[&str]) -> std::process::Command {
    let mut send = stage.send(&["--json", &version(hash).to_string()]);
    send.args(options);
    send
}
