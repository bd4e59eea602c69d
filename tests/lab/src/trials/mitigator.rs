//! A running `memtrace mitigate`: what it says, step by step, and its end, in
//! order or by force.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{child, wait};

/// Puts a small file system of its own on the folder that is its first argument, and runs
/// the rest. It is gone with the process. Only its owner may write to it, as a journal requires.
const SMALL: &str = "mount -t tmpfs -o size=256k,mode=0700 tmpfs \"$0\" && exec \"$@\"";
const END: Duration = Duration::from_secs(20);
/// More steps than any trial takes, so that it ends by itself.
const MOST: &str = "600";

/// The process; it is ended when this goes out of scope.
pub struct Mitigator {
    child: Child,
    lines: Receiver<String>,
    errors: PathBuf,
}

/// How memtrace runs: whether it acts, and where it keeps its journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Looks,
    Acts,
    /// Acts, with the journal on a file system of 256 KiB that this process alone sees.
    ActsOnSmallDisk,
}

impl Mitigator {
    /// Starts it with a state directory of this name in `folder`, and that configuration.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start(
        memtrace: &Path,
        (folder, name): (&Path, &str),
        configuration: &str,
        how: How,
    ) -> Result<Self> {
        let state = folder.join(name);
        fs::create_dir_all(&state)?;
        let errors = folder.join(format!("{name}.errors"));
        let file = folder.join("memtrace.toml");
        fs::write(&file, configuration)?;
        let mut command = match how {
            How::Looks | How::Acts => Command::new(memtrace),
            How::ActsOnSmallDisk => {
                let mut command = Command::new("unshare");
                command.args(["--mount", "--propagation", "private", "sh", "-c", SMALL]);
                command.arg(&state).arg(memtrace);
                command
            }
        };
        command.arg("mitigate");
        if how != How::Looks {
            command.arg("--enforce");
        }
        let mut child = command
            .args(["--json", "--interval", "1", "--count", MOST])
            .arg("--config")
            .arg(file)
            .arg("--state-dir")
            .arg(state)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&errors)?)
            .spawn()
            .with_context(|| format!("run {}", memtrace.display()))?;
        let lines = child::output(&mut child)?;
        Ok(Self { child, lines, errors })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next step.
    ///
    /// # Errors
    /// When memtrace has ended, or there is none in time.
    pub fn step(&mut self, patience: Duration) -> Result<Value> {
        let line = child::next_line(&self.lines, Instant::now() + patience);
        match line.with_context(|| format!("memtrace mitigate: {}", self.errors()))? {
            Some(line) => Ok(serde_json::from_str(&line)?),
            None => bail!("memtrace ended, {}: {}", self.child.wait()?, self.errors()),
        }
    }

    /// A step that has come already, if there is one.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn waiting(&mut self) -> Result<Option<Value>> {
        Ok(self.lines.try_recv().ok().map(|line| serde_json::from_str(&line)).transpose()?)
    }

    /// Steps until one has what is asked for.
    ///
    /// # Errors
    /// When there is none in time.
    pub fn until<T>(
        &mut self,
        what: &str,
        patience: Duration,
        mut ask: impl FnMut(&Value) -> Option<T>,
    ) -> Result<T> {
        let deadline = Instant::now() + patience;
        loop {
            let step = self.step(patience)?;
            if let Some(answer) = ask(&step) {
                return Ok(answer);
            }
            ensure!(Instant::now() < deadline, "waited in vain: {what}; {}", self.errors());
        }
    }

    /// As `kill -9` does.
    ///
    /// # Errors
    /// When it can't be waited for.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Ends it in order; what it said beside its steps.
    ///
    /// # Errors
    /// When it doesn't end, or not in order.
    pub fn end(mut self) -> Result<String> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).context("ask memtrace to end")?;
        let status = wait::answer("memtrace's end", END, || Ok(self.child.try_wait()?))?;
        ensure!(status.success(), "memtrace ended with {status}: {}", self.errors());
        Ok(self.errors())
    }

    /// What it said so far beside its steps.
    pub fn errors(&self) -> String {
        fs::read_to_string(&self.errors).unwrap_or_default()
    }
}

impl Drop for Mitigator {
    fn drop(&mut self) {
        // Our own child; it may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
