//! The report: JSON objects, one a line, over the second serial port.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;

use anyhow::{Context as _, Result};
use rustix::termios::{ControlModes, OptionalActions, tcdrain, tcgetattr, tcsetattr};
use serde::Serialize;

/// What the kernel's command line says of the port.
const PORT: &str = "memtrace.report=";

pub struct Report {
    port: File,
}

#[derive(Serialize)]
struct Line<'a, T> {
    step: &'a str,
    value: &'a T,
}

impl Report {
    /// # Errors
    /// When there is no such port.
    pub fn open() -> Result<Self> {
        let line = fs::read_to_string("/proc/cmdline")?;
        let port = line.split_whitespace().find_map(|word| word.strip_prefix(PORT));
        let port = port.context("nobody says where the report goes")?;
        let opened = OpenOptions::new().read(true).write(true).open(port);
        let port = opened.with_context(|| port.to_owned())?;
        let mut attributes = tcgetattr(&port)?;
        attributes.make_raw();
        attributes.control_modes |= ControlModes::CLOCAL;
        tcsetattr(&port, OptionalActions::Now, &attributes)?;
        Ok(Self { port })
    }

    /// Says what a step gave.
    ///
    /// # Errors
    /// When the port fails.
    pub fn say<T: Serialize>(&mut self, step: &str, value: &T) -> Result<()> {
        let mut line = serde_json::to_vec(&Line { step, value })?;
        line.push(b'\n');
        self.port.write_all(&line).context("report")
    }

    /// Says that this was all, and waits until it has been heard.
    ///
    /// # Errors
    /// When the port fails.
    pub fn finish(mut self) -> Result<()> {
        self.say("end", &())?;
        tcdrain(&self.port)?;
        Ok(())
    }
}
