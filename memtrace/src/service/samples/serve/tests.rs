//! Readers over socket pairs, and the sampling loop's samples.

use std::os::unix::net::UnixStream as StdUnixStream;

use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::net::UnixStream;

use super::*;
use memtrace_core::fixture::samples;
use memtrace_store::recording::Incoming;

/// Reached only by a failing test.
const LIMIT: Duration = Duration::from_secs(20);

fn sample(second: u64) -> Arc<Sample> {
    Arc::new(samples::sample(second, vec![samples::vm("web", second as u32)]))
}

fn server() -> Server {
    Server::new(&origin("exporter")).expect("it is written")
}

/// A reader's two ends.
fn pair() -> (UnixStream, UnixStream) {
    UnixStream::pair().expect("there is a pair")
}

/// All that comes until the end, and whether that is between two frames.
async fn read(stream: UnixStream) -> (Vec<Sample>, bool) {
    let stream = stream.into_std().expect("it was one");
    stream.set_nonblocking(false).expect("it is a socket");
    stream.set_read_timeout(Some(LIMIT)).expect("it is a socket");
    let reading = tokio::task::spawn_blocking(move || all(stream));
    reading.await.expect("no panic")
}

fn all(stream: StdUnixStream) -> (Vec<Sample>, bool) {
    let mut incoming = Incoming::open(stream).expect("it is a stream");
    assert_eq!(
        (&*incoming.origin().command, incoming.origin().pid),
        ("exporter", std::process::id())
    );
    let mut all = Vec::new();
    loop {
        match incoming.receive() {
            Ok(Some(moment)) => all.push(moment.sample),
            Ok(None) => return (all, true),
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
                return (all, false);
            }
        }
    }
}

fn seconds(all: &[Sample]) -> Vec<u64> {
    all.iter().map(|sample| sample.at.0 / 1_000_000_000).collect()
}

/// Waits until this many readers are left.
async fn until_left(server: &Server, count: usize) {
    let left = || server.readers.iter().filter(|reader| !reader.task.is_finished()).count();
    let waiting = async {
        while left() != count {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, waiting).await.expect("in time");
}

#[tokio::test]
async fn a_reader_gets_the_last_two_samples_at_once_and_then_each() {
    let mut server = server();
    for second in 1..=3 {
        server.pass(sample(second)).await.expect("it is packed");
    }
    let (early, reads_early) = pair();
    server.admit(early).await.expect("there is room");
    server.pass(sample(4)).await.expect("it is packed");
    let (late, reads_late) = pair();
    server.admit(late).await.expect("there is room");
    for second in 5..=6 {
        server.pass(sample(second)).await.expect("it is packed");
    }
    // What waits for them is still sent.
    for reader in &mut server.readers {
        let (closed, _) = mpsc::channel(1);
        reader.frames = closed;
    }
    let (early, in_order) = read(reads_early).await;
    assert_eq!((seconds(&early), in_order), (vec![2, 3, 4, 5, 6], true));
    assert_eq!(early, (2..=6).map(|second| (*sample(second)).clone()).collect::<Vec<_>>());
    let (late, in_order) = read(reads_late).await;
    assert_eq!((seconds(&late), in_order), (vec![3, 4, 5, 6], true));
}

#[tokio::test]
async fn one_that_does_not_read_is_dropped_and_nobody_waits_for_it() {
    let mut server = server();
    let (slow, reads_slowly) = pair();
    // Full soon.
    set_socket_send_buffer_size(&slow, 4096).expect("it is a socket");
    let (fast, reads_fast) = pair();
    server.admit(slow).await.expect("there is room");
    server.admit(fast).await.expect("there is room");
    let fast = tokio::spawn(read(reads_fast));
    let mut passed = 0;
    let passing = async {
        while server.readers.len() > 1 {
            passed += 1;
            let vms = (0..5).map(|vm| samples::vm(&format!("{passed} {vm}"), vm)).collect();
            server.pass(Arc::new(samples::sample(passed, vms))).await.expect("it is packed");
            // The other one has its time.
            while server.readers.last().is_some_and(|last| last.frames.capacity() < WAITING) {
                tokio::task::yield_now().await;
            }
        }
    };
    timeout(LIMIT, passing).await.expect("it is dropped in time");
    drop(server);
    let (fast, _) = fast.await.expect("no panic");
    assert!(fast.len() as u64 >= passed - 1, "{} of {passed}", fast.len());
    // Everything before is whole.
    let (slow, _) = read(reads_slowly).await;
    assert!(!slow.is_empty() && (slow.len() as u64) < passed, "{} of {passed}", slow.len());
    assert_eq!(seconds(&slow), (1..=slow.len() as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn there_are_so_many_readers_and_no_more() {
    let mut server = server();
    let mut readers = Vec::new();
    for _ in 0..MOST {
        let (ours, reads) = pair();
        server.admit(ours).await.expect("there is room");
        readers.push(reads);
    }
    let (ours, mut refused) = pair();
    server.admit(ours).await.expect("it is no error");
    assert_eq!(server.readers.len(), MOST);
    // It is told by whom.
    let mut told = Vec::new();
    let reading = timeout(LIMIT, refused.read_to_end(&mut told)).await;
    reading.expect("at once").expect("it ends in order");
    assert_eq!(told, server.greeting.to_vec());
    // One that goes makes room for another.
    readers.pop();
    until_left(&server, MOST - 1).await;
    let (ours, mut taken) = pair();
    server.admit(ours).await.expect("there is room");
    assert!(timeout(LIMIT, taken.read_u8()).await.expect("in time").is_ok());
}

#[tokio::test]
async fn one_that_says_something_is_cut() {
    let mut server = server();
    let (ours, mut speaks) = pair();
    server.admit(ours).await.expect("there is room");
    until_left(&server, 1).await;
    speaks.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").await.expect("it is open");
    until_left(&server, 0).await;
    server.pass(sample(1)).await.expect("nobody gets it");
    assert!(server.readers.is_empty());
}
