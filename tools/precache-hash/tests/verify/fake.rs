//! A server that misbehaves in ways that real ones cannot be asked for: one answer per connection, chosen by a script.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

/// What happens to a request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// Status, further header lines and body.
    Answer(u16, &'static str, Vec<u8>),
    /// A body that ends before its announced length.
    Short(Vec<u8>),
    /// The connection is reset before a byte is read.
    Reset,
    /// Nothing, until the client leaves.
    Silence,
}

impl Reply {
    /// Status 200 and these bytes.
    pub(crate) fn good(body: impl Into<Vec<u8>>) -> Reply {
        Reply::Answer(200, "", body.into())
    }
}

/// A running fake.
pub(crate) struct Fake {
    /// `http://127.0.0.1:PORT`.
    pub(crate) url: String,
    /// The path of every request that arrived.
    pub(crate) requests: Receiver<String>,
}

/// Serves what `script` says for a path and the number of requests before it.
pub(crate) fn fake_server(script: impl Fn(&str, usize) -> Reply + Send + Sync + 'static) -> Fake {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, requests) = channel();
    let script = Arc::new(script);
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let (script, sender) = (Arc::clone(&script), sender.clone());
            thread::spawn(move || {
                let mut stream = stream.unwrap();
                // A socket that is closed with unread bytes in it resets the connection.
                if matches!(script("", number), Reply::Reset) {
                    return;
                }
                let path = request_path(&mut stream);
                let reply = script(&path, number);
                // The test may be over.
                let _ = sender.send(path);
                send(&mut stream, reply);
            });
        }
    });
    Fake { url, requests }
}

fn request_path(stream: &mut TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    head.split(' ').nth(1).unwrap_or_default().to_owned()
}

fn send(stream: &mut TcpStream, reply: Reply) {
    let (status, headers, body, length) = match reply {
        Reply::Answer(status, headers, body) => (status, headers, body.clone(), body.len()),
        Reply::Short(body) => (200, "", body.clone(), body.len() + 10),
        Reply::Silence => {
            // Returns when the client closes.
            let _ = stream.read(&mut [0]);
            return;
        }
        Reply::Reset => return,
    };
    let head =
        format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n");
    // A client that has left is no fault of the fake.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
}
