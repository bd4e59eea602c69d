//! The report: JSON objects, one a line, over the second serial port.

use std::fs::{File, OpenOptions};
use std::io::Write as _;

use anyhow::{Context as _, Result};
use rustix::termios::{ControlModes, OptionalActions, tcdrain, tcgetattr, tcsetattr};
use serde::Serialize;

const PORT: &str = "/dev/ttyS1";

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
        let port = OpenOptions::new().read(true).write(true).open(PORT).context(PORT)?;
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
