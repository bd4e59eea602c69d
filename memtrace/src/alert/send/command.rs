//! A command that runs from the beginning, because a fork under pressure may take long or
//! fail, and is fed a line of JSON for each alert on its standard input.

use std::io::{self, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::{Alert, Status, format};

/// A command that ended is started again, not more often than this.
const AGAIN: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Helper {
    arguments: Vec<String>,
    child: Option<Child>,
    started: Instant,
}

impl Helper {
    pub(super) fn start(arguments: &[String]) -> io::Result<Self> {
        let child = spawn(arguments)?;
        Ok(Self { arguments: arguments.to_vec(), child: Some(child), started: Instant::now() })
    }

    /// Until nobody sends any more. The command sees the end of its input then.
    pub(super) fn run(mut self, alerts: &Receiver<Alert>, status: &Status) {
        for alert in alerts {
            let result = self.tell(&alert);
            status.note(result.map_err(|error| format!("{}: {error}", self.arguments.join(" "))));
        }
        self.end();
    }

    fn tell(&mut self, alert: &Alert) -> io::Result<()> {
        if self.child.is_none() && self.started.elapsed() >= AGAIN {
            self.started = Instant::now();
            self.child = Some(spawn(&self.arguments)?);
        }
        let input = self.child.as_mut().and_then(|child| child.stdin.as_mut());
        let input = input.ok_or_else(|| io::Error::other("it has ended"))?;
        let mut line = format::json(alert).to_string();
        line.push('\n');
        let written = input.write_all(line.as_bytes());
        if written.is_err() {
            self.end();
        }
        written
    }

    fn end(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.stdin.take());
            // So that it is no zombie. One that doesn't end keeps this thread alone.
            let _ = child.wait();
        }
    }
}

fn spawn(arguments: &[String]) -> io::Result<Child> {
    let (program, rest) = arguments.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    Command::new(program).args(rest).stdin(Stdio::piped()).stdout(Stdio::null()).spawn()
}
