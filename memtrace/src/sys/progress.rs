//! Progress on standard error: one updated line on a terminal, occasional lines in a log.

use std::io::{IsTerminal, Stderr, Write, stderr};
use std::time::{Duration, Instant};

/// Update interval on a terminal.
const TERMINAL: Duration = Duration::from_millis(250);
/// Clears the line of a terminal.
const CLEAR: &str = "\r\x1b[K";

/// A progress line.
#[derive(Debug)]
pub struct Progress<W = Stderr> {
    out: W,
    pause: Duration,
    due: Instant,
    is_terminal: bool,
    told: bool,
}

impl Progress {
    /// On standard error. The first line comes after `first`; in a log the others `pause` after the
    /// one before.
    pub fn new(first: Duration, pause: Duration) -> Self {
        let is_terminal = stderr().is_terminal();
        Self::on(stderr(), is_terminal, first, if is_terminal { TERMINAL } else { pause })
    }
}

impl<W: Write> Progress<W> {
    /// The same on another output.
    pub(crate) fn on(out: W, is_terminal: bool, first: Duration, pause: Duration) -> Self {
        let now = Instant::now();
        let due = now.checked_add(first).unwrap_or(now);
        Self { out, pause, due, is_terminal, told: false }
    }

    /// Writes what `line` gives, if it is due.
    pub fn tell(&mut self, line: impl FnOnce() -> String) {
        let now = Instant::now();
        if now < self.due {
            return;
        }
        self.due = now.checked_add(self.pause).unwrap_or(now);
        self.told = self.is_terminal;
        let (begin, end) = if self.is_terminal { (CLEAR, "") } else { ("", "\n") };
        self.write(&format!("{begin}{}{end}", line()));
    }

    /// Ends the line of a terminal.
    pub fn end(&mut self) {
        if std::mem::take(&mut self.told) {
            self.write("\n");
        }
    }

    /// Writes the last line, in place of a terminal's progress line.
    pub fn conclude(&mut self, line: &str) {
        let begin = if std::mem::take(&mut self.told) { CLEAR } else { "" };
        self.write(&format!("{begin}{line}\n"));
    }

    /// Failures to write progress are ignored.
    fn write(&mut self, text: &str) {
        let _ = self.out.write_all(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn nothing_is_made_before_it_is_due() {
        let mut progress = Progress::on(Vec::new(), false, HOUR, HOUR);
        progress.tell(|| unreachable!("not due"));
        let mut progress = Progress::on(Vec::new(), false, Duration::ZERO, HOUR);
        for line in ["first", "second"] {
            progress.tell(|| line.to_owned());
        }
        progress.end();
        assert_eq!(progress.out, b"first\n");
    }

    #[test]
    fn the_last_line_replaces_the_progress_of_a_terminal_alone() {
        for (is_terminal, expected) in
            [(true, "\r\x1b[Kfirst\r\x1b[Klast\n"), (false, "first\nlast\n")]
        {
            let mut progress = Progress::on(Vec::new(), is_terminal, Duration::ZERO, HOUR);
            progress.tell(|| "first".to_owned());
            progress.conclude("last");
            assert_eq!(progress.out, expected.as_bytes());
        }
    }
}
