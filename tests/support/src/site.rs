//! A static web server for builds of a site, on a free port of this machine.
//!
//! Every request is answered in full: conditional headers are dropped, because two releases built within one second
//! share their `Last-Modified` time, and a test that counts fetches must not meet a 304 by chance (RFC 9110, 13.1.3).

use std::fs::File;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use axum::Router;
use axum::extract::{Request as HttpRequest, State};
use axum::http::{HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use serde::Serialize;
use tower_http::services::{ServeDir, ServeFile};

use crate::error::Error;

/// What to serve, and how.
#[derive(Debug, Clone, Default)]
pub struct SiteOptions {
    /// The folder; a symbolic link is followed anew for each request, so a release can be switched under the server.
    pub root: PathBuf,
    /// The port; 0 for a free one.
    pub port: u16,
    /// Answer unknown paths with `index.html` and status 200, as servers of single-page applications do.
    pub is_spa: bool,
    /// Write one JSON line per request to this file.
    pub log: Option<PathBuf>,
}

/// One request that was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Request {
    /// `GET`, `HEAD`, ...
    pub method: String,
    /// Path and query as asked.
    pub path: String,
    /// Status of the answer.
    pub status: u16,
}

/// A running web server; it lives as long as the process.
#[derive(Debug)]
pub struct Site {
    address: SocketAddr,
    requests: Arc<Requests>,
}

#[derive(Debug, Default)]
struct Requests {
    answered: Mutex<Vec<Request>>,
    log: Option<Mutex<File>>,
}

impl Site {
    /// Serves a folder on a free port.
    pub fn serve(root: impl Into<PathBuf>) -> Result<Self, Error> {
        Self::start(&SiteOptions { root: root.into(), ..SiteOptions::default() })
    }

    /// Starts the server; it accepts connections when this returns.
    pub fn start(options: &SiteOptions) -> Result<Self, Error> {
        let refuse = |source| Error::Serve { root: options.root.clone(), source };
        if !options.root.is_dir() {
            return Err(refuse(io::ErrorKind::NotADirectory.into()));
        }
        let log = options.log.as_ref().map(File::create).transpose().map_err(refuse)?;
        let requests = Arc::new(Requests { log: log.map(Mutex::new), ..Requests::default() });
        let router = router(options, Arc::clone(&requests));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).map_err(refuse)?;
        listener.set_nonblocking(true).map_err(refuse)?;
        let address = listener.local_addr().map_err(refuse)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(refuse)?;
        thread::spawn(move || {
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                axum::serve(listener, router).await
            })
        });
        Ok(Self { address, requests })
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request answered so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.answered.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn router(options: &SiteOptions, requests: Arc<Requests>) -> Router {
    let files = ServeDir::new(&options.root);
    let router = if options.is_spa {
        Router::new().fallback_service(files.fallback(ServeFile::new(options.root.join("index.html"))))
    } else {
        Router::new().fallback_service(files)
    };
    router.layer(middleware::from_fn_with_state(requests, answer))
}

async fn answer(State(requests): State<Arc<Requests>>, mut request: HttpRequest, next: Next) -> Response {
    let method = request.method().to_string();
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    for conditional in [header::IF_MODIFIED_SINCE, header::IF_NONE_MATCH, header::IF_RANGE] {
        request.headers_mut().remove(conditional);
    }
    let caching = caching(Path::new(request.uri().path()));
    let mut response = next.run(request).await;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    requests.note(Request { method, path, status: response.status().as_u16() });
    response
}

impl Requests {
    fn note(&self, request: Request) {
        if let Some(log) = &self.log
            && let Ok(mut line) = serde_json::to_vec(&request)
        {
            line.push(b'\n');
            // The answer is on its way; a full disk only shortens the log.
            let _ = log.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line);
        }
        self.answered.lock().unwrap_or_else(PoisonError::into_inner).push(request);
    }
}

/// As deployments do it: a name with a content hash is immutable, everything else must be asked for again.
fn caching(path: &Path) -> &'static str {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let last = stem.rsplit(['-', '.']).next().unwrap_or_default();
    let has_prefix = last.len() < stem.len();
    let looks_hashed = last.len() >= 8
        && last.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
        || last.len() >= 8 && last.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if has_prefix && looks_hashed { "public, max-age=31536000, immutable" } else { "no-cache" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_with_a_content_hash_are_immutable() {
        for path in ["/app-3KDVLB2X.js", "/assets/app.0f3c9a2b.css"] {
            assert!(caching(Path::new(path)).contains("immutable"), "{path}");
        }
        for path in ["/", "/index.html", "/sw.js", "/version.json", "/manifest-hash.js", "/app-settings.js"] {
            assert_eq!(caching(Path::new(path)), "no-cache", "{path}");
        }
    }
}
