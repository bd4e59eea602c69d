//! memtrace at work: its own program, its documents taken as they come.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use memtrace_lab_host::course::{self, Courses};
use serde_json::Value;

use crate::wait;

const ERRORS: &str = "/run/memtrace.errors";
const PATIENCE: Duration = Duration::from_secs(90);

/// A running memtrace. It is killed when this is dropped.
pub struct Tracer {
    child: Child,
    lines: Receiver<Vec<u8>>,
    /// The newest document.
    newest: Value,
    courses: Courses,
}

impl Tracer {
    /// Starts it with these arguments, beside those for documents, and waits for the first.
    ///
    /// # Errors
    /// When it can't run.
    pub fn start(arguments: &[&str]) -> Result<Self> {
        let mut child = Command::new("/bin/memtrace")
            .args(arguments)
            .args(["--json", "--interval", "1", "--count", "3600"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(ERRORS)?)
            .spawn()
            .context("run memtrace")?;
        let output = child.stdout.take().context("memtrace without output")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut tracer = Self { child, lines, newest: Value::Null, courses: Courses::new() };
        tracer.next(1)?;
        Ok(tracer)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The newest document, of those that have come so far.
    ///
    /// # Errors
    /// When memtrace has ended.
    pub fn newest(&mut self) -> Result<&Value> {
        self.drain()?;
        Ok(&self.newest)
    }

    /// Waits for this many more documents, and gives the last of them.
    ///
    /// # Errors
    /// When memtrace ends, or they don't come.
    pub fn next(&mut self, count: usize) -> Result<&Value> {
        self.drain()?;
        let mut missing = count;
        wait::until("a document of memtrace", PATIENCE, || {
            missing = missing.saturating_sub(self.drain()?);
            Ok((missing == 0).then_some(()))
        })?;
        Ok(&self.newest)
    }

    /// Restarts the sums.
    ///
    /// # Errors
    /// When memtrace has ended.
    pub fn begin(&mut self) -> Result<()> {
        self.drain()?;
        self.courses = Courses::new();
        Ok(())
    }

    /// What was shown since then.
    pub fn courses(&self) -> &Courses {
        &self.courses
    }

    /// What it said beside the documents.
    pub fn errors(&self) -> String {
        String::from_utf8_lossy(&fs::read(ERRORS).unwrap_or_default()).trim().to_owned()
    }

    /// Takes in what has come; how many documents.
    fn drain(&mut self) -> Result<usize> {
        let mut count = 0;
        while let Ok(line) = self.lines.try_recv() {
            self.newest =
                serde_json::from_slice(&line).context("memtrace's document is no JSON")?;
            course::take(&mut self.courses, &self.newest);
            count += 1;
        }
        if count == 0
            && let Some(status) = self.child.try_wait()?
        {
            bail!("memtrace ended, {status}: {}", self.errors());
        }
        Ok(count)
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // Our own child, not waited for yet, so the pid is still its own.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
