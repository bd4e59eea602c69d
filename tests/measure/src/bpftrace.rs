//! Running bpftrace beside memtrace, to compare with.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use memtrace_lab::{child, interrupt};

/// bpftrace wants tracefs, which not every host mounts; a mount namespace of its own
/// leaves the host's mounts alone.
const SCRIPT: &str =
    "mount -t tracefs nodev /sys/kernel/tracing 2>/dev/null; exec bpftrace -e \"$0\"";
/// How long it may take to compile and attach its programs.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running bpftrace; ended when this is dropped.
pub struct Bpftrace {
    child: Child,
    /// What it prints once it is ready; ends when it ends.
    pub lines: Receiver<String>,
}

impl Bpftrace {
    /// Starts it with this program, and waits until its probes are attached.
    ///
    /// # Errors
    /// When it isn't installed or can't attach; the error holds its last words.
    pub fn start(program: &str) -> Result<Self> {
        // bpftrace attaches the first probe last.
        let program = format!("interval:ms:200 {{ printf(\"ready\\n\"); }} {program}");
        let mut child = Command::new("unshare")
            .args(["--mount", "sh", "-c", SCRIPT, &program])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("start unshare (util-linux)")?;
        let lines = child::output(&mut child)?;
        let mut running = Self { child, lines };
        let deadline = Instant::now() + PATIENCE;
        while let Ok(Some(line)) = child::next_line(&running.lines, deadline) {
            if line == "ready" {
                return Ok(running);
            }
        }
        interrupt::check()?;
        bail!("bpftrace doesn't start: {}", running.last_words())
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn last_words(&mut self) -> String {
        self.end();
        let mut words = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            // Without them the error says less, and that is all.
            let _ = stderr.read_to_string(&mut words);
        }
        words.lines().last().unwrap_or("it said nothing").to_owned()
    }

    fn end(&mut self) {
        // Our own child; it may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Bpftrace {
    fn drop(&mut self) {
        self.end();
    }
}
