//! A command that reads lines from its standard input. It is started early, because a fork under
//! pressure may be slow or fail. Writes block, so callers use a thread.

use std::io::{self, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Minimum time between two starts of the command.
const AGAIN: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct LineSink {
    arguments: Vec<String>,
    child: Option<Child>,
    started: Instant,
}

impl LineSink {
    /// Starts the command: a program and its arguments.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start(arguments: &[String]) -> io::Result<Self> {
        let child = spawn(arguments)?;
        Ok(Self { arguments: arguments.to_vec(), child: Some(child), started: Instant::now() })
    }

    /// Writes a line; restarts the command if it has exited.
    ///
    /// # Errors
    /// A message for the operator, when the command has exited and it is too early to restart it,
    /// or when the write fails.
    pub fn tell(&mut self, line: &str) -> Result<(), String> {
        let text = format!("{line}\n");
        let told = self.write(&text).or_else(|error| {
            if self.started.elapsed() < AGAIN {
                return Err(error);
            }
            self.started = Instant::now();
            self.child = Some(spawn(&self.arguments)?);
            self.write(&text)
        });
        told.map_err(|error| format!("{}: {error}", self.arguments.join(" ")))
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        let input = self.child.as_mut().and_then(|child| child.stdin.as_mut());
        let input = input.ok_or_else(|| io::Error::other("the command has exited"))?;
        let written = input.write_all(text.as_bytes());
        if written.is_err() {
            self.end();
        }
        written
    }

    /// Closes the command's input, and waits for its end.
    fn end(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.stdin.take());
            // So that it is no zombie. One that doesn't end keeps this thread alone.
            let _ = child.wait();
        }
    }
}

impl Drop for LineSink {
    fn drop(&mut self) {
        self.end();
    }
}

fn spawn(arguments: &[String]) -> io::Result<Child> {
    let (program, rest) = arguments.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    Command::new(program).args(rest).stdin(Stdio::piped()).stdout(Stdio::null()).spawn()
}
