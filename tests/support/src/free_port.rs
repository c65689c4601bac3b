//! A free port of this machine, for programs that cannot choose one and tell.

use std::net::{Ipv4Addr, TcpListener};

use crate::error::Error;

/// Between the choice and the program's own bind another process may take the port.
const ATTEMPTS: usize = 5;
/// What programs print of `EADDRINUSE`.
pub(crate) const TAKEN: &str = "Address already in use";

/// Starts something on a free port, and on another one if that was taken meanwhile.
pub(crate) fn on_free_port<T>(mut start: impl FnMut(u16) -> Result<T, Error>) -> Result<T, Error> {
    for _ in 1..ATTEMPTS {
        match start(free_port()?) {
            Err(Error::PortTaken { .. }) => {}
            Err(Error::Ended { output, .. }) if output.contains(TAKEN) => {}
            started => return started,
        }
    }
    start(free_port()?)
}

fn free_port() -> Result<u16, Error> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    listener.and_then(|listener| listener.local_addr()).map(|address| address.port()).map_err(Error::Port)
}
