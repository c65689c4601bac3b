//! Headless Chromium with an empty profile, driven over the Chrome DevTools Protocol.
//!
//! Port 0 lets Chromium choose a free port; it prints the endpoint when it listens
//! (<https://chromedevtools.github.io/devtools-protocol/>, "HTTP endpoints").

use std::env;
use std::ffi::OsString;

use crate::error::Error;
use crate::program::{Program, Running};
use crate::readiness::Ready;

const LISTENING: &str = "DevTools listening on ws://";

/// No sandbox: tests run as root in containers, and open only pages of this machine.
/// The network flags keep it from calling home at every start.
const FLAGS: &[&str] = &[
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
    "--user-data-dir={scratch}/profile",
];

/// A running browser.
#[derive(Debug)]
pub struct Chromium {
    running: Running,
}

impl Chromium {
    /// Starts it, with more flags if wanted, and waits until it can be driven.
    pub fn start(flags: &[OsString]) -> Result<Self, Error> {
        let program = env::var_os("CHROMIUM").unwrap_or_else(|| "chromium".into());
        let running = Program::new(program)
            .args(FLAGS.iter().copied())
            .args(flags.iter().cloned())
            .args(["about:blank"])
            .ready(Ready::Line(LISTENING.to_owned()))
            .start()?;
        Ok(Self { running })
    }

    /// The HTTP endpoint of the DevTools protocol, for `chromium.connectOverCDP`.
    pub fn url(&self) -> String {
        format!("http://{}", endpoint(self.running.ready_line().unwrap_or_default()))
    }

    /// The process.
    pub fn running(&mut self) -> &mut Running {
        &mut self.running
    }
}

fn endpoint(line: &str) -> &str {
    let rest = line.split_once(LISTENING).map_or("", |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_endpoint_in_the_line() {
        let line = "DevTools listening on ws://127.0.0.1:40123/devtools/browser/6c0c7f3e";
        assert_eq!(endpoint(line), "127.0.0.1:40123");
    }
}
