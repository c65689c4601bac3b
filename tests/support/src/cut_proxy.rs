//! A TCP proxy that cuts connections at the worst moment: a real wire, with failures injected.
//!
//! What passes is passed on unchanged, by real sockets; only the cuts are made on purpose. The worst moment for a client
//! of a database is between `COMMIT` and its answer: the transaction is committed, and the client cannot know.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::error::Error;

/// One read of a busy connection.
const CHUNK: usize = 16 * 1024;

/// A proxy in front of an address. Dropped, it closes its port and all connections.
#[derive(Debug)]
pub struct CutProxy {
    address: SocketAddr,
    wire: Arc<Wire>,
    listener: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Wire {
    server: SocketAddr,
    is_refusing: AtomicBool,
    is_closed: AtomicBool,
    cuts: AtomicUsize,
    /// The text whose answer is to be swallowed.
    armed: Mutex<Option<Vec<u8>>>,
    open: Mutex<HashMap<usize, Arc<Link>>>,
}

/// One client and its connection to the server.
#[derive(Debug)]
struct Link {
    client: TcpStream,
    server: TcpStream,
    is_cut_at_answer: AtomicBool,
    is_closed: AtomicBool,
}

impl CutProxy {
    /// Listens on a free port and passes connections on to `server`.
    pub fn start(server: SocketAddr) -> Result<Self, Error> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Error::Port)?;
        let address = listener.local_addr().map_err(Error::Port)?;
        let wire = Arc::new(Wire {
            server,
            is_refusing: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            cuts: AtomicUsize::new(0),
            armed: Mutex::new(None),
            open: Mutex::new(HashMap::new()),
        });
        let accepting = Arc::clone(&wire);
        let listener = thread::spawn(move || accepting.accept(&listener));
        Ok(Self { address, wire, listener: Some(listener) })
    }

    /// The address for clients.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same URL with the proxy in the place of the server.
    pub fn url(&self, url: &str) -> String {
        url.replace(&self.wire.server.to_string(), &self.address.to_string())
    }

    /// Cuts every connection that is open now.
    pub fn cut_now(&self) {
        for link in lock(&self.wire.open).values() {
            self.wire.cut(link);
        }
    }

    /// Arms one cut: the next message of a client that holds `text` is passed on, and when the server answers, the
    /// answer is swallowed and the connection cut.
    ///
    /// The text must be in the message that takes effect, and no earlier answer may be on its way: with PostgreSQL a
    /// simple query. A statement prepared by its text is answered before it is run.
    pub fn cut_after_answer_to(&self, text: impl AsRef<[u8]>) {
        *lock(&self.wire.armed) = Some(text.as_ref().to_vec());
    }

    /// Closes new connections at once, or no longer.
    pub fn refuse(&self, is_refusing: bool) {
        self.wire.is_refusing.store(is_refusing, Ordering::SeqCst);
    }

    /// How many connections were cut; those that were refused or closed by their ends do not count.
    pub fn cuts(&self) -> usize {
        self.wire.cuts.load(Ordering::SeqCst)
    }
}

impl Drop for CutProxy {
    fn drop(&mut self) {
        self.wire.is_closed.store(true, Ordering::SeqCst);
        // Wakes the listener, which then sees that it is to end.
        let _ = TcpStream::connect(self.address);
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
        for link in lock(&self.wire.open).values() {
            link.close();
        }
    }
}

impl Wire {
    fn accept(self: Arc<Self>, listener: &TcpListener) {
        for (number, client) in listener.incoming().enumerate() {
            if self.is_closed.load(Ordering::SeqCst) {
                return;
            }
            let Ok(client) = client else { continue };
            // Dropping the client closes it, as a proxy does that does not reach its server.
            if !self.is_refusing.load(Ordering::SeqCst) {
                let _ = self.link(number, client);
            }
        }
    }

    fn link(self: &Arc<Self>, number: usize, client: TcpStream) -> std::io::Result<()> {
        let server = TcpStream::connect(self.server)?;
        // Databases talk in small messages that wait for each other.
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (is_cut_at_answer, is_closed) = (AtomicBool::new(false), AtomicBool::new(false));
        let link = Arc::new(Link { client, server, is_cut_at_answer, is_closed });
        lock(&self.open).insert(number, Arc::clone(&link));
        let (wire, requests) = (Arc::clone(self), Arc::clone(&link));
        thread::spawn(move || wire.pass_requests(&requests));
        let wire = Arc::clone(self);
        thread::spawn(move || {
            wire.pass_answers(&link);
            lock(&wire.open).remove(&number);
        });
        Ok(())
    }

    fn pass_requests(&self, link: &Link) {
        let mut seen = Vec::new();
        pass(&link.client, &link.server, |bytes| {
            seen.extend_from_slice(bytes);
            if self.disarm_at(&mut seen) {
                // Before the bytes go: the answer must not be faster than the mark.
                link.is_cut_at_answer.store(true, Ordering::SeqCst);
            }
            true
        });
    }

    fn pass_answers(&self, link: &Link) {
        pass(&link.server, &link.client, |_| {
            let is_cut = link.is_cut_at_answer.load(Ordering::SeqCst);
            if is_cut {
                self.cut(link);
            }
            !is_cut
        });
        link.close();
    }

    /// Whether the client's latest bytes hold the armed text, which then counts as used. Of the bytes seen only those
    /// stay that may be the beginning of the text.
    fn disarm_at(&self, seen: &mut Vec<u8>) -> bool {
        let mut armed = lock(&self.armed);
        let length = armed.as_ref().map_or(1, |text| text.len().max(1));
        let is_hit = armed.as_ref().is_some_and(|text| seen.windows(length).any(|window| window == text));
        if is_hit {
            *armed = None;
        }
        let kept = if is_hit { 0 } else { seen.len().min(length - 1) };
        seen.drain(..seen.len() - kept);
        is_hit
    }

    /// Counted before the client can notice.
    fn cut(&self, link: &Link) {
        if !link.is_closed.swap(true, Ordering::SeqCst) {
            self.cuts.fetch_add(1, Ordering::SeqCst);
        }
        link.close();
    }
}

impl Link {
    fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        // An end that is closed already needs no closing.
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

/// Copies until an end closes or `may_pass` says no; then tells the receiver that no more comes.
fn pass(mut from: &TcpStream, mut to: &TcpStream, mut may_pass: impl FnMut(&[u8]) -> bool) {
    let mut buffer = vec![0; CHUNK];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let bytes = buffer.get(..length).unwrap_or_default();
        if !may_pass(bytes) || to.write_all(bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
