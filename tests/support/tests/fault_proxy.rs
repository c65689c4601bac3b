//! What passes the fault proxy passes unchanged, and each fault does to a request what it says.
#![allow(clippy::unwrap_used, reason = "a helper that fails, fails its test")]

mod store;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use object_store::path::Path;
use object_store::{Error, MultipartUpload, ObjectStoreExt};
use testbed::{Fault, FaultProxy, Moto, Rule, S3Server};

use store::{Client, LIMIT};

/// A server, the proxy before it, and a client of the proxy.
struct Bed {
    client: Client,
    proxy: FaultProxy,
    server: S3Server,
}

impl Bed {
    fn new(rules: impl IntoIterator<Item = Rule>) -> Self {
        let server = S3Server::start().unwrap();
        let proxy = FaultProxy::start(&server.endpoint()).unwrap();
        for rule in rules {
            proxy.add(rule);
        }
        let client = Client::new(server.bucket(), &proxy.environment(server.environment()));
        Self { client, proxy, server }
    }

    /// Whether the server has it, whatever the client was told.
    fn has(&self, key: &str) -> bool {
        self.server.folder().join(self.server.bucket()).join(key).exists()
    }

    fn write(&self, key: &str, body: &[u8]) {
        fs::write(self.server.folder().join(self.server.bucket()).join(key), body).unwrap();
    }

    /// An upload in two parts.
    fn upload(&self, key: &str) -> object_store::Result<()> {
        self.client.run(async {
            let mut upload = self.client.store.put_multipart(&Path::from(key)).await?;
            upload.put_part(vec![1; 5 << 20].into()).await?;
            upload.put_part("last".into()).await?;
            upload.complete().await.map(drop)
        })
    }

    /// Requests seen, without the ids of uploads.
    fn seen(&self) -> Vec<String> {
        let plain = |(method, path): (String, String)| {
            let end = path.find("uploadId=").unwrap_or(path.len());
            format!("{method} {}", path.get(..end).unwrap())
        };
        self.proxy.seen().into_iter().map(plain).collect()
    }
}

/// What a client is told of an answer.
#[track_caller]
fn assert_told(result: object_store::Result<impl std::fmt::Debug>, text: &str) {
    let told = format!("{:?}", result.unwrap_err());
    assert!(told.contains(text), "{text:?} is missing in: {told}");
}

#[test]
fn what_no_rule_is_for_passes_unchanged_and_is_counted() {
    let bed = Bed::new([Rule::new(Fault::Stall).key("another")]);
    let body: Vec<u8> = (0..=u8::MAX).cycle().take(3_000_000).collect();
    bed.client.put("a/1", body.clone()).unwrap();
    assert!(bed.client.get("a/1").unwrap() == body);
    bed.upload("a/2").unwrap();
    assert_eq!(bed.client.keys().unwrap(), ["a/1", "a/2"]);
    assert_eq!(
        bed.seen(),
        [
            "PUT /backups/a/1",
            "GET /backups/a/1",
            "POST /backups/a/2?uploads=",
            "PUT /backups/a/2?partNumber=1&",
            "PUT /backups/a/2?partNumber=2&",
            "POST /backups/a/2?",
            "GET /backups?list-type=2",
        ]
    );
    assert_eq!(bed.proxy.faults(), 0);
}

#[test]
fn another_server_can_stand_behind_it() {
    let moto = Moto::start().unwrap();
    let proxy = FaultProxy::start(&moto.endpoint()).unwrap();
    let client = Client::new(moto.bucket(), &proxy.environment(moto.environment()));
    client.put("a", "one").unwrap();
    assert_eq!(client.get("a").unwrap(), b"one");
    assert_eq!(client.keys().unwrap(), ["a"]);
}

#[test]
fn a_status_is_told_and_the_request_not_carried_out() {
    for (fault, text) in [
        (Fault::Status(500), "InternalError"),
        (Fault::Status(403), "AccessDenied"),
        (Fault::SlowDown, "<Code>SlowDown</Code>"),
    ] {
        let bed = Bed::new([Rule::new(fault).method("PUT").times(2)]);
        for _ in 0..2 {
            assert_told(bed.client.put("a", vec![7; 3_000_000]), text);
        }
        assert!(!bed.has("a"));
        bed.client.put("a", "a").unwrap();
        assert_eq!((bed.proxy.faults(), bed.has("a")), (2, true));
    }
}

#[test]
fn a_reset_comes_in_the_middle_of_the_body() {
    let bed = Bed::new([Rule::new(Fault::Reset).query("partNumber=1")]);
    assert_told(bed.upload("a"), "partNumber=1");
    assert!(!bed.has("a") && bed.proxy.faults() == 1);
    bed.upload("a").unwrap();
}

/// As the socket sees it: the other end resets, although half of the body is still to come.
#[test]
fn a_reset_is_one() {
    let bed = Bed::new([Rule::new(Fault::Reset)]);
    let address = bed.proxy.endpoint().trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&address).unwrap();
    write!(stream, "PUT /backups/a HTTP/1.1\r\nHost: {address}\r\nContent-Length: 8\r\n\r\nhalf").unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let error = stream.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn a_stalled_request_is_never_answered() {
    let bed = Bed::new([Rule::new(Fault::Stall)]);
    let environment = bed.proxy.environment(bed.server.environment());
    let client = Client::patient(bed.server.bucket(), &environment, Duration::from_millis(300));
    assert_told(client.put("a", "a"), "TimedOut");
    assert!(!bed.has("a") && bed.proxy.faults() == 1);
}

#[test]
fn a_stall_can_be_waited_for_and_ends_with_the_proxy() {
    let bed = Bed::new([Rule::new(Fault::Stall)]);
    assert!(!bed.proxy.wait_for_faults(1, Duration::ZERO));
    let client = bed.client.clone();
    let stalled = thread::spawn(move || client.put("a", "a"));
    assert!(bed.proxy.wait_for_faults(1, LIMIT));
    assert!(!stalled.is_finished());
    drop(bed.proxy);
    assert!(stalled.join().unwrap().is_err());
}

#[test]
fn completing_an_upload_may_be_answered_with_an_error_under_200() {
    let bed = Bed::new([Rule::new(Fault::OkWithError).method("POST").query("uploadId")]);
    assert!(bed.upload("a").is_err());
    assert!(!bed.has("a") && bed.proxy.faults() == 1);
    let address = bed.proxy.endpoint().trim_start_matches("http://").to_owned();
    bed.proxy.add(Rule::new(Fault::OkWithError));
    let mut stream = TcpStream::connect(&address).unwrap();
    write!(stream, "POST /backups/a HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200 OK") && answer.contains("<Error><Code>InternalError"),
        "{answer}"
    );
}

#[test]
fn a_lost_answer_is_one_to_a_request_that_was_carried_out() {
    let bed = Bed::new([Rule::new(Fault::AnswerLost).method("POST").query("uploadId")]);
    assert_told(bed.upload("a"), "uploadId");
    assert!(bed.has("a") && bed.proxy.faults() == 1);
}

#[test]
fn a_truncated_body_has_the_full_length_before_it() {
    let bed = Bed::new([Rule::new(Fault::TruncatedBody).method("GET").always()]);
    for length in [10, 3_000_000] {
        bed.write("a", &vec![7; length]);
        bed.client.run(async {
            let answer = bed.client.store.get(&Path::from("a")).await.unwrap();
            assert_eq!(answer.meta.size, length as u64);
            assert!(answer.bytes().await.is_err());
        });
    }
    let address = bed.proxy.endpoint().trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&address).unwrap();
    write!(stream, "GET /backups/a HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    // The server refuses an unsigned request; half of that refusal comes.
    let length =
        head.to_lowercase().split_once("content-length: ").unwrap().1.lines().next().unwrap().to_owned();
    assert_eq!(body.len(), length.parse::<usize>().unwrap() / 2);
}

#[test]
fn a_missing_page_is_an_error_and_no_short_listing() {
    let bed = Bed::new([Rule::new(Fault::MissingPage).query("list-type=2")]);
    for key in ["1", "2", "3", "4"] {
        bed.write(key, b"");
    }
    assert_told(bed.client.keys(), "the-page-that-never-comes");
    assert_eq!(bed.seen().len(), 2);
    assert_eq!(bed.client.keys().unwrap(), ["1", "2", "3", "4"]);
}

#[test]
fn dropped_keys_are_missing_without_a_word() {
    let bed = Bed::new([Rule::new(Fault::KeysDropped("2".to_owned())).query("list-type=2")]);
    for key in ["1", "2", "3"] {
        bed.write(key, b"");
    }
    assert_eq!(bed.client.keys().unwrap(), ["1", "3"]);
    assert_eq!(bed.client.keys().unwrap(), ["1", "2", "3"]);
}

#[test]
fn a_byte_is_flipped_in_whole_answers_and_in_ranges() {
    let bed = Bed::new([Rule::new(Fault::FlipByte { offset: 2 }).method("GET").always()]);
    bed.write("a", b"abcdef");
    assert_eq!(bed.client.get("a").unwrap(), b"ab\x9cdef");
    let range = |range| bed.client.run(bed.client.store.get_range(&Path::from("a"), range)).unwrap();
    assert_eq!(range(1..4)[..], b"b\x9cd"[..]);
    assert_eq!(range(3..6)[..], b"def"[..]);
}

#[test]
fn rules_can_be_forgotten() {
    let bed = Bed::new([Rule::new(Fault::Status(500)).always()]);
    assert!(bed.client.put("a", "a").is_err());
    bed.proxy.clear();
    bed.client.put("a", "a").unwrap();
}

#[test]
fn a_server_that_is_gone_is_a_cut_connection() {
    let Bed { client, proxy, server } = Bed::new([]);
    drop(server);
    assert!(client.put("a", "a").is_err());
    assert_eq!(proxy.seen().len(), 1);
    assert!(matches!(client.get("a"), Err(Error::Generic { .. })));
}

#[test]
fn an_endpoint_that_cannot_be_reached_by_address_is_refused() {
    for endpoint in ["https://127.0.0.1:1", "http://s3.example:80", "127.0.0.1:1"] {
        assert!(FaultProxy::start(endpoint).is_err(), "{endpoint}");
    }
}
