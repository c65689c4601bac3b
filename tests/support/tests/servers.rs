//! The programs that tests use: the web server and the browser.
#![allow(clippy::unwrap_used, reason = "a helper that fails, fails its test")]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::symlink;

use testbed::{Chromium, Site, SiteOptions};

/// Status line and headers in lower case, and the body.
fn get(site: &Site, path: &str) -> (String, String) {
    let address = site.url().trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&address).unwrap();
    let now = "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT";
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n{now}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), body.to_owned())
}

#[test]
fn serves_files_with_type_and_caching() {
    let folder = tempfile::tempdir().unwrap();
    for (name, kind, caching) in [
        ("index.html", "text/html", "no-cache"),
        ("sw.js", "text/javascript", "no-cache"),
        ("version.json", "application/json", "no-cache"),
        ("app-3KDVLB2X.js", "text/javascript", "immutable"),
        ("update.wasm", "application/wasm", "no-cache"),
        ("app.webmanifest", "application/manifest+json", "no-cache"),
    ] {
        fs::write(folder.path().join(name), name).unwrap();
        let site = Site::serve(folder.path()).unwrap();
        let (head, body) = get(&site, &format!("/{name}"));
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert!(head.contains(&format!("content-type: {kind}")), "{name}: {head}");
        assert!(
            head.lines().any(|line| line.starts_with("cache-control") && line.contains(caching)),
            "{head}"
        );
        assert_eq!(body, name);
    }
}

#[test]
fn absent_files_are_404_unless_it_is_a_single_page_application() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("index.html"), "shell").unwrap();
    let plain = Site::serve(folder.path()).unwrap();
    assert!(get(&plain, "/orders/7").0.starts_with("http/1.1 404"));
    let options = SiteOptions { root: folder.path().into(), is_spa: true, ..SiteOptions::default() };
    let spa = Site::start(&options).unwrap();
    let (head, body) = get(&spa, "/orders/7");
    assert!(head.starts_with("http/1.1 200") && body == "shell", "{head}");
}

#[test]
fn follows_the_root_when_it_is_switched_between_releases() {
    let folder = tempfile::tempdir().unwrap();
    let current = folder.path().join("current");
    for release in ["1", "2"] {
        fs::create_dir(folder.path().join(release)).unwrap();
        fs::write(folder.path().join(release).join("a.txt"), release).unwrap();
    }
    symlink("1", &current).unwrap();
    let site = Site::serve(&current).unwrap();
    assert_eq!(get(&site, "/a.txt").1, "1");
    symlink("2", folder.path().join("next")).unwrap();
    fs::rename(folder.path().join("next"), &current).unwrap();
    assert_eq!(get(&site, "/a.txt").1, "2");
}

#[test]
fn records_every_request_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("requests.jsonl");
    let root = folder.path().join("root");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("a.txt"), "a").unwrap();
    let site = Site::start(&SiteOptions { root, log: Some(log.clone()), ..SiteOptions::default() }).unwrap();
    get(&site, "/a.txt?v=1");
    get(&site, "/b");
    let paths: Vec<_> = site.requests().into_iter().map(|request| (request.path, request.status)).collect();
    assert_eq!(paths, [("/a.txt?v=1".to_owned(), 200), ("/b".to_owned(), 404)]);
    let lines = fs::read_to_string(log).unwrap();
    assert_eq!(lines.lines().next(), Some(r#"{"method":"GET","path":"/a.txt?v=1","status":200}"#));
}

#[test]
fn two_at_the_same_time_get_different_ports() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (Site::serve(folder.path()).unwrap(), Site::serve(folder.path()).unwrap());
    assert_ne!(one.url(), two.url());
}

#[test]
fn a_root_that_is_absent_is_an_error() {
    let error = Site::serve("no/such/folder").unwrap_err();
    assert_eq!(error.to_string(), "cannot serve no/such/folder");
}

#[test]
fn two_browsers_have_two_endpoints_and_leave_nothing() {
    let mut browsers = [Chromium::start(&[]).unwrap(), Chromium::start(&[]).unwrap()];
    let [one, two] = &browsers;
    assert_ne!(one.url(), two.url());
    for browser in &browsers {
        let mut stream = TcpStream::connect(browser.url().trim_start_matches("http://")).unwrap();
        write!(stream, "GET /json/version HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut start = [0; 15];
        stream.read_exact(&mut start).unwrap();
        assert_eq!(&start, b"HTTP/1.1 200 OK");
    }
    let scratch = browsers[0].running().scratch().to_owned();
    assert!(scratch.exists());
    drop(browsers);
    assert!(!scratch.exists());
}
