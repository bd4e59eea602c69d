//! Lines out of bytes that come piece by piece.

use std::collections::VecDeque;
use std::fmt;

use super::LONGEST_LINE;

/// Takes bytes, gives lines. Keeps no more than one line and what came with its end.
#[derive(Debug, Default)]
pub struct Lines {
    /// The beginning of the next line.
    begun: Vec<u8>,
    whole: VecDeque<Vec<u8>>,
}

/// A line has no end within [`LONGEST_LINE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a line of more than {} KiB", LONGEST_LINE >> 10)
    }
}

impl Lines {
    /// # Errors
    /// When a line is too long; nothing can be made of what follows.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let (text, ended) =
                piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
            if self.begun.len().saturating_add(text.len()) > LONGEST_LINE {
                return Err(TooLong);
            }
            self.begun.extend_from_slice(text);
            if ended {
                self.whole.push_back(std::mem::take(&mut self.begun));
            }
        }
        Ok(())
    }

    /// The next whole line, without its end.
    pub fn next_line(&mut self) -> Option<Vec<u8>> {
        self.whole.pop_front()
    }
}
