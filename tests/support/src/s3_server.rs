//! An S3-compatible server in this process, over a folder: `s3s-fs`, which checks signatures and checksums and knows
//! conditional writes. It does not list unfinished uploads and has no object lock; [`Moto`](crate::Moto) has.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;

use crate::error::Error;
use crate::http_server::HttpServer;
use crate::program::{Program, Running};

/// The bucket that is there from the start.
pub(crate) const BUCKET: &str = "backups";
/// Nothing secret: the server listens on loopback, and lives as long as a test.
const ACCESS_KEY: &str = "testbed";
const SECRET_KEY: &str = "testbed-secret";
const REGION: &str = "us-east-1";

/// A running S3 server with one bucket. Dropped, it stops, and its scratch folder goes.
#[derive(Debug)]
pub struct S3Server {
    // Dropped before the folder that it serves.
    server: HttpServer,
    root: PathBuf,
    /// Holds the scratch folder, and removes it even when this process is killed.
    _holder: Option<Running>,
}

impl S3Server {
    /// Serves a scratch folder on a free port.
    pub fn start() -> Result<Self, Error> {
        let holder = Program::new("sleep").args(["infinity"]).start()?;
        Self::launch(holder.scratch().to_owned(), 0, Some(holder))
    }

    /// Serves a folder that stays, each bucket a folder in it; port 0 is a free one.
    pub fn over(root: impl Into<PathBuf>, port: u16) -> Result<Self, Error> {
        Self::launch(root.into(), port, None)
    }

    fn launch(root: PathBuf, port: u16, holder: Option<Running>) -> Result<Self, Error> {
        let refuse = |source| Error::Serve { root: root.clone(), source };
        if !root.is_dir() {
            return Err(refuse(io::ErrorKind::NotADirectory.into()));
        }
        let service = service(&root).map_err(refuse)?;
        let server = HttpServer::start(port, move |stream| {
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone());
            tokio::spawn(connection);
        });
        let server = server.map_err(refuse)?;
        let server = Self { server, root, _holder: holder };
        server.create_bucket(BUCKET)?;
        Ok(server)
    }

    /// `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// The bucket that is there from the start.
    pub fn bucket(&self) -> &'static str {
        BUCKET
    }

    /// Makes another bucket; one that is there already stays as it is.
    pub fn create_bucket(&self, name: &str) -> Result<(), Error> {
        let path = self.root.join(name);
        fs::create_dir_all(&path).map_err(|source| Error::File { path, source })
    }

    /// The folder it serves: the objects of a bucket are the files below the folder of its name.
    pub fn folder(&self) -> &Path {
        &self.root
    }

    /// What a client reads to reach it.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        environment(self.endpoint())
    }
}

fn service(root: &Path) -> io::Result<S3Service> {
    let files = FileSystem::new(root).map_err(|error| io::Error::other(format!("{error:?}")))?;
    let mut builder = S3ServiceBuilder::new(files);
    builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
    Ok(builder.build())
}

/// The variables that the crate `object_store` reads; other clients know the first four, if by `AWS_ENDPOINT_URL`.
pub(crate) fn environment(endpoint: String) -> Vec<(&'static str, String)> {
    vec![
        ("AWS_ENDPOINT", endpoint),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_ALLOW_HTTP", "true".to_owned()),
        ("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "false".to_owned()),
    ]
}
