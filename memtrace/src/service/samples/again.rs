//! The samples of whoever serves them at a socket: of the next one, once one has ended.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::sync::watch;

use super::read::Samples;
use crate::service::sampling::Incoming;
use memtrace_core::sample::Sample;

/// How often it is tried to connect.
const AGAIN: Duration = Duration::from_millis(500);

/// Those of one memtrace after the other.
#[derive(Debug)]
pub(crate) struct Successors {
    place: PathBuf,
    /// `None`: the last one has ended.
    samples: Option<Samples>,
    /// When it is tried again.
    next: Instant,
    comes_back: bool,
    whose: watch::Sender<String>,
}

impl Successors {
    /// `comes_back`: whether the next one is waited for; else the end of this one is the end.
    pub(crate) fn of(samples: Samples, comes_back: bool) -> Self {
        Self {
            place: samples.place().to_owned(),
            whose: watch::Sender::new(samples.name()),
            samples: Some(samples),
            next: Instant::now(),
            comes_back,
        }
    }

    /// Who takes them, now and from then on.
    pub(crate) fn whose(&self) -> watch::Receiver<String> {
        self.whose.subscribe()
    }

    /// Tries to connect, or waits for the moment to.
    fn connect(&mut self, most: Duration) {
        let early = self.next.saturating_duration_since(Instant::now());
        if !early.is_zero() {
            return thread::park_timeout(early.min(most));
        }
        match Samples::open(&self.place) {
            Ok(samples) => {
                let name = samples.name();
                // The same one again, where it hangs.
                let is_other = self.whose.send_if_modified(|whose| {
                    let is_other = *whose != name;
                    *whose = name;
                    is_other
                });
                if is_other {
                    tracing::info!("{}", samples.notice());
                }
                self.samples = Some(samples);
            }
            Err(error) => tracing::debug!("{}: {error:#}", self.place.display()),
        }
        self.next = Instant::now() + AGAIN;
    }
}

impl Incoming for Successors {
    fn next_within(&mut self, most: Duration) -> Result<Option<Sample>> {
        let Some(samples) = &mut self.samples else {
            self.connect(most);
            return Ok(None);
        };
        let next = samples.next_within(most);
        if next.is_err() {
            self.samples = None;
        }
        next
    }

    fn comes_back(&self) -> bool {
        self.comes_back
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::service::sampling::{self, Handle};
    use memtrace_core::fixture::samples;
    use memtrace_core::live::{Control, Latest};
    use memtrace_core::policy::{Memtrace, Rules};
    use memtrace_core::reactor::Reactor;
    use memtrace_core::units::WallNanos;
    use memtrace_host::clock;
    use memtrace_store::recording::{Origin, Outgoing, Record, greeting};

    /// Reached only by a failing test.
    const LIMIT: Duration = Duration::from_secs(20);

    /// What process `pid` says until these seconds of its.
    fn said(pid: u32, seconds: u64) -> Vec<u8> {
        let (command, version) = ("exporter".to_owned(), "1.2.3".to_owned());
        let origin = Origin { command, version, pid, since: WallNanos(0) };
        let mut bytes = greeting(&origin).expect("it is written");
        let mut outgoing = Outgoing::default();
        let begun = clock::monotonic().0;
        for second in 1..=seconds {
            let vm = samples::counting(samples::vm("web", 7), |row| row.user_faults = second);
            let mut sample = samples::sample(second, vec![vm]);
            sample.at.0 += begun;
            let frame = outgoing.frame(vec![Record { sample, reaction: None }]);
            bytes.extend(frame.expect("it is written"));
        }
        bytes
    }

    /// Waits until what is newest is of this kind.
    async fn newest(handle: &mut Handle, is_it: impl Fn(&Latest) -> bool) -> Latest {
        let waiting = tokio::time::timeout(LIMIT, handle.latest.wait_for(is_it));
        waiting.await.expect("in time").expect("the loop runs").clone()
    }

    fn has_rates(latest: &Latest) -> bool {
        matches!(latest, Latest::Snapshot(snapshot) if snapshot.interval.is_some())
    }

    #[tokio::test]
    async fn the_end_of_one_is_told_and_the_next_one_is_read_from_its_beginning() {
        let folder = tempfile::tempdir().expect("there is room");
        let place = folder.path().join("s.sock");
        let listener = UnixListener::bind(&place).expect("it is free");
        let (samples, first) = std::thread::scope(|scope| {
            let opened = scope.spawn(|| Samples::open(&place).expect("it is one"));
            let (mut stream, _) = listener.accept().expect("somebody comes");
            stream.write_all(&said(41, 9)).expect("it is read");
            (opened.join().expect("no panic"), stream)
        });
        let successors = Successors::of(samples, true);
        let whose = successors.whose();
        let control = Control { interval: Duration::from_secs(1), detail: None, stop: false };
        let reactor =
            |_: &Sample| Some(Reactor::on_paper(Box::new(Memtrace::new(Rules::default()))));
        let mut handle = sampling::follow(Box::new(successors), reactor, control);
        newest(&mut handle, has_rates).await;
        assert_eq!(*whose.borrow(), "memtrace exporter (process 41)");
        drop(first);
        let waiting = newest(&mut handle, |latest| matches!(latest, Latest::Waiting(_))).await;
        let Latest::Waiting(why) = waiting else { panic!("just seen") };
        assert_eq!(
            &*why,
            "memtrace exporter (process 41) has ended, has no room for one more reader, or found \
             this process too slow"
        );
        let (mut stream, _) = listener.accept().expect("it comes back");
        stream.write_all(&said(42, 3)).expect("it is read");
        let Latest::Snapshot(snapshot) = newest(&mut handle, has_rates).await else {
            panic!("just seen")
        };
        assert_eq!(*whose.borrow(), "memtrace exporter (process 42)");
        // Not since a sample of the first one, whose clock and counters were ahead.
        assert_eq!(snapshot.interval.expect("just seen").0, 1_000_000_000);
        let text = &snapshot.notices.last().expect("it tells whose it is").text;
        assert!(text.starts_with("numbers of memtrace exporter (process 42)"), "{text}");
        handle.stop(LIMIT).await;
    }
}
