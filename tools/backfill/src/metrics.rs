//! Counters for Prometheus while a job runs, at `/metrics`.
//!
//! Follows the text exposition format 0.0.4. The page is written once a second and read by whoever asks.

use std::convert::Infallible;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

use crate::error::Error;
use crate::report::Progress;

/// A client that does not send its request by then is cut off.
const HEADER_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

/// The page; clones show the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page(Arc<Mutex<String>>);

impl Page {
    /// Puts new values on the page.
    pub(crate) fn set(&self, job: &str, progress: &Progress) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = render(job, progress);
    }

    fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Opens the listener.
pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|source| Error::Listen { address, source })
}

/// Answers until the run ends.
pub(crate) async fn serve(listener: TcpListener, page: Page) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let page = page.clone();
        let service = service_fn(move |request| {
            let answer = answer(&request, &page);
            async move { answer }
        });
        let mut server = hyper::server::conn::http1::Builder::new();
        let connection = server
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service);
        // A reader that leaves in the middle is its own affair.
        tokio::spawn(connection);
    }
}

fn answer(request: &Request<Incoming>, page: &Page) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::default();
    if request.uri().path() == "/metrics" {
        let kind = hyper::http::HeaderValue::from_static("text/plain; version=0.0.4");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        *response.body_mut() = Full::new(Bytes::from(page.text()));
    } else {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    Ok(response)
}

#[expect(clippy::cast_precision_loss, reason = "counters are below 2^52")]
fn render(job: &str, progress: &Progress) -> String {
    let job = job.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let mut page = String::new();
    let mut family = |name: &str, kind: &str, help: &str, value: f64| {
        // Writing to a string cannot fail.
        let _ = writeln!(page, "# HELP backfill_{name} {help}\n# TYPE backfill_{name} {kind}");
        let _ = writeln!(page, "backfill_{name}{{job=\"{job}\"}} {value}");
    };
    let counts = &progress.counts;
    family("keys_total", "counter", "Keys seen by this process.", counts.keys as f64);
    family("rows_total", "counter", "Rows filled by this process.", counts.rows as f64);
    family("batches_total", "counter", "Committed transactions of this process.", counts.batches as f64);
    family("retries_total", "counter", "Batches that were tried again.", counts.retries as f64);
    family("worked_seconds_total", "counter", "Time within transactions.", counts.worked_s);
    family("job_keys_seen", "gauge", "Keys seen in this pass, by all processes.", progress.keys_seen as f64);
    family("job_rows_estimate", "gauge", "Rows of the table as estimated.", progress.rows_total);
    family("dead_letters", "gauge", "Rows that were left out.", progress.dead_letters as f64);
    family("duty", "gauge", "Share of the time that a worker works.", progress.duty());
    family("held", "gauge", "1 while a signal is red.", f64::from(u8::from(progress.duty() <= 0.0)));
    family("batch_seconds", "gauge", "Mean length of a transaction.", progress.batch_ms / 1000.0);
    if let Some(lag) = progress.signals.replica_lag_bytes {
        family("replica_lag_bytes", "gauge", "WAL that the slowest standby has not replayed.", lag);
    }
    page
}
