//! Moto, an S3-compatible server in Python (<https://docs.getmoto.org/en/latest/docs/server_mode.html>): what
//! [`S3Server`](crate::S3Server) lacks, lists of unfinished uploads and object lock. It checks no signatures.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use crate::error::Error;
use crate::free_port::on_free_port;
use crate::program::{Program, Running};
use crate::readiness::Ready;
use crate::s3_server::{BUCKET, environment};

/// Where `scripts/setup` puts it, seen from the build folder.
const PROGRAM: &str = "venv-moto/bin/moto_server";
const READY: &str = "Running on http://";
/// It tells somebody from nobody by the header alone.
const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=testbed/20260101/us-east-1/s3/aws4_request, \
    SignedHeaders=host, Signature=unchecked";
const LOCKED_UNTIL: &str = "2100-01-01T00:00:00Z";
/// Python compiles its modules at the first start.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A running Moto with one bucket. Dropped, it is killed, and what it holds in memory is gone.
#[derive(Debug)]
pub struct Moto {
    running: Running,
    port: u16,
}

impl Moto {
    /// Starts it on a free port.
    pub fn start() -> Result<Self, Error> {
        let program = installed()?;
        let (port, running) = on_free_port(|port| {
            let moto = Program::new(&program).args(["-H", "127.0.0.1", "-p", &port.to_string()]);
            let moto = moto.env("PYTHONDONTWRITEBYTECODE", "1").ready(Ready::Line(READY.to_owned()));
            Ok((port, moto.within(START_LIMIT).start()?))
        })?;
        let moto = Self { running, port };
        moto.create_bucket(BUCKET)?;
        Ok(moto)
    }

    /// `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The bucket that is there from the start.
    pub fn bucket(&self) -> &'static str {
        BUCKET
    }

    /// What a client reads to reach it.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        environment(self.endpoint())
    }

    /// Makes another bucket.
    pub fn create_bucket(&self, name: &str) -> Result<(), Error> {
        self.put(&format!("/{name}"), "", "")
    }

    /// Makes a bucket with object lock, in which objects can be locked.
    ///
    /// Such a bucket keeps versions: a plain delete only hides an object. It has no default retention, because Moto then
    /// refuses what comes without `Content-MD5` or `x-amz-sdk-checksum-algorithm`, while S3 takes any checksum.
    pub fn create_bucket_with_lock(&self, name: &str) -> Result<(), Error> {
        self.put(&format!("/{name}"), "x-amz-bucket-object-lock-enabled: true\r\n", "")
    }

    /// Locks the newest version of an object: for the lifetime of a test nobody can delete it (compliance mode).
    pub fn lock_object(&self, bucket: &str, key: &str) -> Result<(), Error> {
        let retention = format!(
            "<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Mode>COMPLIANCE</Mode>\
             <RetainUntilDate>{LOCKED_UNTIL}</RetainUntilDate></Retention>"
        );
        self.put(&format!("/{bucket}/{key}?retention"), "", &retention)
    }

    /// Its log, with a line for each request.
    pub fn log(&self) -> Vec<String> {
        self.running.output()
    }

    /// One request by hand (RFC 9112).
    fn put(&self, path: &str, headers: &str, body: &str) -> Result<(), Error> {
        let refuse = |message: String| Error::Store { url: format!("{}{path}", self.endpoint()), message };
        let status = || {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
            let (host, length) = (self.port, body.len());
            write!(
                stream,
                "PUT {path} HTTP/1.1\r\nHost: 127.0.0.1:{host}\r\nContent-Length: {length}\r\n\
                 Authorization: {AUTHORIZATION}\r\nConnection: close\r\n{headers}\r\n{body}"
            )?;
            let mut status_line = String::new();
            BufReader::new(stream).read_line(&mut status_line)?;
            Ok::<_, std::io::Error>(status_line)
        };
        let status_line = status().map_err(|error| refuse(error.to_string()))?;
        if status_line.split(' ').nth(1) == Some("200") {
            Ok(())
        } else {
            Err(refuse(status_line.trim().to_owned()))
        }
    }
}

/// The program in the build folder that this process was started from.
fn installed() -> Result<PathBuf, Error> {
    let absent = || Error::NotInstalled { program: PROGRAM.into() };
    let own = env::current_exe().map_err(|_| absent())?;
    let candidates = own.ancestors().map(|folder| folder.join(PROGRAM));
    candidates.into_iter().find(|path| path.is_file()).ok_or_else(absent)
}
