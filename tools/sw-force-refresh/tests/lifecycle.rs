//! Hubs that stop, are killed and come back; and `send` against hubs that are not there.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod stage;

use std::time::{Duration, Instant};

use serde_json::json;
use stage::{LIMIT, Stage, finish, payload, published, version};
use sw_force_refresh::wire::HubFrame;
use testbed::Signal;

#[tokio::test]
async fn sigterm_drains_spread_over_the_window_and_ends_with_143() {
    let mut stage = Stage::open(&["--drain", "2s"]);
    let mut clients = Vec::new();
    for number in 0..20 {
        clients.push(stage.client(&number.to_string(), "aa").await);
    }
    let begin = Instant::now();
    stage.hub.signal(Signal::TERM).unwrap();
    let drained = clients.into_iter().map(|mut client| {
        tokio::spawn(async move {
            let HubFrame::Drain { after_ms } = client.next().await else { panic!("no drain") };
            let told = begin.elapsed();
            (after_ms, told, client.closed().await)
        })
    });
    let mut times = Vec::new();
    for task in drained.collect::<Vec<_>>() {
        let (after_ms, told, code) = task.await.unwrap();
        assert!(after_ms < 2_000 && code == 1001, "{after_ms} {code}");
        times.push(told);
    }
    times.sort_unstable();
    assert!(times[19] - times[0] > Duration::from_secs(1), "closed together: {times:?}");
    assert_eq!(stage.hub.wait(LIMIT).unwrap(), 143);
    assert!(stage.hub.output().iter().any(|line| line.contains("\"cut_off\":0")), "{:?}", stage.hub.output());
}

#[tokio::test]
async fn a_draining_hub_is_not_ready_and_accepts_no_updates() {
    let mut stage = Stage::open(&["--drain", "3s"]);
    let (_one, _two) = (stage.client("one", "aa").await, stage.client("two", "aa").await);
    assert_eq!(stage.get("/readyz").0, 200);
    stage.hub.signal(Signal::INT).unwrap();
    stage.await_status(|status| status["is_draining"] == true);
    assert_eq!((stage.get("/readyz").0, stage.get("/healthz").0), (503, 200));
    let (code, _) = finish(stage.send(&["--json", &version("bb").to_string()])).await;
    assert_eq!(code, 75, "temporary, and nothing is published");
    assert_eq!(stage.hub.wait(LIMIT).unwrap(), 130);
}

#[tokio::test]
async fn a_killed_hub_comes_back_with_its_update_its_number_and_its_cohort() {
    let mut stage = Stage::open(&[]);
    let mut client = stage.client("one", "aa").await;
    let event = stage.event("bb");
    assert_eq!(stage.publish(&event).0, 201);
    client.event().await;
    let before = stage.status();
    stage.hub.signal(Signal::KILL).unwrap();
    stage.hub.wait(LIMIT).unwrap();
    stage.reopen(&[]);
    let after = stage.status();
    assert_eq!((&after["epoch"], &after["seq"]), (&before["epoch"], &before["seq"]));
    let (_late, found) = stage.client_welcomed("late", "aa").await;
    assert_eq!(payload(&found.unwrap())["id"], event.id.to_string());
    let _updated = stage.client("one", "bb").await;
    assert_eq!((&stage.counts()["cohort"], &stage.counts()["updated"]), (&json!(1), &json!(1)));
}

/// Killed at random moments while updates are published: what was accepted is there, numbers only grow.
#[tokio::test]
async fn whatever_the_moment_of_the_kill_no_accepted_update_is_lost() {
    let mut stage = Stage::open(&[]);
    for round in 0..5_u64 {
        let (address, key, event) = (stage.admin, stage.path("release.private.jwk"), stage.event("bb"));
        let publisher = tokio::task::spawn_blocking(move || {
            let mut accepted = Vec::new();
            loop {
                let mut send = std::process::Command::new(stage::TOOL);
                send.args(["send", "--json", "--allow-empty", &event.manifest_hash.to_string()]);
                send.arg("--key").arg(&key).arg("--hub").arg(format!("http://{address}"));
                let output = send.stdin(std::process::Stdio::null()).output().unwrap();
                match output.status.code().unwrap() {
                    0 => accepted.push(serde_json::from_slice::<serde_json::Value>(
                        output.stdout.split(|byte| *byte == b'\n').next().unwrap(),
                    )),
                    code => {
                        assert!(
                            [3, 75].contains(&code),
                            "{code} {}",
                            String::from_utf8_lossy(&output.stderr)
                        );
                        return accepted;
                    }
                }
            }
        });
        let enough = stage.status()["seq"].as_u64().unwrap() + 2 + round;
        stage.await_status(|status| status["seq"].as_u64().unwrap() >= enough);
        stage.hub.signal(Signal::KILL).unwrap();
        stage.hub.wait(LIMIT).unwrap();
        let accepted = publisher.await.unwrap();
        stage.reopen(&[]);
        let status = stage.status();
        let newest = accepted.last().unwrap().as_ref().unwrap();
        assert!(status["seq"].as_u64() >= newest["seq"].as_u64(), "{status} {newest}");
        let known = status["events"].as_array().unwrap();
        assert!(known.iter().any(|event| event["id"] == newest["id"]), "{status} {newest}");
    }
}

#[tokio::test]
async fn a_hub_lost_during_the_wait_is_told_with_exit_3() {
    let stage = Stage::open(&[]);
    let mut client = stage.client("one", "aa").await;
    let mut send = stage.send(&["--json", "--until", "100%", "--timeout", "2s"]);
    send.arg(version("bb").to_string());
    let sending = published(send).await;
    client.event().await;
    stage.hub.signal(Signal::KILL).unwrap();
    let (code, lines) = sending.await.unwrap();
    assert_eq!((code, &lines[0]["type"]), (3, &json!("published")), "{lines:?}");
}

#[tokio::test]
async fn a_hub_that_restarts_during_the_wait_does_not_end_it() {
    let mut stage = Stage::open(&[]);
    let mut client = stage.client("one", "aa").await;
    let hash = version("bb").to_string();
    let sending = published(stage.send(&["--json", "--until", "100%", &hash])).await;
    client.event().await;
    stage.hub.signal(Signal::KILL).unwrap();
    stage.hub.wait(LIMIT).unwrap();
    stage.reopen_there();
    let _updated = stage.client("one", "bb").await;
    let (code, lines) = sending.await.unwrap();
    assert_eq!((code, &lines.last().unwrap()["updated"]), (0, &json!(1)));
}

/// A proxy in front of a hub that restarts answers for it, with a page of its own.
#[tokio::test]
async fn something_else_in_the_hub_s_place_during_the_wait_is_a_lost_hub() {
    let mut stage = Stage::open(&[]);
    let mut client = stage.client("one", "aa").await;
    let hash = version("bb").to_string();
    let sending = published(stage.send(&["--json", "--until", "100%", "--timeout", "3s", &hash])).await;
    client.event().await;
    stage.hub.signal(Signal::KILL).unwrap();
    stage.hub.wait(LIMIT).unwrap();
    let port = stage.admin.port();
    let _site = testbed::Site::start(&testbed::SiteOptions {
        root: stage.folder.path().to_owned(),
        port,
        ..testbed::SiteOptions::default()
    });
    assert_eq!(sending.await.unwrap().0, 3);
}

#[tokio::test]
async fn a_hub_that_forgot_the_update_is_told_with_exit_3() {
    let mut stage = Stage::open(&[]);
    let mut client = stage.client("one", "aa").await;
    let hash = version("bb").to_string();
    let sending = published(stage.send(&["--json", "--until", "100%", &hash])).await;
    client.event().await;
    stage.hub.signal(Signal::KILL).unwrap();
    stage.hub.wait(LIMIT).unwrap();
    std::fs::remove_file(stage.path("state/hub.json")).unwrap();
    stage.reopen_there();
    assert_eq!(sending.await.unwrap().0, 3);
}

#[tokio::test]
async fn a_hub_that_is_not_there_is_told_with_exit_75() {
    let mut stage = Stage::open(&["--drain", "0s"]);
    stage.hub.signal(Signal::TERM).unwrap();
    stage.hub.wait(LIMIT).unwrap();
    let hash = version("bb").to_string();
    assert_eq!(finish(stage.send(&["--json", &hash])).await.0, 75);
    assert_eq!(finish(stage.command("status")).await.0, 75);
}

#[tokio::test]
async fn a_taken_address_and_a_lost_folder_are_named() {
    let stage = Stage::open(&[]);
    let serve = |options: &[&str]| {
        let mut serve = std::process::Command::new(stage::TOOL);
        serve.args(["serve", "--json", "--admin", "127.0.0.1:0", "--origin", stage::ORIGIN, "--verify-key"]);
        serve.arg(stage.path("release.public.jwk")).args(options);
        serve
    };
    assert_eq!(finish(serve(&["--listen", &stage.listen.to_string()])).await.0, 2);
    let lost = stage.path("absent/state.json");
    let listen = ["--listen", "127.0.0.1:0", "--state", lost.to_str().unwrap()];
    assert_eq!(finish(serve(&listen)).await.0, 2);
}

/// A full disk, played by a folder that has gone: the update is refused, and the hub goes on.
#[tokio::test]
async fn an_update_that_cannot_be_recorded_is_not_published() {
    let stage = Stage::open(&[]);
    let mut client = stage.client("one", "aa").await;
    std::fs::rename(stage.path("state"), stage.path("moved")).unwrap();
    let hash = version("bb").to_string();
    assert_eq!(finish(stage.send(&["--json", &hash])).await.0, 75);
    assert_eq!(stage.status()["events"], json!([]));
    std::fs::rename(stage.path("moved"), stage.path("state")).unwrap();
    assert_eq!(finish(stage.send(&["--json", &hash])).await.0, 0);
    client.event().await;
}

#[tokio::test]
async fn something_else_than_a_hub_is_named() {
    let stage = Stage::open(&[]);
    let hash = version("bb").to_string();
    let site = testbed::Site::serve(stage.folder.path()).unwrap();
    for wrong in [site.url(), format!("http://{}", stage.listen)] {
        let mut send = std::process::Command::new(stage::TOOL);
        send.args(["send", "--json", &hash, "--key"]).arg(stage.path("release.private.jwk"));
        send.env("SW_FORCE_REFRESH_HUB", &wrong).stdin(std::process::Stdio::null());
        assert_eq!(finish(send).await.0, 2, "{wrong}");
    }
}

#[tokio::test]
async fn only_a_version_that_the_origin_serves_is_published() {
    let stage = Stage::open(&[]);
    let _client = stage.client("one", "aa").await;
    let site = testbed::Site::serve(stage.folder.path()).unwrap();
    let url = format!("{}/version.json", site.url());
    let serve = |digits: &str| {
        let text = json!({"manifest_hash": version(digits).prefixed(), "release": "2"}).to_string();
        std::fs::write(stage.path("version.json"), text).unwrap();
    };
    let hash = version("bb").to_string();
    let send = || stage.send(&["--json", "--preflight-url", &url, &hash]);
    assert_eq!(finish(send()).await.0, 2, "there is no version.json");
    serve("cc");
    assert_eq!(finish(send()).await.0, 2, "another version");
    assert_eq!(stage.status()["events"], json!([]));
    serve("bb");
    assert_eq!(finish(send()).await.0, 0);
    let nobody = stage.send(&["--json", "--preflight-url", "http://127.0.0.1:1/version.json", &hash]);
    assert_eq!(finish(nobody).await.0, 75, "the origin is unreachable");
}
