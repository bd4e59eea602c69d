//! How long an event takes from its hook to memtrace's user space: the live source runs as
//! it does in memtrace, and each event is looked at as it comes out of the ring buffer.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use memtrace::hostfs::HostRoot;
use memtrace::probe::{self, Belongings, KernelSide, Reading};
use memtrace::signal::SignalStatus;
use memtrace::source::Source;
use memtrace::source::live::{LiveOptions, LiveSource};
use memtrace_ebpf::{Event, VmCounters};
use memtrace_tests::measured::Latency;
use rustix::time::{ClockId, clock_gettime};

use crate::herd::{sleep, sleeper};

/// As in memtrace: it attends to events between two samples.
const TICK: Duration = Duration::from_secs(1);

/// Measures for so many seconds on the host as it is, and as long with every CPU busy.
pub fn measure(seconds: u64) -> Result<[Latency; 2]> {
    let time = Duration::from_secs(seconds);
    let idle = run("idle", time)?;
    let busy = Busy::start()?;
    let load = format!("{} busy threads on {} CPUs", busy.threads, busy.threads / 2);
    Ok([idle, run(&load, time)?])
}

fn run(load: &str, time: Duration) -> Result<Latency> {
    let root = HostRoot::live().context("reading the table of mounts")?;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kernel = Watched { inner: probe::open(Path::new("/sys"), false)?, seen: seen.clone() };
    let options = LiveOptions { libvirt: false, qmp: false };
    let mut source = LiveSource::new(root, Ok(Box::new(kernel)), options);
    source.sample(None)?;
    let stop = Arc::new(AtomicBool::new(false));
    let events = std::thread::spawn({
        let stop = stop.clone();
        move || start_and_end(&stop)
    });
    let begun = Instant::now();
    while begun.elapsed() < time {
        source.attend(TICK);
        source.sample(None)?;
    }
    stop.store(true, Ordering::Relaxed);
    events.join().map_err(|_| anyhow::anyhow!("the events' thread panicked"))??;
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
    seen.sort_unstable();
    ensure!(seen.len() >= 100, "only {} events", seen.len());
    let share = |percent: usize| seen[(seen.len() - 1) * percent / 100];
    Ok(Latency {
        load: load.to_owned(),
        events: seen.len() as u64,
        p50_ns: share(50),
        p99_ns: share(99),
        max_ns: share(100),
    })
}

/// Starts processes that look like VMs and end at once, at uneven distances, so that
/// they fall on every moment of a tick.
fn start_and_end(stop: &AtomicBool) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let program = sleeper(dir.path())?;
    let mut pause = 5;
    while !stop.load(Ordering::Relaxed) {
        let status = sleep(&program, "0").status()?;
        ensure!(status.success());
        pause = (pause * 7 + 3) % 23;
        std::thread::park_timeout(Duration::from_millis(pause));
    }
    Ok(())
}

/// The kernel side, with a note of how old each event was.
struct Watched {
    inner: Box<dyn KernelSide>,
    seen: Arc<Mutex<Vec<u64>>>,
}

impl KernelSide for Watched {
    fn signals(&self) -> &[SignalStatus] {
        self.inner.signals()
    }

    fn track(&mut self, tgid: u32, belongings: &Belongings) -> Result<()> {
        self.inner.track(tgid, belongings)
    }

    fn forget(&mut self, tgid: u32) {
        self.inner.forget(tgid);
    }

    fn events(&mut self) -> Vec<Event> {
        let events = self.inner.events();
        let now = clock_gettime(ClockId::Monotonic);
        let now = now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.extend(events.iter().map(|event| now.saturating_sub(event.at_ns)));
        events
    }

    fn event_fd(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        self.inner.event_fd()
    }

    fn swap_ins_need_vmswap(&self) -> bool {
        self.inner.swap_ins_need_vmswap()
    }

    fn counters(&self, tgid: u32) -> Option<VmCounters> {
        self.inner.counters(tgid)
    }

    fn read(&mut self) -> Reading {
        self.inner.read()
    }
}

/// Twice as many busy processes as there are CPUs; ended when this is dropped.
struct Busy {
    threads: usize,
    children: Vec<Child>,
}

impl Busy {
    fn start() -> Result<Self> {
        let threads = 2 * std::thread::available_parallelism()?.get();
        let mut busy = Self { threads, children: Vec::new() };
        for _ in 0..threads {
            // Ends by itself should we be killed.
            let script = "exec timeout 60 sh -c 'while :; do :; done'";
            let child = Command::new("sh").args(["-c", script]).stdin(Stdio::null()).spawn();
            busy.children.push(child.context("start a busy process")?);
        }
        Ok(busy)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        for child in &mut self.children {
            // timeout passes the signal on to its child, which SIGKILL would orphan.
            let pid = rustix::process::Pid::from_child(child);
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            let _ = child.wait();
        }
    }
}
