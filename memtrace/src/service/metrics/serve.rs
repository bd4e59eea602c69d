//! Serves `GET /metrics`. It reads the newest snapshot published by the sampling loop, so that no
//! scrape delays sampling or the reactor.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderMap};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::listen::Listener;
use super::{now, page_size};
use crate::service::view_input::ViewInput;
use memtrace_core::live::Latest;
use memtrace_view::export::metrics::{Form, Scene, text};

/// Connections at a time; those beyond wait to be accepted.
const MOST: usize = 8;
/// Time limit of a connection.
const PATIENCE: Duration = Duration::from_secs(10);
/// Time limit of a request's header.
const HEAD: Duration = Duration::from_secs(3);
/// Largest head.
const LARGEST: usize = 16 << 10;
/// Pause after a failed accept, usually for lack of file descriptors.
const PAUSE: Duration = Duration::from_millis(200);

/// Serves until it is dropped.
pub(crate) async fn serve(listener: Listener, input: ViewInput) {
    let places = Arc::new(Semaphore::new(MOST));
    loop {
        // Never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok(stream) => {
                let input = input.clone();
                tokio::spawn(async move {
                    if timeout(PATIENCE, connection(stream, input)).await.is_err() {
                        tracing::debug!("scrape timed out");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::debug!("cannot accept a connection: {error}");
                sleep(PAUSE).await;
            }
        }
    }
}

/// One request, one answer.
async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin, input: ViewInput) {
    let service = service_fn(|request| {
        let input = input.clone();
        async move { Ok::<_, Infallible>(answer(&request, &input).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(LARGEST).keep_alive(false);
    if let Err(error) = pin!(http.serve_connection(TokioIo::new(stream), service)).await {
        tracing::debug!("scrape aborted: {error}");
    }
}

async fn answer(request: &Request<Incoming>, input: &ViewInput) -> Response<Full<Bytes>> {
    if request.uri().path() != "/metrics" {
        return plain(StatusCode::NOT_FOUND, "not found; metrics are at /metrics\n");
    }
    if request.method() != Method::GET {
        let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET is supported\n");
        refused.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static("GET"));
        return refused;
    }
    let Latest::Snapshot(mut snapshot) = input.handle.latest.borrow().clone() else {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "no sample yet\n");
    };
    let (form, decided) = (wanted(request.headers()), input.decided());
    // Text of thousands of VMs takes its time; signals and the service manager don't wait.
    let written = tokio::task::spawn_blocking(move || {
        decided.aim(&mut snapshot);
        text(Scene::new(snapshot, decided, page_size(), now()), form)
    });
    match written.await {
        Ok(Ok(text)) => told(StatusCode::OK, form.content_type(), text),
        Ok(Err(error)) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n")),
        // A panic has its own message.
        Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "internal error\n"),
    }
}

/// Content negotiation: OpenMetrics if preferred, else the text format (RFC 9110, 12.5.1).
fn wanted(headers: &HeaderMap) -> Form {
    let lines = headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok());
    let mut best = [0.0_f64; 2];
    for range in lines.flat_map(|line| line.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let place = match parts.next() {
            Some("application/openmetrics-text") => 0,
            Some("text/plain" | "text/*") => 1,
            _ => continue,
        };
        let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok()).unwrap_or(1.0);
        best[place] = f64::max(best[place], weight);
    }
    if best[0] > 0.0 && best[0] >= best[1] { Form::OpenMetrics } else { Form::Classic }
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    told(status, "text/plain; charset=utf-8", text)
}

fn told(status: StatusCode, kind: &'static str, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    let kind = hyper::header::HeaderValue::from_static(kind);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests;
