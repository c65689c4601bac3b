//! Both S3 servers keep objects, refuse what they must refuse, and go with their owner.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails, fails its test")]

mod remains;
mod store;

use std::fs;
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::Instant;

use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::{Error, MultipartUpload, ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use testbed::{Moto, S3Server};

use remains::{Owner, Remains};
use store::{Client, LIMIT};

/// S3's smallest part but for the last.
const PART: usize = 5 << 20;

/// A client that sends the checksum of each object and part.
fn with_checksums(mut environment: Vec<(&'static str, String)>) -> Vec<(&'static str, String)> {
    environment.push(("AWS_CHECKSUM_ALGORITHM", "sha256".to_owned()));
    environment
}

/// A client of each, and one with checksums.
fn with_both(check: impl Fn(&str, &Client)) {
    let server = S3Server::start().unwrap();
    server.create_bucket("sums").unwrap();
    check("s3s-fs", &Client::new(server.bucket(), &server.environment()));
    check("s3s-fs with checksums", &Client::new("sums", &with_checksums(server.environment())));
    let moto = Moto::start().unwrap();
    moto.create_bucket("sums").unwrap();
    check("moto", &Client::new(moto.bucket(), &moto.environment()));
    check("moto with checksums", &Client::new("sums", &with_checksums(moto.environment())));
}

#[test]
fn objects_are_kept_listed_and_deleted() {
    with_both(|name, client| {
        client.put("a/1", "one").unwrap();
        client.put("a/2", "two").unwrap();
        assert_eq!(client.keys().unwrap(), ["a/1", "a/2"], "{name}");
        assert_eq!(client.get("a/2").unwrap(), b"two", "{name}");
        client.run(client.store.delete(&Path::from("a/2"))).unwrap();
        assert!(matches!(client.get("a/2"), Err(Error::NotFound { .. })), "{name}");
    });
}

#[test]
fn an_upload_in_parts_is_hidden_until_it_is_complete() {
    with_both(|name, client| {
        let (first, last) = (vec![1_u8; PART], vec![2_u8; 100]);
        client.run(async {
            let mut upload = client.store.put_multipart(&Path::from("whole")).await.unwrap();
            upload.put_part(first.clone().into()).await.unwrap();
            upload.put_part(last.clone().into()).await.unwrap();
            assert!(client.store.head(&Path::from("whole")).await.is_err(), "{name}");
            upload.complete().await.unwrap();
        });
        assert!(client.get("whole").unwrap() == [first, last].concat(), "{name}");
    });
}

#[test]
fn an_upload_that_is_aborted_leaves_no_object() {
    with_both(|name, client| {
        let path = Path::from("aborted");
        client.run(async {
            let id = client.store.create_multipart(&path).await.unwrap();
            client.store.put_part(&path, &id, 0, "part".into()).await.unwrap();
            client.store.abort_multipart(&path, &id).await.unwrap();
        });
        assert!(matches!(client.get("aborted"), Err(Error::NotFound { .. })), "{name}");
    });
}

#[test]
fn an_object_that_may_only_be_made_is_made_once() {
    with_both(|name, client| {
        let put = |body: &'static str| {
            let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
            client.run(client.store.put_opts(&Path::from("manifest"), body.into(), options))
        };
        put("first").unwrap();
        assert!(matches!(put("second"), Err(Error::AlreadyExists { .. })), "{name}");
        assert_eq!(client.get("manifest").unwrap(), b"first", "{name}");
    });
}

#[test]
fn an_object_is_replaced_only_in_the_version_that_was_read() {
    with_both(|name, client| {
        let path = Path::from("lease");
        let old = client.run(client.store.put(&path, "old".into())).unwrap();
        client.put("lease", "new").unwrap();
        let options = PutOptions { mode: PutMode::Update(old.into()), ..PutOptions::default() };
        let put = client.run(client.store.put_opts(&path, "newer".into(), options));
        assert!(matches!(put, Err(Error::Precondition { .. })), "{name}: {put:?}");
        assert_eq!(client.get("lease").unwrap(), b"new", "{name}");
    });
}

#[test]
fn a_wrong_secret_is_refused() {
    let server = S3Server::start().unwrap();
    let mut environment = server.environment();
    for (_, value) in environment.iter_mut().filter(|(name, _)| *name == "AWS_SECRET_ACCESS_KEY") {
        value.push('x');
    }
    let error = Client::new(server.bucket(), &environment).put("a", "a").unwrap_err();
    assert!(format!("{error:?}").contains("SignatureDoesNotMatch"), "{error:?}");
    assert!(!server.folder().join(server.bucket()).join("a").exists());
}

#[test]
fn buckets_are_folders_and_go_with_the_server() {
    let server = S3Server::start().unwrap();
    server.create_bucket("other").unwrap();
    Client::new("other", &server.environment()).put("deep/key", "kept").unwrap();
    let folder = server.folder().to_owned();
    assert_eq!(fs::read(folder.join("other/deep/key")).unwrap(), b"kept");
    let address = server.endpoint().trim_start_matches("http://").to_owned();
    drop(server);
    assert!(!folder.exists(), "drop returns only when the folder is gone");
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
}

#[test]
fn a_locked_object_cannot_be_deleted() {
    let moto = Moto::start().unwrap();
    moto.create_bucket_with_lock("locked").unwrap();
    let client = Client::new("locked", &moto.environment());
    let put = client.run(client.store.put(&Path::from("kept"), "kept".into())).unwrap();
    let free = client.run(client.store.put(&Path::from("free"), "free".into())).unwrap();
    moto.lock_object("locked", "kept").unwrap();
    client.run(client.store.delete(&Path::from("kept"))).unwrap();
    assert!(matches!(client.get("kept"), Err(Error::NotFound { .. })), "the delete hides it");
    let version = format!("/locked/kept?versionId={}", put.version.unwrap());
    let free = format!("/locked/free?versionId={}", free.version.unwrap());
    assert_eq!(moto_status(&moto, "DELETE", &free), "204");
    assert_eq!(moto_status(&moto, "GET", &version), "200");
    assert_eq!(moto_status(&moto, "DELETE", &version), "403");
    assert_eq!(moto_status(&moto, "GET", &version), "200");
}

/// The status of a request that the client of the tests cannot make. Moto does not check the signature.
fn moto_status(moto: &Moto, method: &str, path: &str) -> String {
    use std::io::{Read, Write};
    let address = moto.endpoint().trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&address).unwrap();
    let somebody = "AWS4-HMAC-SHA256 Credential=testbed/20260101/us-east-1/s3/aws4_request, Signature=none";
    let headers = format!("Host: {address}\r\nAuthorization: {somebody}\r\nConnection: close");
    write!(stream, "{method} {path} HTTP/1.1\r\n{headers}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[test]
fn moto_leaves_nothing() {
    let moto = Moto::start().unwrap();
    Client::new(moto.bucket(), &moto.environment()).put("a", "a").unwrap();
    // It logs a request after its answer.
    let deadline = Instant::now() + LIMIT;
    while !moto.log().iter().any(|line| line.contains("PUT /backups/a")) {
        assert!(Instant::now() < deadline, "{:?}", moto.log());
        thread::yield_now();
    }
    let address = moto.endpoint().trim_start_matches("http://").to_owned();
    drop(moto);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn the_command_serves_a_folder_that_stays_until_its_stdin_closes() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_testbed"));
    let mut owner = Owner::spawn(command.arg("s3").arg(folder.path()));
    let environment: Vec<_> = ["AWS_ENDPOINT", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"]
        .map(|name| (name, owner.ready["environment"][name].as_str().unwrap().to_owned()))
        .into();
    assert_eq!(owner.ready["url"], environment[0].1);
    Client::new(owner.ready["bucket"].as_str().unwrap(), &environment).put("a", "kept").unwrap();
    let remains = Remains::new(vec![owner.pid()], folder.path().join("no-scratch"));
    owner.stdin = None;
    assert_eq!(owner.process.wait().unwrap().code(), Some(0));
    remains.assert_gone();
    assert_eq!(fs::read(folder.path().join("backups/a")).unwrap(), b"kept");
}

#[test]
fn a_folder_that_is_absent_is_an_error() {
    assert_eq!(S3Server::over("no/such/folder", 0).unwrap_err().to_string(), "cannot serve no/such/folder");
}
