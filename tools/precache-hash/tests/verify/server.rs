//! A server against a manifest.

use std::io::Write as _;
use std::net::TcpListener;

use assert_cmd::cargo::cargo_bin;
use flate2::Compression;
use flate2::write::GzEncoder;
use testbed::{Program, Signal, Site, SiteOptions};

use crate::fake::{Reply, fake_server};
use crate::{Build, LIMIT};

fn sample() -> Build {
    let build = Build::of(&["a.js", "d/b.css", "index.html"]);
    build.manifest(&[]);
    build
}

/// What `Build::of` put into the file at a path.
fn content(path: &str) -> String {
    format!("{}\n", path.trim_start_matches('/'))
}

#[test]
fn a_published_build_passes_whatever_its_names() {
    let names = [
        "index.html",
        "a b.js",
        "100%.js",
        "%41.js",
        "h#x.js",
        "q?x.js",
        "😀.js",
        "d/é+@&=.js",
        "x[1]^{}.js",
        "a:b.js",
        "tab\there.js",
        " lead.js",
        "end.js ",
        "back\\slash.js",
    ];
    let build = Build::of(&names);
    build.manifest(&["--format", "json"]);
    let site = Site::serve(build.path("dist")).unwrap();
    build.verify(&[&site.url()]).check(0, "");
    let asked = site.requests().iter().filter(|request| request.status == 200).count();
    assert_eq!(asked, names.len());
}

#[test]
fn names_changed_and_absent_files() {
    let build = sample();
    build.write("dist/a.js", "let a");
    std::fs::remove_file(build.path("dist/d/b.css")).unwrap();
    let site = Site::serve(build.path("dist")).unwrap();
    let run = build.verify(&[&site.url()]);
    assert_eq!(run.code, 1);
    let lines: Vec<_> = run.stdout.lines().collect();
    let url = site.url();
    assert!(lines[0].starts_with(&format!("{url}/a.js: expected md5 ")), "{}", run.stdout);
    assert!(lines[0].ends_with("(status 200, text/javascript, 5 B)"), "{}", run.stdout);
    assert_eq!(lines[1..], [format!("{url}/d/b.css: missing (status 404)")]);
}

#[test]
fn recognizes_a_single_page_fallback() {
    let build = sample();
    std::fs::remove_file(build.path("dist/a.js")).unwrap();
    let options = SiteOptions { root: build.path("dist"), is_spa: true, ..SiteOptions::default() };
    let site = Site::start(&options).unwrap();
    let run = build.verify(&[&site.url()]);
    assert_eq!(run.code, 1);
    assert!(
        run.stdout.contains("a page came instead of this file: single-page fallback or login?"),
        "{}",
        run.stdout
    );
}

#[test]
fn unpacks_compressed_answers_as_a_browser_does() {
    let server = fake_server(|path, _| {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(content(path).as_bytes()).unwrap();
        Reply::Answer(200, "Content-Encoding: gzip\r\n", gzip.finish().unwrap())
    });
    sample().verify(&[&server.url]).check(0, "");
}

#[test]
fn recognizes_bytes_that_are_still_compressed() {
    let server = fake_server(|path, _| match path {
        "/a.js" => Reply::good(b"\x1f\x8b\x08\0rest".to_vec()),
        "/index.html" => Reply::Answer(200, "Content-Encoding: br\r\n", b"br".to_vec()),
        path => Reply::good(content(path)),
    });
    let run = sample().verify(&[&server.url]);
    assert_eq!(run.code, 1);
    assert!(run.stdout.contains("gzip data without Content-Encoding"), "{}", run.stdout);
    assert!(run.stdout.contains("encoded as br, which was not asked for"), "{}", run.stdout);
}

#[test]
fn recognizes_a_second_copy_that_is_right() {
    let server = fake_server(|path, number| match number {
        0 => Reply::good("let before"),
        _ => Reply::good(content(path)),
    });
    let run = sample().verify(&[&server.url, "-j", "1"]);
    assert_eq!(run.code, 1);
    assert!(
        run.stdout.contains("; a second request, without compression, got the right bytes"),
        "{}",
        run.stdout
    );
}

#[test]
fn follows_redirects_and_says_so() {
    let server = fake_server(|path, _| match path {
        "/a.js" => Reply::Answer(302, "Location: /login\r\n", Vec::new()),
        "/login" => Reply::good("please log in"),
        path => Reply::good(content(path)),
    });
    let run = sample().verify(&[&server.url]);
    assert_eq!(run.code, 1);
    assert!(run.stdout.ends_with(&format!("; redirected to {}/login\n", server.url)), "{}", run.stdout);
}

#[test]
fn tries_again_after_passing_errors() {
    let server = fake_server(|path, number| match number {
        0 => Reply::Answer(503, "", b"busy".to_vec()),
        1 => Reply::Reset,
        _ => Reply::good(content(path)),
    });
    sample().verify(&[&server.url, "-j", "1"]).check(0, "");
}

#[test]
fn a_lasting_server_error_is_a_mismatch() {
    let server = fake_server(|_, _| Reply::Answer(503, "", Vec::new()));
    let run = sample().verify(&[&server.url, "--retries", "0"]);
    assert_eq!(run.code, 1);
    assert!(
        run.stdout.contains("missing (status 503); the server is overloaded or broken"),
        "{}",
        run.stdout
    );
}

#[test]
fn nobody_at_the_address_is_temporary() {
    // Bound and closed: nobody listens there now.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let run = sample().verify(&[&format!("http://{address}/"), "--retries", "0"]);
    assert_eq!(run.code, 75);
    assert!(run.stderr.contains(&format!("error: http://{address}/: no answer: ")), "{}", run.stderr);
}

#[test]
fn a_server_that_never_answers_is_temporary() {
    let server = fake_server(|_, _| Reply::Silence);
    let run = sample().verify(&[&server.url, "--timeout", "200ms", "--retries", "1"]);
    assert_eq!(run.code, 75);
    assert!(run.stderr.contains("timed out"), "{}", run.stderr);
    assert!(server.requests.try_iter().count() >= 2, "it tries again");
}

#[test]
fn a_server_that_dies_midway_leaves_the_check_incomplete() {
    let server =
        fake_server(|path, number| if number == 0 { Reply::good(content(path)) } else { Reply::Reset });
    let run = sample().verify(&[&server.url, "--retries", "0", "-j", "1", "--json"]);
    assert_eq!(run.code, 3);
    let last: serde_json::Value = serde_json::from_str(run.stdout.lines().last().unwrap()).unwrap();
    assert_eq!((&last["equal"], &last["unread"]), (&1.into(), &2.into()));
    assert!(
        run.stderr.contains("the check is incomplete: 1 of 3 entries equal, 2 not read"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_body_that_breaks_off_is_no_content() {
    let server = fake_server(|path, _| match path {
        "/a.js" => Reply::Short(b"let".to_vec()),
        path => Reply::good(content(path)),
    });
    let run = sample().verify(&[&server.url, "--retries", "0"]);
    assert_eq!(run.code, 3);
    assert!(
        run.stdout.contains("a.js: not checked: status 200, but the body broke off after 3 bytes"),
        "{}",
        run.stdout
    );
}

#[test]
fn an_entry_without_a_usable_address_is_not_taken_for_a_dead_server() {
    let server = fake_server(|path, _| Reply::good(content(path)));
    let manifest = r#"[{"url":"https://","revision":null},{"url":"a.js","revision":null}]"#;
    let run = sample().run(&["verify", "-", &server.url, "-j", "1", "--retries", "0"], manifest);
    assert_eq!(run.code, 3, "{run:?}");
    assert!(run.stderr.contains("1 without a digest to check, 1 not read"), "{}", run.stderr);
}

#[test]
fn asks_for_no_more_at_a_time_than_told() {
    let build = Build::of(&["a", "b", "c", "d", "e", "f"]);
    build.manifest(&[]);
    let (open, most) = (std::sync::Mutex::new(0), std::sync::Arc::new(std::sync::Mutex::new(0)));
    let seen = std::sync::Arc::clone(&most);
    let server = fake_server(move |path, _| {
        if path.is_empty() {
            *open.lock().unwrap() += 1;
            let mut most = most.lock().unwrap();
            *most = (*most).max(*open.lock().unwrap());
        } else {
            *open.lock().unwrap() -= 1;
        }
        Reply::good(content(path))
    });
    build.verify(&[&server.url, "-j", "2"]).check(0, "");
    assert!(*seen.lock().unwrap() <= 2);
}

#[test]
fn a_signal_stops_it_without_waiting_for_a_slow_answer() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let build = sample();
        let server = fake_server(|_, _| Reply::Silence);
        let program = Program::new(cargo_bin!("precache-hash")).folder(build.path(""));
        let mut run = program.args(["verify", "manifest", &server.url, "--timeout", "1h"]).start().unwrap();
        server.requests.recv_timeout(LIMIT).unwrap();
        run.signal(signal).unwrap();
        assert_eq!(run.wait(LIMIT).unwrap(), code);
    }
}
