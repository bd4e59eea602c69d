//! A stand-in for a VM: an ordinary process under a VMM's name that uses memory on request. Cheap
//! enough to start by the hundred, and it faults like the memory of a VM without KVM.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};

/// First argument that makes a test binary play the stand-in.
pub const ROLE: &str = "--play-stand-in";

const PAGE: usize = 4096;
const MIB: usize = 1024 * 1024;
/// Most memory that a stand-in will take.
const MAX_MIB: usize = 1024;
/// Most threads that a stand-in will start.
const MAX_THREADS: usize = 256;

/// Plays the stand-in if this process was started as one. Call it first in `main`.
pub fn play_if_asked() {
    if std::env::args().nth(1).as_deref() == Some(ROLE) {
        let status = match play() {
            Ok(()) => 0,
            Err(error) => {
                eprintln!("stand-in: {error:#}");
                1
            }
        };
        std::process::exit(status);
    }
}

/// Obeys a line at a time and answers each with `ok`: `touch N` writes to every page of
/// N MiB, `hoard N` opens N descriptors, `threads N` starts N idle threads, `rename NAME` takes
/// another name, `exit` ends, as does the end of input.
fn play() -> Result<()> {
    let mut memory: Vec<u8> = Vec::new();
    let mut hoard: Vec<File> = Vec::new();
    let mut round = 0_u8;
    // Each page that it touches is to be a fault, on kernels with huge pages too.
    rustix::thread::disable_transparent_huge_pages(true)?;
    println!("ok");
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        match line.split_once(' ') {
            Some(("touch", mib)) => {
                let mib: usize = mib.parse().context("how many MiB?")?;
                ensure!(mib <= MAX_MIB, "{mib} MiB is more than {MAX_MIB}");
                if memory.len() < mib * MIB {
                    memory = vec![0; mib * MIB];
                }
                round = round.wrapping_add(1);
                for page in memory[..mib * MIB].chunks_mut(PAGE) {
                    page[0] = round;
                }
            }
            Some(("hoard", count)) => {
                let count: usize = count.parse().context("how many descriptors?")?;
                let opened: std::io::Result<Vec<File>> =
                    (0..count).map(|_| File::open("/dev/null")).collect();
                hoard.extend(opened.context("open descriptors")?);
            }
            Some(("threads", count)) => {
                let count: usize = count.parse().context("how many threads?")?;
                ensure!(count <= MAX_THREADS, "{count} threads are more than {MAX_THREADS}");
                for _ in 0..count {
                    let idle = || loop {
                        std::thread::park();
                    };
                    std::thread::Builder::new().spawn(idle).context("start a thread")?;
                }
            }
            Some(("rename", name)) => std::fs::write("/proc/self/comm", name)?,
            _ => ensure!(line == "exit", "what is {line:?}?"),
        }
        if line == "exit" {
            break;
        }
        println!("ok");
    }
    Ok(())
}

/// A running stand-in. It is ended when this is dropped.
pub struct StandIn {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl StandIn {
    /// Starts this test binary under the name `name`, by a link in `dir`.
    ///
    /// # Errors
    /// When it doesn't start.
    pub fn start(dir: &Path, name: &str) -> Result<Self> {
        Self::start_as(dir, name, None)
    }

    /// The same as a process of this user, who has to be able to reach `dir`.
    ///
    /// # Errors
    /// As [`Self::start`], and without the privilege.
    pub fn start_as(dir: &Path, name: &str, user: Option<u32>) -> Result<Self> {
        let program = dir.join(name);
        if !program.exists() {
            let this = std::env::current_exe().context("find this test binary")?;
            // A link may be refused across file systems.
            if std::fs::hard_link(&this, &program).is_err() {
                std::fs::copy(&this, &program).context("copy this test binary")?;
            }
        }
        let mut command = Command::new(&program);
        command.arg(ROLE).stdin(Stdio::piped()).stdout(Stdio::piped());
        if let Some(user) = user {
            command.uid(user);
        }
        let mut child = command.spawn().with_context(|| format!("start {name}"))?;
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().context("its output")?);
        let mut standin = Self { child, stdin, stdout };
        standin.answer()?;
        Ok(standin)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Makes it write to every page of the first `mib` MiB of its memory, and waits.
    ///
    /// # Errors
    /// When it is gone.
    pub fn touch(&mut self, mib: usize) -> Result<()> {
        self.order(&format!("touch {mib}"))
    }

    /// Makes it open so many descriptors, and waits.
    ///
    /// # Errors
    /// When it is gone, or may not have as many.
    pub fn hoard(&mut self, descriptors: usize) -> Result<()> {
        self.order(&format!("hoard {descriptors}"))
    }

    /// Makes it start so many threads that do nothing, and waits.
    ///
    /// # Errors
    /// When it is gone, or may not have as many.
    pub fn spawn_threads(&mut self, threads: usize) -> Result<()> {
        self.order(&format!("threads {threads}"))
    }

    /// Makes it take another name, of 15 bytes at most.
    ///
    /// # Errors
    /// When it is gone.
    pub fn rename(&mut self, name: &str) -> Result<()> {
        self.order(&format!("rename {name}"))
    }

    fn order(&mut self, order: &str) -> Result<()> {
        let stdin = self.stdin.as_mut().context("its input")?;
        writeln!(stdin, "{order}").and_then(|()| stdin.flush()).context("tell the stand-in")?;
        self.answer()
    }

    fn answer(&mut self) -> Result<()> {
        let mut line = String::new();
        self.stdout.read_line(&mut line).context("hear from the stand-in")?;
        ensure!(line == "ok\n", "the stand-in says {line:?}");
        Ok(())
    }

    /// Ends it and waits for its end.
    ///
    /// # Errors
    /// When waiting fails.
    pub fn end(mut self) -> Result<()> {
        self.stdin = None;
        self.child.wait().context("wait for the stand-in")?;
        Ok(())
    }

    /// Kills it, with all the memory that it has, and waits for its end.
    ///
    /// # Errors
    /// When it is gone.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill().context("kill the stand-in")?;
        self.child.wait().context("wait for the stand-in")?;
        Ok(())
    }

    /// A number from its /proc/PID/status, in pages.
    ///
    /// # Errors
    /// When it is gone or has no such line.
    pub fn status_pages(&self, key: &str) -> Result<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        let kib = value.and_then(|value| value.split_whitespace().next());
        let kib: u64 = kib.with_context(|| format!("no {key} in status"))?.parse()?;
        Ok(kib * 1024 / rustix::param::page_size() as u64)
    }

    /// Waits until it sleeps, and so has nothing left to do but to wait for an order.
    ///
    /// # Errors
    /// When it doesn't go to sleep.
    pub fn rest(&self) -> Result<()> {
        let path = format!("/proc/{}/stat", self.pid());
        crate::wait::until("the stand-in to rest", || {
            let text = std::fs::read_to_string(&path).ok()?;
            text.rsplit_once(')')?.1.trim_start().starts_with('S').then_some(())
        })
    }

    /// Minor and major faults from its /proc/PID/stat.
    ///
    /// # Errors
    /// When it is gone.
    pub fn faults(&self) -> Result<(u64, u64)> {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.pid()))?;
        let fields = text.rsplit_once(')').context("no command in stat")?.1;
        let field = |index: usize| -> Result<u64> {
            let field = fields.split_whitespace().nth(index).context("stat is too short")?;
            field.parse().context("a number in stat")
        };
        Ok((field(7)?, field(9)?))
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.stdin = None;
        // Best effort: it is our own child, and may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
