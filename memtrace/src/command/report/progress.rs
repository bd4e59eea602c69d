//! How far reading a recording has come, once it takes a while.

use std::time::Duration;

use jiff::tz::TimeZone;

use super::words::time;
use crate::sys::progress;
use memtrace_core::units::WallNanos;

/// Nothing is told before.
const FIRST: Duration = Duration::from_secs(1);
/// From one line of a log to the next.
const LOG: Duration = Duration::from_secs(10);

/// Tells of moments that are read.
pub struct Progress {
    line: progress::Progress,
    zone: TimeZone,
    moments: u64,
}

impl Progress {
    pub fn new() -> Self {
        let line = progress::Progress::new(FIRST, LOG);
        Self { line, zone: TimeZone::system(), moments: 0 }
    }

    /// One more moment was read, of this time.
    pub fn at(&mut self, wall: WallNanos) {
        self.moments = self.moments.saturating_add(1);
        let (moments, zone) = (self.moments, &self.zone);
        self.line.tell(|| format!("read up to {}, {moments} moments", time(wall, zone)));
    }

    /// Ends its line.
    pub fn end(&mut self) {
        self.line.end();
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}
