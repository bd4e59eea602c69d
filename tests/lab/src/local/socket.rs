//! Talking over a Unix socket with a deadline, bounded in size.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::interrupt;

/// The most that is read before what was awaited has to come.
const MOST: usize = 64 * 1024;
/// How long one read waits, so that an interrupt is noticed.
const LOOK: Duration = Duration::from_millis(200);

/// A connection.
#[derive(Debug)]
pub struct Socket {
    stream: UnixStream,
    pending: Vec<u8>,
}

impl Socket {
    /// Connects; the server must be there already.
    ///
    /// # Errors
    /// When it isn't.
    pub fn connect(path: &Path) -> Result<Self> {
        let stream =
            UnixStream::connect(path).with_context(|| format!("connect to {}", path.display()))?;
        stream.set_read_timeout(Some(LOOK))?;
        stream.set_write_timeout(Some(Duration::from_secs(10)))?;
        Ok(Self { stream, pending: Vec::new() })
    }

    /// Sends text.
    ///
    /// # Errors
    /// When the other side is gone.
    pub fn send(&mut self, text: &str) -> Result<()> {
        self.stream.write_all(text.as_bytes()).context("send")
    }

    /// Everything up to and with `end`.
    ///
    /// # Errors
    /// When it doesn't come in time, the other side is gone, or the user interrupts.
    pub fn read_until(&mut self, end: &str, patience: Duration) -> Result<String> {
        let deadline = Instant::now() + patience;
        let mut bytes = [0; 4096];
        loop {
            if let Some(place) = find(&self.pending, end.as_bytes()) {
                let rest = self.pending.split_off(place.saturating_add(end.len()));
                let text = std::mem::replace(&mut self.pending, rest);
                return Ok(String::from_utf8_lossy(&text).into_owned());
            }
            interrupt::check()?;
            ensure!(Instant::now() < deadline, "no answer within {} s", patience.as_secs());
            ensure!(self.pending.len() < MOST, "an answer without end");
            match self.stream.read(&mut bytes) {
                Ok(0) => bail!("the other side has hung up"),
                Ok(length) => self.pending.extend_from_slice(bytes.get(..length).unwrap_or(&[])),
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                    ) => {}
                Err(error) => return Err(error).context("read"),
            }
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Socket, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        (Socket { stream: ours, pending: Vec::new() }, theirs)
    }

    #[test]
    fn bytes_after_the_end_are_kept_for_the_next_read() {
        let (mut socket, mut theirs) = pair();
        theirs.write_all(b"ok 1\nok").unwrap();
        theirs.write_all(b" 2\n").unwrap();
        let patience = Duration::from_secs(5);
        assert_eq!(socket.read_until("\n", patience).unwrap(), "ok 1\n");
        assert_eq!(socket.read_until("\n", patience).unwrap(), "ok 2\n");
    }

    #[test]
    fn silence_and_a_closed_line_are_errors() {
        let (mut socket, theirs) = pair();
        assert!(socket.read_until("\n", Duration::from_millis(1)).is_err());
        drop(theirs);
        assert!(socket.read_until("\n", Duration::from_secs(5)).is_err());
    }
}
