//! The processes that the benchmark needs: those that are slowed down, and memtrace.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use memtrace_lab::child;
use memtrace_lab::local::process::Process;

/// How long one order may take, and memtrace until it sees the VMs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process that faults and swaps at command.
pub struct Worker {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
}

impl Worker {
    /// Starts `program`, in the memory cgroup `cgroup` if one is given.
    ///
    /// # Errors
    /// When it doesn't start.
    pub fn start(program: &Path, cgroup: Option<&Path>) -> Result<Self> {
        let mut child = Command::new(program)
            .arg("load")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        let stdin = child.stdin.take().context("a child without input")?;
        let lines = child::output(&mut child)?;
        let mut worker = Self { child, stdin, lines };
        worker.answer()?;
        if let Some(cgroup) = cgroup {
            memtrace_lab::local::cgroup::make(cgroup)?;
            let pid = worker.pid().to_string();
            fs::write(cgroup.join("cgroup.procs"), pid).context("move a worker to its cgroup")?;
        }
        Ok(worker)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Gives an order and waits for its end: the nanoseconds of CPU time that it took.
    ///
    /// # Errors
    /// When it is gone, or too slow, or the user interrupts.
    pub fn tell(&mut self, order: &str) -> Result<f64> {
        writeln!(self.stdin, "{order}").context("tell a worker")?;
        self.answer().with_context(|| format!("worker, {order}"))
    }

    fn answer(&mut self) -> Result<f64> {
        Ok(next_line(&self.lines, Instant::now() + PATIENCE)?.trim().parse()?)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Our own child; it may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Programs that do nothing, on memtrace's hooks; detached when this is dropped.
pub struct Empty {
    child: Child,
}

impl Empty {
    /// Starts `program` (memtrace-bench), and waits until they are attached.
    ///
    /// # Errors
    /// When the kernel lacks one of the tracepoints.
    pub fn start(program: &Path, tracepoints: &[&str]) -> Result<Self> {
        let mut child = Command::new(program)
            .arg("empty")
            .args(tracepoints)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        let lines = child::output(&mut child)?;
        let empty = Self { child };
        next_line(&lines, Instant::now() + PATIENCE).context("empty programs")?;
        Ok(empty)
    }
}

impl Drop for Empty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// memtrace itself, sampling once a second.
pub struct Memtrace {
    child: Child,
    lines: Receiver<String>,
}

impl Memtrace {
    /// Starts it with all hooks and waits until it has seen the VMs with these process ids.
    ///
    /// # Errors
    /// When it doesn't see them.
    pub fn start(program: &Path, vms: &[u32]) -> Result<Self> {
        let mut child = Command::new(program)
            .args(["top", "--json", "--no-libvirt", "--always"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        let lines = child::output(&mut child)?;
        let memtrace = Self { child, lines };
        let deadline = Instant::now() + PATIENCE;
        loop {
            let document = next_line(&memtrace.lines, deadline).context("memtrace")?;
            if vms.iter().all(|pid| document.contains(&format!("\"pid\":{pid},"))) {
                return Ok(memtrace);
            }
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it; its programs are detached when this returns.
    ///
    /// # Errors
    /// When it doesn't end.
    pub fn stop(self) -> Result<()> {
        Process::of(self.child.id().try_into()?)?.end(Duration::from_secs(10))
    }
}

impl Drop for Memtrace {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn next_line(lines: &Receiver<String>, deadline: Instant) -> Result<String> {
    child::next_line(lines, deadline)?.context("it has ended")
}

/// The same program under another name, in `folder`.
///
/// # Errors
/// When it can't be copied.
pub fn rename(program: &Path, folder: &Path, name: &str) -> Result<PathBuf> {
    let copy = folder.join(name);
    fs::copy(program, &copy).with_context(|| format!("copy {}", program.display()))?;
    // Written to the end before it runs.
    File::open(&copy)?.sync_all()?;
    Ok(copy)
}
