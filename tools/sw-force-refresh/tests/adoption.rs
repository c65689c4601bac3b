//! `send --until` and `status --until` against clients that update, stall, leave and come back: counts and exit codes.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod stage;

use std::process::{Child, Command, Output};

use serde_json::{Value, json};
use stage::{Client, Stage, finish, payload, version};

/// A `send` that runs while the test plays the clients.
struct Sending(Child);

impl Sending {
    fn start(stage: &Stage, hash: &str, options: &[&str]) -> Sending {
        Sending(send(stage, hash, options).spawn().unwrap())
    }

    async fn end(self) -> (i32, Vec<Value>) {
        let Output { status, stdout, .. } =
            tokio::task::spawn_blocking(|| self.0.wait_with_output().unwrap()).await.unwrap();
        let lines = String::from_utf8(stdout).unwrap();
        (status.code().unwrap(), lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    }

    fn signal(&self, signal: testbed::Signal) {
        let id = i32::try_from(self.0.id()).unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_raw(id).unwrap(), signal).unwrap();
    }
}

fn send(stage: &Stage, hash: &str, options: &[&str]) -> Command {
    let mut send = stage.send(&["--json", "--critical", &version(hash).to_string()]);
    send.args(options);
    send
}

/// What a browser does: acknowledges, goes, and comes back on the new version.
async fn update(stage: &Stage, mut client: Client, hash: &str) -> Client {
    let id = client.event().await["id"].as_str().unwrap().to_owned();
    client.ack(&id, "received").await;
    client.ack(&id, "updating").await;
    let name = client.name.clone();
    client.close().await;
    stage.client(&name, hash).await
}

fn last(lines: &[Value]) -> &Value {
    let last = lines.last().unwrap();
    assert_eq!(last["type"], "summary", "{lines:?}");
    last
}

#[tokio::test]
async fn two_hundred_clients_are_counted_exactly() {
    let stage = Stage::open(&[]);
    let mut clients = Vec::new();
    for number in 0..200 {
        clients.push(stage.client(&format!("client-{number}"), "aa").await);
    }
    let sending = Sending::start(&stage, "bb", &["--until", "95%", "--timeout", "30s"]);
    let mut updated = Vec::new();
    for client in clients.drain(..190) {
        updated.push(update(&stage, client, "bb").await);
    }
    let (code, lines) = sending.end().await;
    let summary = last(&lines);
    assert_eq!((code, &summary["reason"]), (0, &json!("target_met")), "{summary}");
    assert_eq!((&summary["cohort"], &summary["updated"]), (&json!(200), &json!(190)));
    assert_eq!(summary["updated_percent"], 95.0);
    let status = stage.status();
    assert_eq!((&status["clients"], &status["hashes"][0]["clients"]), (&json!(200), &json!(190)));
}

#[tokio::test]
async fn below_the_target_at_the_time_out_is_bad() {
    let stage = Stage::open(&[]);
    let (one, mut two) = (stage.client("one", "aa").await, stage.client("two", "aa").await);
    let sending = Sending::start(&stage, "bb", &["--until", "100%", "--timeout", "3s"]);
    let _updated = update(&stage, one, "bb").await;
    let id = two.event().await["id"].as_str().unwrap().to_owned();
    two.say(&json!({"t": "ack", "id": id, "state": "failed", "why": "not_served"})).await;
    let (code, lines) = sending.end().await;
    let summary = last(&lines);
    assert_eq!((code, &summary["reason"]), (1, &json!("below_target")), "{summary}");
    assert_eq!((&summary["updated"], &summary["failed"]), (&json!(1), &json!(1)));
    assert_eq!(summary["why"], json!({"not_served": 1}));
}

/// A lie in an acknowledgement changes nothing: only an own hello on the new version counts.
#[tokio::test]
async fn newcomers_and_acknowledgements_do_not_flatter_the_figure() {
    let stage = Stage::open(&[]);
    let mut old = stage.client("old", "aa").await;
    let sending = Sending::start(&stage, "bb", &["--until", "50%", "--timeout", "2s"]);
    let id = old.event().await["id"].as_str().unwrap().to_owned();
    old.ack(&id, "skipped").await;
    let (_new, event) = stage.client_welcomed("new", "bb").await;
    assert!(event.is_some());
    let (code, lines) = sending.end().await;
    let summary = last(&lines);
    assert_eq!((code, &summary["cohort"], &summary["updated"]), (1, &json!(1), &json!(0)), "{summary}");
}

#[tokio::test]
async fn a_client_that_was_offline_gets_the_event_at_its_hello() {
    let stage = Stage::open(&[]);
    let (code, lines) = finish(send(&stage, "bb", &["--allow-empty"])).await;
    assert_eq!((code, &last(&lines)["reason"]), (0, &json!("published")));
    let (_client, event) = stage.client_welcomed("late", "aa").await;
    assert_eq!(payload(&event.unwrap())["manifest_hash"], version("bb").prefixed());
}

#[tokio::test]
async fn matching_nobody_or_too_few_is_bad() {
    let stage = Stage::open(&[]);
    let (code, lines) = finish(send(&stage, "bb", &["--until", "95%"])).await;
    assert_eq!((code, &last(&lines)["reason"]), (1, &json!("no_client_matched")));
    let (code, lines) = finish(send(&stage, "bb", &["--until", "95%", "--allow-empty"])).await;
    assert_eq!((code, &last(&lines)["reason"]), (0, &json!("empty")));
    let _client = stage.client("one", "aa").await;
    let (code, lines) = finish(send(&stage, "bb", &["--until", "95%", "--min-clients", "4"])).await;
    assert_eq!((code, &last(&lines)["reason"]), (1, &json!("too_few_clients")));
}

#[tokio::test]
async fn people_get_a_table_and_github_an_annotation() {
    let stage = Stage::open(&[]);
    let report = |format: &str| {
        let hash = version("bb").to_string();
        let output = stage.send(&["--id", "01JZZZZZZZZZZZZZZZZZZZZZZZ", "--format", format, &hash]).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    let table = format!(
        "update       01JZZZZZZZZZZZZZZZZZZZZZZZ\nversion      {}\nupdated      0 of 0\n\
         result       published, but no client matched\n",
        version("bb")
    );
    assert_eq!(report("human"), table);
    let annotation = "::error::update 01JZZZZZZZZZZZZZZZZZZZZZZZ: published, but no client matched\n";
    assert_eq!(report("github"), table + annotation);
}

#[tokio::test]
async fn a_fleet_that_runs_the_version_already_is_good_at_once() {
    let stage = Stage::open(&[]);
    let _client = stage.client("one", "bb").await;
    let (code, lines) = finish(send(&stage, "bb", &["--until", "100%"])).await;
    let summary = last(&lines);
    assert_eq!((code, &summary["reason"], &summary["already"]), (0, &json!("already_current"), &json!(1)));
}

#[tokio::test]
async fn closed_tabs_leave_the_denominator_after_the_grace_time() {
    let stage = Stage::open(&["--gone-after", "1s"]);
    let (one, two) = (stage.client("one", "aa").await, stage.client("two", "aa").await);
    let sending = Sending::start(&stage, "bb", &["--until", "100%", "--timeout", "30s"]);
    let _updated = update(&stage, one, "bb").await;
    two.close().await;
    let (code, lines) = sending.end().await;
    let summary = last(&lines);
    assert_eq!((code, &summary["updated"], &summary["gone"]), (0, &json!(1), &json!(1)), "{summary}");
}

#[tokio::test]
async fn an_interrupted_wait_says_so_and_status_resumes_it() {
    let stage = Stage::open(&[]);
    for (signal, code) in [(testbed::Signal::INT, 130), (testbed::Signal::TERM, 143)] {
        let name = format!("client-{code}");
        let mut client = stage.client(&name, "aa").await;
        let sending = Sending::start(&stage, "bb", &["--until", "100%"]);
        let id = client.event().await["id"].as_str().unwrap().to_owned();
        sending.signal(signal);
        let (found, lines) = sending.end().await;
        assert_eq!((found, &last(&lines)["reason"]), (code, &json!("interrupted")));
        client.close().await;
        let updated = stage.client(&name, "bb").await;
        let mut resumed = stage.command("status");
        resumed.args(["--json", "--id", &id, "--until", "100%"]);
        let (found, lines) = finish(resumed).await;
        assert_eq!((found, &last(&lines)["reason"]), (0, &json!("target_met")));
        updated.close().await;
        stage.await_status(|status| status["connections"] == 0);
    }
}

#[tokio::test]
async fn the_same_id_resumes_and_publishes_no_second_event() {
    let stage = Stage::open(&[]);
    let client = stage.client("one", "aa").await;
    let same = ["--id", "01JZZZZZZZZZZZZZZZZZZZZZZZ", "--until", "100%", "--timeout", "20s"];
    let sending = Sending::start(&stage, "bb", &same);
    let _updated = update(&stage, client, "bb").await;
    assert_eq!(sending.end().await.0, 0);
    let (code, lines) = finish(send(&stage, "bb", &same)).await;
    assert_eq!((code, &lines[0]["is_new"]), (0, &json!(false)));
    assert_eq!(stage.status()["events"].as_array().unwrap().len(), 1);
    let (code, _) = finish(send(&stage, "cc", &same)).await;
    assert_eq!(code, 2, "the id belongs to another version");
}

#[tokio::test]
async fn a_newer_update_ends_the_wait_for_the_older_one() {
    let stage = Stage::open(&[]);
    let mut client = stage.client("one", "aa").await;
    let sending = Sending::start(&stage, "bb", &["--until", "100%"]);
    client.event().await;
    finish(send(&stage, "cc", &[])).await;
    let (code, lines) = sending.end().await;
    assert_eq!((code, &last(&lines)["reason"]), (1, &json!("superseded")));
}

#[tokio::test]
async fn parallel_publishers_get_numbers_of_their_own() {
    let stage = Stage::open(&[]);
    let _client = stage.client("one", "aa").await;
    let sendings: Vec<Sending> = (0..8).map(|_| Sending::start(&stage, "bb", &[])).collect();
    for sending in sendings {
        assert_eq!(sending.end().await.0, 0);
    }
    let status = stage.status();
    let numbers: Vec<u64> =
        status["events"].as_array().unwrap().iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers.len(), 8);
    assert!(numbers.is_sorted_by(|one, two| one < two), "{numbers:?}");
}
