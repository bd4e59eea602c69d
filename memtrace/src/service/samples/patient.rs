//! A socket that is waited for no longer than a while in all: a peer that sends a byte now and then
//! holds nobody.

use std::cell::Cell;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// The socket, and until when it is waited for.
#[derive(Debug)]
pub(super) struct Patient {
    stream: UnixStream,
    patience: Duration,
    until: Cell<Instant>,
}

impl Patient {
    pub(super) fn new(stream: UnixStream, patience: Duration) -> Self {
        Self { stream, patience, until: Cell::new(Instant::now() + patience) }
    }

    /// What is read from now on belongs together.
    pub(super) fn begin(&self) {
        self.until.set(Instant::now() + self.patience);
    }
}

impl Read for Patient {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = self.until.get().saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        self.stream.read(into)
    }
}

impl AsFd for Patient {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn bytes_that_trickle_are_waited_for_no_longer_than_one_that_never_comes() {
        let (ours, mut theirs) = UnixStream::pair().expect("there is a pair");
        let mut patient = Patient::new(ours, Duration::from_millis(300));
        std::thread::scope(|scope| {
            // Ends once the other end is gone.
            scope.spawn(move || {
                while theirs.write_all(b"x").is_ok() {
                    std::thread::park_timeout(Duration::from_millis(10));
                }
            });
            let read = patient.read_to_end(&mut Vec::new());
            assert_eq!(read.expect_err("it has no end").kind(), io::ErrorKind::WouldBlock);
            patient.begin();
            patient.read_exact(&mut [0]).expect("there is another byte");
            drop(patient);
        });
    }
}
