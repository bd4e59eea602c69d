//! The parent's side of the guest process: commands, and termination.

use std::io::{Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::guest;
use crate::sys::interrupt::Interrupt;

/// Interval of checks for signals.
const SLICE: Duration = Duration::from_millis(100);
/// Longest answer of a guest.
const LONGEST: usize = 4096;

/// Parameters of a guest.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub kvm: bool,
    pub mib: u32,
    /// Pages between two answers.
    pub stretch: u32,
}

/// A guest's process, which waits for commands. It is killed on drop.
#[derive(Debug)]
pub struct Guest {
    child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
    interrupt: Interrupt,
}

impl Guest {
    /// Starts this program again, as a guest. It ends with the thread that calls this, so
    /// call it where the run ends.
    ///
    /// # Errors
    /// When it doesn't start.
    pub fn spawn(shape: Shape, interrupt: &Interrupt) -> Result<Self> {
        let program = std::env::current_exe().context("cannot find this program")?;
        let mut command = Command::new(program);
        command
            .args([guest::COMMAND, "--parent", &std::process::id().to_string()])
            .args(["--mib", &shape.mib.to_string(), "--stretch", &shape.stretch.to_string()])
            .args(shape.kvm.then_some("--kvm"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C is for the parent, who then ends this one.
            .process_group(0);
        let mut child = command.spawn().context("cannot start the guest")?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (stdin, stdout) = pipes.context("the guest's pipes are missing")?;
        Ok(Self { child, stdin, stdout, interrupt: interrupt.clone() })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Takes its memory.
    ///
    /// # Errors
    /// When it can't, or doesn't answer in time.
    pub fn start(&mut self, patience: Duration) -> Result<()> {
        self.tell("start", patience)
    }

    /// Has it write to the next stretch of its memory, and waits until it has.
    ///
    /// # Errors
    /// When it can't, or doesn't answer in time, or is gone.
    pub fn walk(&mut self, patience: Duration) -> Result<()> {
        self.tell("walk", patience)
    }

    fn tell(&mut self, command: &str, patience: Duration) -> Result<()> {
        self.interrupt.check()?;
        writeln!(self.stdin, "{command}")
            .and_then(|()| self.stdin.flush())
            .context("the guest has exited")?;
        match self.answer(Instant::now() + patience)?.as_str() {
            "ok" => Ok(()),
            refusal => bail!("{refusal}"),
        }
    }

    fn answer(&mut self, deadline: Instant) -> Result<String> {
        let mut answer = Vec::new();
        loop {
            self.interrupt.check()?;
            if Instant::now() > deadline {
                bail!("no answer from the guest");
            }
            if !self.is_readable()? {
                continue;
            }
            let mut chunk = [0_u8; 256];
            let length = self.stdout.read(&mut chunk).context("cannot read from the guest")?;
            answer.extend(chunk.iter().take(length));
            if length == 0 || answer.len() > LONGEST {
                bail!("the guest ended ({})", self.child.wait().context("wait for the guest")?);
            }
            if let Some(line) = answer.strip_suffix(b"\n") {
                return Ok(String::from_utf8_lossy(line).into_owned());
            }
        }
    }

    fn is_readable(&self) -> Result<bool> {
        let mut descriptors = [PollFd::new(&self.stdout, PollFlags::IN)];
        let slice = Timespec::try_from(SLICE).context("a time to wait")?;
        match poll(&mut descriptors, Some(&slice)) {
            Ok(ready) => Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error).context("cannot wait for the guest"),
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // Our own child, which may be gone already.
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait().map(drop)) {
            tracing::warn!("the guest (process {}) doesn't end: {error}", self.child.id());
        }
    }
}
