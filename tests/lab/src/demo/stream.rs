//! A running `memtrace top --json`: its documents as they come.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::document::Document;
use crate::child;

/// More documents than any check takes, so that it ends by itself.
const MOST: &str = "3600";

/// The process; it is ended when this goes out of scope.
pub struct Stream {
    child: Child,
    lines: Receiver<String>,
}

impl Stream {
    /// Starts memtrace.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start(memtrace: &Path) -> Result<Self> {
        let mut child = Command::new(memtrace)
            .args(["top", "--json", "--attach", "--interval", "1", "--count", MOST])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("run {}", memtrace.display()))?;
        let lines = child::output(&mut child)?;
        Ok(Self { child, lines })
    }

    /// A document whose reading began after this call.
    ///
    /// # Errors
    /// When memtrace ended, is silent, or says something else.
    pub fn fresh(&mut self, patience: Duration) -> Result<Document> {
        while self.lines.try_recv().is_ok() {}
        let deadline = Instant::now() + patience;
        // The next one may have been under way already.
        self.next(deadline)?;
        Document::parse(&self.next(deadline)?)
    }

    fn next(&mut self, deadline: Instant) -> Result<String> {
        match child::next_line(&self.lines, deadline).context("memtrace top --json")? {
            Some(line) => Ok(line),
            None => bail!("memtrace ended: {}", self.child.wait()?),
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
