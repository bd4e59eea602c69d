//! How far reading has come, on standard error, once it takes a while.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;

use super::words::time;
use crate::units::WallNanos;

/// Nothing is told before.
const FIRST: Duration = Duration::from_secs(1);
/// From one line to the next: on a terminal each is written over the one before.
const TERMINAL: Duration = Duration::from_millis(250);
const LOG: Duration = Duration::from_secs(10);

/// Tells of moments that are read.
pub struct Progress {
    due: Instant,
    pause: Option<Duration>,
    zone: TimeZone,
    moments: u64,
    told: bool,
}

impl Progress {
    pub fn new() -> Self {
        let now = Instant::now();
        let due = now.checked_add(FIRST).unwrap_or(now);
        Self { due, pause: None, zone: TimeZone::system(), moments: 0, told: false }
    }

    /// One more moment was read, of this time.
    pub fn at(&mut self, wall: WallNanos) {
        self.moments = self.moments.saturating_add(1);
        let now = Instant::now();
        if now < self.due {
            return;
        }
        let is_terminal = stderr().is_terminal();
        let pause = self.pause.get_or_insert(if is_terminal { TERMINAL } else { LOG });
        self.due = now.checked_add(*pause).unwrap_or(now);
        self.told = is_terminal;
        let text = format!("read up to {}, {} moments", time(wall, &self.zone), self.moments);
        let line = if is_terminal { format!("\r{text}") } else { format!("{text}\n") };
        // Nobody is kept from reading by a terminal that is gone.
        let _ = stderr().write_all(line.as_bytes());
    }

    /// Ends its line.
    pub fn end(&mut self) {
        if std::mem::take(&mut self.told) {
            let _ = stderr().write_all(b"\n");
        }
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}
