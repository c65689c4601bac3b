//! An HTTP server in this process, on a thread and a runtime of its own.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread::{self, JoinHandle};

use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// Accepts connections on a loopback port. Dropped, it closes the port and every connection.
#[derive(Debug)]
pub(crate) struct HttpServer {
    address: SocketAddr,
    // Nothing is ever sent: that it is dropped is the event.
    owner: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl HttpServer {
    /// Listens on the port, 0 for a free one; `serve` is called for each connection, within the runtime.
    pub(crate) fn start(port: u16, mut serve: impl FnMut(TcpStream) + Send + 'static) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (owner, is_dropped) = oneshot::channel();
        let accept = move || {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            tokio::spawn(async move {
                loop {
                    if let Ok((stream, _)) = listener.accept().await {
                        // Small answers must not wait for more.
                        let _ = stream.set_nodelay(true);
                        serve(stream);
                    }
                }
            });
            Ok::<_, io::Error>(())
        };
        let thread = thread::spawn(move || {
            runtime.block_on(async {
                if accept().is_ok() {
                    let _ = is_dropped.await;
                }
            });
        });
        Ok(Self { address, owner: Some(owner), thread: Some(thread) })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        drop(self.owner.take());
        // The runtime, and all that it serves, is gone when the thread is.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
