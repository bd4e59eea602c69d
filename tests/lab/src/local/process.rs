//! A process that we started: identified by pid and start time, so that a reused pid is never
//! taken for it.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use memtrace_lab_host::wait::poll;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    pub pid: i32,
    /// Field 22 of /proc/PID/stat: clock ticks after boot.
    pub start: u64,
}

impl Process {
    /// The process that has this pid now.
    ///
    /// # Errors
    /// When there is none.
    pub fn of(pid: i32) -> Result<Self> {
        let (state, start) = stat(pid).with_context(|| format!("no process {pid}"))?;
        if state == 'Z' {
            bail!("process {pid} has ended");
        }
        Ok(Self { pid, start })
    }

    /// Whether it still runs; one that only waits to be reaped doesn't.
    pub fn alive(self) -> bool {
        stat(self.pid).is_some_and(|(state, start)| start == self.start && state != 'Z')
    }

    /// Ends it: asked first, then killed, and waited for.
    ///
    /// # Errors
    /// When it is still there after twice the `patience`.
    pub fn end(self, patience: Duration) -> Result<()> {
        if self.ended_by(Signal::TERM, patience)? || self.ended_by(Signal::KILL, patience)? {
            return Ok(());
        }
        bail!("process {} doesn't end", self.pid)
    }

    /// Kills it, and waits until it is gone.
    ///
    /// # Errors
    /// When it is still there after the `patience`.
    pub fn kill(self, patience: Duration) -> Result<()> {
        if self.ended_by(Signal::KILL, patience)? {
            return Ok(());
        }
        bail!("process {} doesn't end", self.pid)
    }

    fn ended_by(self, signal: Signal, patience: Duration) -> Result<bool> {
        self.send(signal)?;
        Ok(poll(patience, || (!self.alive()).then_some(())).is_some())
    }

    /// Sends a signal; to one that has ended, none.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn send(self, signal: Signal) -> Result<()> {
        let Some(pid) = Pid::from_raw(self.pid) else { return Ok(()) };
        // The file descriptor is bound to the process that we then find alive.
        let Ok(fd) = pidfd_open(pid, PidfdFlags::empty()) else { return Ok(()) };
        if self.alive() {
            match pidfd_send_signal(&fd, signal) {
                Ok(()) | Err(rustix::io::Errno::SRCH) => {}
                Err(error) => return Err(error).context(format!("signal process {}", self.pid)),
            }
        }
        Ok(())
    }
}

fn stat(pid: i32) -> Option<(char, u64)> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// State and start time. The command may hold spaces and brackets, so fields are counted
/// from the last `)`.
fn parse_stat(text: &str) -> Option<(char, u64)> {
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    // The state is field 3; `nth` counts on from field 4.
    let start = fields.nth(22 - 4)?.parse().ok()?;
    Some((state, start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_time_is_read_behind_any_name() {
        let text = "12 (a) (b c) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20";
        assert_eq!(parse_stat(text), Some(('S', 4242)));
        assert_eq!(parse_stat("12 (a) S 1"), None);
    }

    #[test]
    fn a_reused_pid_is_not_alive_and_not_ended() {
        let own = Process::of(std::process::id().try_into().unwrap()).unwrap();
        assert!(own.alive());
        let other = Process { start: own.start + 1, ..own };
        assert!(!other.alive());
        other.end(Duration::from_millis(1)).unwrap();
    }
}
