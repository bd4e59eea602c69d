//! Places to read from, and what is refused of what they answer.

use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::thread;

use super::*;
use memtrace_core::fixture;
use memtrace_core::units::Bytes;
use memtrace_view::export::metrics::{Form, Scene, text};

#[test]
fn old_numbers_and_others_are_refused() {
    let scene = Scene::new(fixture::demo(), fixture::observed(), Bytes(4096), fixture::WALL);
    let page = text(scene, Form::Classic).expect("it is written");
    let all: Vec<Sample> = samples(&page).collect();
    let at = fixture::WALL.0 as f64 / 1e9;
    assert!(of_now(&all, false, at + 100.0).is_ok());
    let old = of_now(&all, false, at + 130.0).expect_err("it is old").to_string();
    assert_eq!(old, "the newest sample is 130 s old");
    let others: Vec<Sample> = samples("go_goroutines 7\n").collect();
    assert!(of_now(&others, false, at).is_err());
}

#[test]
fn one_that_answers_has_a_sample_of_the_last_intervals() {
    let of = |interval: &str| {
        let page = format!("memtrace_sample_timestamp_seconds 1000\n{interval}");
        let all: Vec<Sample> = samples(&page).collect();
        move |age: f64| of_now(&all, true, 1000.0 + age).is_ok()
    };
    let second = of("memtrace_sample_interval_seconds 1\n");
    assert!(second(9.0) && !second(11.0));
    let minute = of("memtrace_sample_interval_seconds 60\n");
    assert!(minute(119.0) && !minute(121.0));
    // Its first one.
    assert!(of("")(119.0));
}

fn answering(mut stream: impl std::io::Read + std::io::Write, answer: &str) {
    let mut head = [0; 1024];
    let read = stream.read(&mut head).expect("a request comes");
    assert!(head[..read].starts_with(b"GET /metrics HTTP/1.1\r\n"));
    stream.write_all(answer.as_bytes()).expect("the client reads");
}

#[test]
fn a_listener_may_be_named_as_it_is_scraped() {
    let place = |text: &str| text.parse::<MetricsSource>();
    let named = place("127.0.0.1:9435").expect("it is a place");
    for url in ["http://127.0.0.1:9435", "http://127.0.0.1:9435/", "http://127.0.0.1:9435/metrics"]
    {
        assert_eq!(place(url).expect(url), named);
    }
    for wrong in
        ["https://127.0.0.1:9435", "http://127.0.0.1:9435/x", "http://unix:/x", "http:///x"]
    {
        assert!(place(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn it_reads_listeners_sockets_and_files() {
    let folder = tempfile::tempdir().expect("there is room");
    let (file, socket) = (folder.path().join("m.prom"), folder.path().join("m.sock"));
    std::fs::write(&file, "memtrace_vms 3\n").expect("there is room");
    let read = |place: String| super::read(&place.parse().expect("it is a place"));
    assert_eq!(read(file.display().to_string()).expect("it is there"), "memtrace_vms 3\n");

    let listener = UnixListener::bind(&socket).expect("it is free");
    let served = thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a client connects");
        answering(stream, "HTTP/1.1 200 OK\r\nx: y\r\n\r\nmemtrace_vms 4\n");
    });
    let text = read(format!("unix:{}", socket.display())).expect("it answers");
    assert_eq!(text, "memtrace_vms 4\n");
    served.join().expect("it was asked");

    for (answer, problem) in [
        ("HTTP/1.1 503 X\r\n\r\nno sample yet\n", "HTTP 503: no sample yet"),
        ("SSH-2.0-OpenSSH\r\n", "not an HTTP answer"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nmemtrace_vms 4\n", "incomplete answer"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
        let address = listener.local_addr().expect("it is bound");
        let served = thread::spawn(move || {
            let (stream, _) = listener.accept().expect("a client connects");
            answering(stream, answer);
        });
        let error = format!("{:#}", read(address.to_string()).expect_err("it is none"));
        assert_eq!(error, format!("cannot read memtrace's metrics from {address}: {problem}"));
        served.join().expect("it was asked");
    }
    assert!("nonsense".parse::<MetricsSource>().is_err());
}
