//! memtrace at work: its own program, its documents read as they come.

use std::fs::{self, File};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::wait;

const OUTPUT: &str = "/run/memtrace.json";
const ERRORS: &str = "/run/memtrace.errors";
const PATIENCE: Duration = Duration::from_secs(90);

/// A running memtrace. It is killed when this is dropped.
pub struct Tracer {
    child: Child,
}

impl Tracer {
    /// Starts it, and waits for its first document.
    ///
    /// # Errors
    /// When it can't run.
    pub fn start() -> Result<Self> {
        let child = Command::new("/bin/memtrace")
            .args(["top", "--json", "--interval", "1", "--count", "600"])
            .stdin(Stdio::null())
            .stdout(File::create(OUTPUT)?)
            .stderr(File::create(ERRORS)?)
            .spawn()
            .context("run memtrace")?;
        let mut tracer = Self { child };
        tracer.document(1)?;
        Ok(tracer)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How many documents there are.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn documents(&self) -> Result<usize> {
        Ok(fs::read(OUTPUT)?.iter().filter(|byte| **byte == b'\n').count())
    }

    /// The document of this number, counted from 1; waits for it.
    ///
    /// # Errors
    /// When memtrace ends, or the document doesn't come.
    pub fn document(&mut self, number: usize) -> Result<Value> {
        let line = wait::until("a document of memtrace", PATIENCE, || {
            let bytes = fs::read(OUTPUT)?;
            let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
            if let Some(line) = lines.nth(number.saturating_sub(1))
                && line.ends_with(b"\n")
            {
                return Ok(Some(line.to_vec()));
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("memtrace ended, {status}: {}", self.errors());
            }
            Ok(None)
        })?;
        serde_json::from_slice(&line).context("memtrace's document is no JSON")
    }

    /// All documents so far.
    ///
    /// # Errors
    /// When they can't be read.
    pub fn all(&self) -> Result<Vec<Value>> {
        let bytes = fs::read(OUTPUT)?;
        let lines =
            bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
        lines.map(|line| serde_json::from_slice(line).context("no JSON")).collect()
    }

    /// What it said beside the documents.
    pub fn errors(&self) -> String {
        String::from_utf8_lossy(&fs::read(ERRORS).unwrap_or_default()).trim().to_owned()
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // Our own child, not waited for yet, so the pid is still its own.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
