//! What passes the proxy passes unchanged, and what is cut is cut at the moment that was asked for.
#![allow(clippy::unwrap_used, reason = "a helper that fails, fails its test")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};
use std::thread;

use testbed::{CutProxy, Postgres, PostgresOptions};

/// A server that answers every byte with the same byte, for as many connections as come.
fn echo() -> CutProxy {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map(Result::unwrap) {
            thread::spawn(move || std::io::copy(&mut &stream, &mut &stream));
        }
    });
    CutProxy::start(address).unwrap()
}

fn connect(proxy: &CutProxy) -> TcpStream {
    TcpStream::connect(proxy.address()).unwrap()
}

/// What comes back; nothing when the connection is cut.
fn ask(mut stream: &TcpStream, text: &str) -> Option<String> {
    let mut answer = vec![0; text.len()];
    stream.write_all(text.as_bytes()).and_then(|()| stream.read_exact(&mut answer)).ok()?;
    String::from_utf8(answer).ok()
}

fn psql(postgres: &Postgres, proxy: &CutProxy, statements: &[&str]) -> Output {
    let mut psql = Command::new(postgres.program("psql"));
    psql.args(["-X", "-v", "ON_ERROR_STOP=1", "-d", &proxy.url(&postgres.url("postgres"))]);
    psql.args(statements.iter().flat_map(|statement| ["-c", statement])).output().unwrap()
}

#[test]
fn passes_everything_until_the_client_leaves() {
    let proxy = echo();
    let mut stream = connect(&proxy);
    let sent: Vec<u8> = (0..=u8::MAX).cycle().take(100_000).collect();
    let (mut writer, to_send) = (stream.try_clone().unwrap(), sent.clone());
    let writing = thread::spawn(move || {
        writer.write_all(&to_send).unwrap();
        writer.shutdown(std::net::Shutdown::Write).unwrap();
    });
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    writing.join().unwrap();
    assert!(received == sent && proxy.cuts() == 0);
}

#[test]
fn cuts_every_open_connection_and_no_later_one() {
    let proxy = echo();
    let open = [connect(&proxy), connect(&proxy)];
    assert!(open.iter().all(|stream| ask(stream, "a").is_some()));
    proxy.cut_now();
    assert!(open.iter().all(|stream| ask(stream, "b").is_none()));
    assert_eq!(ask(&connect(&proxy), "c").as_deref(), Some("c"));
    assert_eq!(proxy.cuts(), 2);
}

#[test]
fn swallows_one_answer_even_to_a_text_in_two_parts() {
    let proxy = echo();
    let stream = connect(&proxy);
    proxy.cut_after_answer_to("COMMIT");
    assert_eq!(ask(&stream, "begin; COM").as_deref(), Some("begin; COM"));
    assert_eq!(ask(&stream, "MIT"), None);
    assert_eq!(ask(&connect(&proxy), "COMMIT").as_deref(), Some("COMMIT"), "one cut was armed");
    assert_eq!(proxy.cuts(), 1);
}

#[test]
fn refuses_new_connections_for_as_long_as_asked() {
    let proxy = echo();
    let open = connect(&proxy);
    assert!(ask(&open, "a").is_some());
    proxy.refuse(true);
    assert_eq!(ask(&connect(&proxy), "b"), None);
    assert!(ask(&open, "c").is_some(), "an open connection stays");
    proxy.refuse(false);
    assert!(ask(&connect(&proxy), "d").is_some());
    assert_eq!(proxy.cuts(), 0);
}

#[test]
fn drop_closes_what_is_open() {
    let proxy = echo();
    let (address, open) = (proxy.address(), connect(&proxy));
    assert!(ask(&open, "a").is_some());
    drop(proxy);
    assert_eq!(ask(&open, "b"), None);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_row_is_committed_although_the_client_saw_an_error() {
    let postgres = Postgres::start(&PostgresOptions::default()).unwrap();
    let proxy = CutProxy::start(postgres.address()).unwrap();
    postgres.sql("postgres", "create table orders (id int)").unwrap();
    proxy.cut_after_answer_to("COMMIT");
    let output = psql(&postgres, &proxy, &["begin", "insert into orders values (7)", "COMMIT"]);
    assert!(!output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("server closed the connection"), "{output:?}");
    assert_eq!(postgres.sql("postgres", "select id from orders").unwrap(), "7");
    assert!(psql(&postgres, &proxy, &["select 1"]).status.success());
    assert_eq!(proxy.cuts(), 1);
}
