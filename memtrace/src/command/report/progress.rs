//! Progress of reading a recording, when it takes long.

use std::time::Duration;

use jiff::tz::TimeZone;

use super::words::time;
use crate::sys::progress;
use memtrace_core::format::several;
use memtrace_core::units::WallNanos;

/// Delay of the first line.
const FIRST: Duration = Duration::from_secs(1);
/// Interval of log lines.
const LOG: Duration = Duration::from_secs(10);

/// The progress of reading.
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
        self.line
            .tell(|| format!("read up to {}, {}", time(wall, zone), several(moments, "sample")));
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
