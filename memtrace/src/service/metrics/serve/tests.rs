//! What a scraper gets, over real sockets.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::*;
use crate::service::sampling::Handle;
use crate::sys::address::{Access, Address};
use memtrace_core::fixture;
use memtrace_core::live::Control;
use memtrace_core::reactor::{Decided, Step};

const SCRAPE: &str = "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:9435\r\n";
/// As Prometheus 2.42 asks.
const PROMETHEUS: &str = "Accept: application/openmetrics-text;version=1.0.0,\
    application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1\r\n";

/// A view input without a sampling loop: a request for a sample would block forever.
struct Fed {
    latest: watch::Sender<Latest>,
    step: watch::Sender<Option<Arc<Step>>>,
    input: ViewInput,
}

fn fed(latest: Latest) -> Fed {
    let (latest, seen) = watch::channel(latest);
    let (step, made) = watch::channel(None);
    let (_, samples) = watch::channel(None);
    let control = Control { interval: Duration::from_secs(1), detail: None, stop: false };
    let control = Arc::new(watch::Sender::new(control));
    let handle = Handle { latest: seen, samples, step: made, control };
    Fed { latest, step, input: ViewInput::alone(handle, None) }
}

/// Serves it on a port of its own.
fn serving(fed: &Fed) -> SocketAddr {
    let listener = Listener::open(&":0".parse().expect("an address"), &Access::default())
        .expect("there is a port");
    let address = listener.address();
    tokio::spawn(serve(listener, fed.input.clone()));
    address
}

/// All of an answer.
async fn ask(address: SocketAddr, request: String) -> String {
    let ask = move || {
        let mut stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("it can be set");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("there is an answer");
        answer
    };
    spawn_blocking(ask).await.expect("no panic")
}

async fn scrape(address: SocketAddr, headers: &str) -> String {
    ask(address, format!("{SCRAPE}{headers}\r\n")).await
}

#[tokio::test]
async fn a_scraper_gets_the_newest_snapshot_in_the_form_that_it_asks_for() {
    let fed = fed(Latest::Starting);
    let address = serving(&fed);
    assert!(scrape(address, "").await.starts_with("HTTP/1.1 503 "), "nothing is told yet");
    fed.latest.send_replace(Latest::Snapshot(fixture::demo()));
    let classic = scrape(address, "").await;
    assert!(classic.starts_with("HTTP/1.1 200 "), "{classic}");
    assert!(classic.contains("content-type: text/plain; version=0.0.4"), "{classic}");
    assert!(classic.contains("\nmemtrace_vms 3\n") && !classic.contains("# EOF"), "{classic}");
    assert!(!classic.contains("memtrace_host_state"), "no decision yet");
    let Decided::Report(report) = fixture::observed() else { panic!("there is a report") };
    let reaction = report.reaction.clone();
    fed.step.send_replace(Some(Arc::new(Step { snapshot: fixture::demo(), reaction })));
    let open = scrape(address, PROMETHEUS).await;
    assert!(open.contains("content-type: application/openmetrics-text; version=1.0.0"), "{open}");
    assert!(open.contains("\nmemtrace_host_state{state=\"soft\"} 1\n"), "{open}");
    assert!(open.contains("\nmemtrace_vm_balloon_target_bytes{name=\"idle\""), "{open}");
    assert!(open.ends_with("# EOF\n"), "{open}");
}

#[tokio::test]
async fn there_is_nothing_else() {
    let address = serving(&fed(Latest::Snapshot(fixture::demo())));
    for path in ["/", "/metrics/", "/metricsx", "/../metrics"] {
        let answer = ask(address, format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{path}: {answer}");
    }
    for method in ["POST", "PUT", "DELETE", "HEAD"] {
        let request =
            format!("{method} /metrics HTTP/1.1\r\nHost: localhost\r\ncontent-length: 0\r\n\r\n");
        let answer = ask(address, request).await;
        assert!(answer.starts_with("HTTP/1.1 405 ") && answer.contains("allow: GET"), "{answer}");
    }
    let huge = format!("{SCRAPE}X: {}\r\n\r\n", "x".repeat(LARGEST));
    assert!(!ask(address, huge).await.starts_with("HTTP/1.1 200 "));
}

/// As many as a process has descriptors for kept every scrape out for 10 s.
#[tokio::test]
async fn those_who_say_nothing_or_half_of_it_keep_nobody_out() {
    let address = serving(&fed(Latest::Snapshot(fixture::demo())));
    let connect = move || -> Vec<TcpStream> {
        let connect = |index| {
            let mut stream = TcpStream::connect(address).expect("it listens");
            if index % 2 == 0 {
                // It may have been dropped already.
                let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: loc");
            }
            stream
        };
        (0..7 * MOST).map(connect).collect()
    };
    let silent = spawn_blocking(connect).await.expect("no panic");
    let begun = Instant::now();
    assert!(scrape(address, "").await.starts_with("HTTP/1.1 200 "));
    assert!(begun.elapsed() < HEAD, "it waited until they were given up");
    drop(silent);
}

#[tokio::test]
async fn a_name_that_was_led_to_loopback_is_refused() {
    let address = serving(&fed(Latest::Snapshot(fixture::demo())));
    for request in [
        "GET /metrics HTTP/1.1\r\nHost: evil.example:9435\r\n\r\n",
        "GET http://evil.example/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ] {
        let answer = ask(address, request.to_owned()).await;
        assert!(answer.starts_with("HTTP/1.1 421 ") && !answer.contains("memtrace_"), "{answer}");
    }
}

#[tokio::test]
async fn a_socket_in_a_folder_serves_as_well() {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("metrics.sock");
    let listener =
        Listener::open(&Address::Path(path.clone()), &Access::default()).expect("it is free");
    let fed = fed(Latest::Snapshot(fixture::demo()));
    let served = tokio::spawn(serve(listener, fed.input.clone()));
    let asked = path.clone();
    let ask = move || {
        let mut stream = UnixStream::connect(asked).expect("it listens");
        stream.write_all(format!("{SCRAPE}\r\n").as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("there is an answer");
        answer
    };
    assert!(spawn_blocking(ask).await.expect("no panic").starts_with("HTTP/1.1 200 "));
    served.abort();
    assert!(served.await.is_err_and(|error| error.is_cancelled()));
    assert!(!path.exists(), "it goes with the server");
}

#[test]
fn the_form_is_what_the_scraper_prefers() {
    let form = |accept: &[&str]| {
        let mut headers = HeaderMap::new();
        for line in accept {
            headers.append(ACCEPT, line.parse().expect("it is a header"));
        }
        wanted(&headers)
    };
    let prometheus = PROMETHEUS.trim_start_matches("Accept: ").trim_end();
    for open in [
        &[prometheus][..],
        &["application/openmetrics-text"],
        &["text/plain;q=0.5", "application/openmetrics-text;q=0.6"],
    ] {
        assert_eq!(form(open), Form::OpenMetrics, "{open:?}");
    }
    for classic in [
        &[][..],
        &["*/*"],
        &["text/plain"],
        &["application/openmetrics-text;q=0"],
        &["application/openmetrics-text;q=0.1, text/plain"],
        &["application/openmetrics-textual"],
    ] {
        assert_eq!(form(classic), Form::Classic, "{classic:?}");
    }
}
