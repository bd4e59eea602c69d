//! Progress on standard error: one updated line on a terminal, occasional lines in a log.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

/// Update interval on a terminal.
const TERMINAL: Duration = Duration::from_millis(250);

/// A progress line.
#[derive(Debug)]
pub struct Progress {
    pause: Duration,
    due: Instant,
    is_terminal: bool,
    told: bool,
}

impl Progress {
    /// The first line comes after `first`; in a log the others `pause` after the one before.
    pub fn new(first: Duration, pause: Duration) -> Self {
        let is_terminal = stderr().is_terminal();
        let now = Instant::now();
        let due = now.checked_add(first).unwrap_or(now);
        Self { pause: if is_terminal { TERMINAL } else { pause }, due, is_terminal, told: false }
    }

    /// Writes what `line` gives, if it is due.
    pub fn tell(&mut self, line: impl FnOnce() -> String) {
        let now = Instant::now();
        if now < self.due {
            return;
        }
        self.due = now.checked_add(self.pause).unwrap_or(now);
        self.told = self.is_terminal;
        let (begin, end) = if self.is_terminal { ("\r\x1b[K", "") } else { ("", "\n") };
        // Failures to write progress are ignored.
        let _ = stderr().write_all(format!("{begin}{}{end}", line()).as_bytes());
    }

    /// Ends the line of a terminal.
    pub fn end(&mut self) {
        if std::mem::take(&mut self.told) {
            let _ = stderr().write_all(b"\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_made_before_it_is_due() {
        let hour = Duration::from_secs(3600);
        let mut progress = Progress::new(hour, hour);
        progress.tell(|| unreachable!("not due"));
        let mut progress = Progress::new(Duration::ZERO, hour);
        let mut told = 0;
        for _ in 0..2 {
            progress.tell(|| {
                told += 1;
                String::new()
            });
        }
        assert_eq!(told, 1);
        progress.end();
    }
}
