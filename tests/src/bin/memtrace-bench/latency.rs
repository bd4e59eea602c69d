//! Latency of an event from its hook to memtrace's user space: the live source runs as it does in
//! memtrace, and each event has the time when it left the ring buffer.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use memtrace_core::source::Source;
use memtrace_host::hostfs::HostRoot;
use memtrace_host::live::{LiveOptions, LiveSource};
use memtrace_host::probe::{self, Hooking};
use memtrace_measure::measured::Latency;

use crate::herd::{sleep, sleeper};
use crate::watched::{Seen, Watched};

/// As in memtrace: it handles events between two samples.
const TICK: Duration = Duration::from_secs(1);

/// Measures for this many seconds on the host as it is, and as long with every CPU busy.
pub fn measure(seconds: u64) -> Result<[Latency; 2]> {
    let time = Duration::from_secs(seconds);
    in_both(|load| run(load, time))
}

/// Measures on the host as it is, and with every CPU busy.
pub fn in_both(run: impl Fn(&str) -> Result<Latency>) -> Result<[Latency; 2]> {
    let idle = run("idle")?;
    let busy = Busy::start()?;
    let load = format!("{} busy threads on {} CPUs", busy.threads, busy.threads / 2);
    Ok([idle, run(&load)?])
}

/// Statistics of the measured times.
pub fn latency(load: &str, mut nanoseconds: Vec<u64>) -> Latency {
    nanoseconds.sort_unstable();
    let last = nanoseconds.len().saturating_sub(1);
    let share = |percent: usize| nanoseconds.get(last * percent / 100).copied().unwrap_or(0);
    Latency {
        load: load.to_owned(),
        events: nanoseconds.len() as u64,
        p50_ns: share(50),
        p99_ns: share(99),
        max_ns: share(100),
    }
}

fn run(load: &str, time: Duration) -> Result<Latency> {
    let root = HostRoot::live().context("reading the table of mounts")?;
    let seen = Seen::default();
    let kernel =
        Watched::new(probe::open(Path::new("/sys"), false, Hooking::OnDemand)?, seen.clone());
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
        source.wait(TICK);
        source.sample(None)?;
    }
    stop.store(true, Ordering::Relaxed);
    events.join().map_err(|_| anyhow::anyhow!("the events' thread panicked"))??;
    let seen = seen.take();
    ensure!(seen.len() >= 100, "only {} events", seen.len());
    let ages = seen.iter().map(|arrived| arrived.seen.0.saturating_sub(arrived.event.at_ns));
    Ok(latency(load, ages.collect()))
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
            let script = "exec timeout 600 sh -c 'while :; do :; done'";
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
