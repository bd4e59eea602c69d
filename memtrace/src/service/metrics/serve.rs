//! Serves `GET /metrics`. It reads the newest snapshot published by the sampling loop, so that no
//! scrape delays sampling or the reactor.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, ALLOW, CONTENT_TYPE, HOST, HeaderMap};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::host::Hosts;
use super::listen::Listener;
use super::page_size;
use crate::service::view_input::ViewInput;
use memtrace_core::live::Latest;
use memtrace_host::clock;
use memtrace_view::export::metrics::{Form, Scene, text};

/// Connections at a time; for one more, the oldest that hasn't asked anything yet is dropped, or
/// the oldest if all have.
const MOST: usize = 64;
/// Answers that are made at a time.
const MOST_ANSWERS: usize = 4;
/// Time limit of a connection.
const PATIENCE: Duration = Duration::from_secs(10);
/// Time limit of a request's header.
const HEAD: Duration = Duration::from_secs(3);
/// Largest head.
const LARGEST: usize = 16 << 10;
/// Pause after a failed accept, usually for lack of file descriptors.
const PAUSE: Duration = Duration::from_millis(200);

/// The open connections, the oldest first.
#[derive(Debug, Default)]
struct Connections(Vec<Connection>);

#[derive(Debug)]
struct Connection {
    /// Its request has come.
    asked: Arc<AtomicBool>,
    task: AbortHandle,
}

impl Connections {
    /// Makes room for one more.
    fn make_room(&mut self) {
        self.0.retain(|connection| !connection.task.is_finished());
        if self.0.len() >= MOST {
            let silent =
                self.0.iter().position(|connection| !connection.asked.load(Ordering::Relaxed));
            self.0.remove(silent.unwrap_or(0)).task.abort();
            tracing::debug!("a connection for scrapes was dropped: there are {MOST}");
        }
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        self.0.iter().for_each(|connection| connection.task.abort());
    }
}

/// What answers.
#[derive(Clone)]
struct Server {
    input: ViewInput,
    hosts: Arc<Hosts>,
    answers: Arc<Semaphore>,
}

/// Serves until it is dropped.
pub(crate) async fn serve(listener: Listener, input: ViewInput) {
    let hosts = Arc::new(listener.hosts());
    let server = Server { input, hosts, answers: Arc::new(Semaphore::new(MOST_ANSWERS)) };
    let mut connections = Connections::default();
    loop {
        match listener.accept().await {
            Ok(stream) => {
                connections.make_room();
                let asked = Arc::new(AtomicBool::new(false));
                let answered = converse(stream, server.clone(), Arc::clone(&asked));
                let task = tokio::spawn(async move {
                    if timeout(PATIENCE, answered).await.is_err() {
                        tracing::debug!("scrape timed out");
                    }
                });
                connections.0.push(Connection { asked, task: task.abort_handle() });
            }
            Err(error) => {
                tracing::debug!("cannot accept a connection: {error}");
                sleep(PAUSE).await;
            }
        }
    }
}

/// One request, one answer.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    server: Server,
    asked: Arc<AtomicBool>,
) {
    let service = service_fn(|request| {
        asked.store(true, Ordering::Relaxed);
        let server = server.clone();
        async move { Ok::<_, Infallible>(answer(&request, &server).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(LARGEST).keep_alive(false);
    if let Err(error) = pin!(http.serve_connection(TokioIo::new(stream), service)).await {
        tracing::debug!("scrape aborted: {error}");
    }
}

async fn answer(request: &Request<Incoming>, server: &Server) -> Response<Full<Bytes>> {
    if !is_for_us(request, &server.hosts) {
        let told = "only for this host: its name, localhost or an address as the Host\n";
        return plain(StatusCode::MISDIRECTED_REQUEST, told);
    }
    if request.uri().path() != "/metrics" {
        return plain(StatusCode::NOT_FOUND, "not found; metrics are at /metrics\n");
    }
    if request.method() != Method::GET {
        let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET is supported\n");
        refused.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static("GET"));
        return refused;
    }
    // Never closed.
    let Ok(_place) = server.answers.acquire().await else {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "ending\n");
    };
    let input = &server.input;
    let Latest::Snapshot(mut snapshot) = input.handle.latest.borrow().clone() else {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "no sample yet\n");
    };
    let (form, decided) = (wanted(request.headers()), input.decided());
    let alerts = input.alerts();
    // Text of thousands of VMs takes its time; signals and the service manager don't wait.
    let written = tokio::task::spawn_blocking(move || {
        decided.aim(&mut snapshot);
        let scene = Scene::new(snapshot, decided, page_size(), clock::wall());
        text(scene.alerted(alerts), form)
    });
    match written.await {
        Ok(Ok(text)) => told(StatusCode::OK, form.content_type(), text),
        Ok(Err(error)) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n")),
        // A panic has its own message.
        Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "internal error\n"),
    }
}

/// Whether the request names this host, in its head and where its target has a host.
fn is_for_us(request: &Request<Incoming>, hosts: &Hosts) -> bool {
    let named = request.headers().get(HOST).map(|host| host.to_str().unwrap_or_default());
    hosts.has(named) && hosts.has(request.uri().authority().map(|authority| authority.as_str()))
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
