//! Streams over socket pairs, and sockets that don't answer.

use std::fs;
use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::UnixListener;

use super::*;
use crate::service::sampling;
use memtrace_core::fixture::samples;
use memtrace_core::live::{Control, Latest};
use memtrace_core::policy::{Memtrace, Rules};
use memtrace_core::reactor::Reactor;
use memtrace_core::units::WallNanos;
use memtrace_host::hostfs::fake::FakeHost;
use memtrace_store::recording::{Outgoing, Record, greeting};

fn begin() -> Vec<u8> {
    let (command, version) = ("exporter".to_owned(), "1.2.3".to_owned());
    greeting(&Origin { command, version, pid: 42, since: WallNanos(0) }).expect("it is written")
}

/// A stream of these milliseconds.
fn stream(moments: impl IntoIterator<Item = u64>) -> Vec<u8> {
    let mut outgoing = Outgoing::default();
    let frames = moments.into_iter().map(|at| {
        let mut sample = samples::sample(1, vec![samples::vm("web", 7)]);
        sample.at.0 = at * 1_000_000;
        sample.wall.0 += sample.at.0;
        outgoing.frame(vec![Record { sample, reaction: None }]).expect("it is written")
    });
    std::iter::once(begin()).chain(frames).collect::<Vec<_>>().concat()
}

/// The same in one frame, as the first two come.
fn both(moments: impl Iterator<Item = u64>) -> Vec<u8> {
    let records = moments.map(|at| {
        let mut sample = samples::sample(1, vec![samples::vm("web", 7)]);
        sample.at.0 = at * 1_000_000;
        Record { sample, reaction: None }
    });
    let frame = Outgoing::default().frame(records.collect()).expect("it is written");
    [begin(), frame].concat()
}

/// What is said at once, and then the end.
fn saying(bytes: &[u8]) -> Samples {
    let (ours, mut theirs) = UnixStream::pair().expect("there is a pair");
    theirs.write_all(bytes).expect("it fits");
    theirs.shutdown(Shutdown::Both).expect("it is open");
    let samples = Samples::of(ours, Path::new("s.sock")).expect("it is a stream");
    Samples { now: || Nanos(0), ..samples }
}

#[test]
fn a_look_is_over_the_interval_or_a_little_less_or_more() {
    let look = |moments: &[u64], seconds| {
        let looked = saying(&stream(moments.iter().copied())).look(Duration::from_secs(seconds));
        looked.map(|snapshot| snapshot.interval.expect("there are two").0 / 1_000_000)
    };
    assert_eq!(look(&[0, 1000, 1990, 3000], 2).expect("there are enough"), 1990);
    assert_eq!(look(&[0, 5000, 10_000], 2).expect("there are enough"), 5000);
    let error = look(&[0, 1000], 2).expect_err("it ends before").to_string();
    assert_eq!(
        error,
        "memtrace exporter (process 42) has ended, has no room for one more reader, or found this process too slow"
    );
}

#[test]
fn a_stream_that_is_cut_says_so() {
    let bytes = stream([0, 1000]);
    let error = saying(&bytes[..bytes.len() - 1]).look(Duration::from_secs(1));
    let error = error.expect_err("it is cut").to_string();
    assert_eq!(error, "memtrace exporter (process 42): it ended within a sample");
}

#[tokio::test]
async fn a_view_shows_each_sample_that_is_due_whose_it_is_and_the_end() {
    let samples = saying(&stream([0, 500, 1000, 1990, 2500, 3000]));
    let control = Control { interval: Duration::from_secs(1), detail: None, stop: false };
    let reactor = |first: &Sample| {
        assert_eq!(first.at.0, 0);
        Some(Reactor::on_paper(Box::new(Memtrace::new(Rules::default()))))
    };
    let mut handle = sampling::follow(Box::new(samples), reactor, control);
    let ended = |latest: &Latest| matches!(latest, Latest::Failed(_));
    let waiting = tokio::time::timeout(PATIENCE * 4, handle.latest.wait_for(ended));
    let Latest::Failed(text) = waiting.await.expect("in time").expect("it ends").clone() else {
        panic!("just seen")
    };
    assert!(text.contains("memtrace exporter (process 42) has ended"), "{text}");
    let step = handle.step.borrow().clone().expect("it was decided");
    assert_eq!(step.snapshot.interval.expect("it has rates").0, 1_010_000_000);
    let last = handle.samples.borrow().clone().expect("there was one");
    assert_eq!(last.at.0, 3_000_000_000);
    let notice = &last.notices.last().expect("it tells whose it is").text;
    assert!(
        notice.starts_with("numbers of memtrace exporter (process 42), since 1970-01-0"),
        "{notice}"
    );
}

#[test]
fn nobody_who_serves_is_no_error_unless_asked_for() {
    let folder = tempfile::tempdir().expect("there is room");
    let (none, stale) = (folder.path().join("none"), folder.path().join("stale"));
    drop(UnixListener::bind(&stale).expect("it is free"));
    let host = FakeHost::unified();
    for socket in [none, stale] {
        let config = SamplesConfig { serve: true, socket: socket.clone() };
        let found = samples(&SamplesArguments::default(), Some(&config), &host.root());
        assert!(found.expect("it can measure").is_none(), "{socket:?}");
        let asked =
            SamplesArguments { samples: Some(socket.clone()), ..SamplesArguments::default() };
        let error = samples(&asked, Some(&config), &host.root()).expect_err("it was asked for");
        let error = format!("{error:#}");
        let told = format!("cannot read the samples of another memtrace from {}", socket.display());
        assert!(error.starts_with(&told), "{error}");
    }
}

#[test]
fn what_serves_is_read_unless_told_to_measure_and_something_else_is_not() {
    let folder = tempfile::tempdir().expect("there is room");
    let socket = folder.path().join("s.sock");
    let listener = UnixListener::bind(&socket).expect("it is free");
    let config = SamplesConfig { serve: true, socket: socket.clone() };
    let host = FakeHost::unified();
    let ask = |typed: &SamplesArguments, answer: &[u8]| {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let (mut stream, _) = listener.accept().expect("somebody comes");
                // It may be gone already.
                let _ = stream.write_all(answer);
            });
            samples(typed, Some(&config), &host.root())
        })
    };
    let found = ask(&SamplesArguments::default(), &begin()).expect("it is one").expect("it serves");
    assert_eq!(found.incoming.origin().pid, 42);
    let typed = SamplesArguments { samples: Some(socket.clone()), ..SamplesArguments::default() };
    assert!(ask(&typed, &begin()).expect("it is one").is_some());
    for (answer, told) in [
        (&b""[..], "closed; there may be no room"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "not a recording of memtrace"),
    ] {
        assert!(ask(&SamplesArguments::default(), answer).expect("it measures").is_none());
        let error = format!("{:#}", ask(&typed, answer).expect_err("it was asked for"));
        assert!(error.ends_with(told), "{error}");
    }
    for typed in [
        SamplesArguments { attach: true, ..SamplesArguments::default() },
        SamplesArguments { always: true, ..SamplesArguments::default() },
    ] {
        assert!(samples(&typed, Some(&config), &host.root()).expect("it measures").is_none());
    }
}

#[test]
fn whoever_may_not_read_is_told_the_group() {
    let refused = || Error::new(io::Error::from(io::ErrorKind::PermissionDenied));
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("s.sock");
    fs::write(&path, "").expect("there is room");
    let text = format!("{:#}", told(&path, refused()));
    assert!(text.contains(": members of the group ") && text.contains(" may: "), "{text}");
    assert_eq!(group(Path::new("/proc/self/no/such")), GROUP);
}

#[test]
fn samples_of_one_that_hangs_are_not_shown() {
    let late = |seconds: &[u64], now| {
        let moments = seconds.iter().map(|second| second * 1000);
        let mut samples = Samples { now, ..saying(&both(moments)) };
        samples.look(Duration::from_secs(1)).map(|snapshot| snapshot.interval)
    };
    let told = "memtrace exporter (process 42) takes no samples: the newest is 20 s old";
    let error = late(&[1, 2], || Nanos(22_000_000_000)).expect_err("it hangs").to_string();
    assert_eq!(error, told);
    late(&[1, 2], || Nanos(12_000_000_000)).expect("it is only late");
    // Its interval is 10 s.
    late(&[1, 11], || Nanos(31_000_000_000)).expect("it is only late");
}
