//! Lines out of a byte stream, bounded. Pure.

/// Bytes of a line that are kept; a longer line is cut.
const MOST: usize = 256;

/// The beginning of a line that has not ended yet.
#[derive(Default)]
pub struct Lines {
    pending: Vec<u8>,
}

impl Lines {
    /// Takes bytes in and gives the lines that they complete.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for byte in bytes {
            match byte {
                b'\n' | b'\r' => {
                    let line = std::mem::take(&mut self.pending);
                    if !line.is_empty() {
                        lines.push(String::from_utf8_lossy(&line).into_owned());
                    }
                }
                _ if self.pending.len() < MOST => self.pending.push(*byte),
                _ => {}
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_may_arrive_in_pieces() {
        let mut lines = Lines::default();
        assert!(lines.push(b"ho").is_empty());
        assert_eq!(lines.push(b"ld 1\r\nfree\nst"), ["hold 1", "free"]);
    }

    #[test]
    fn a_line_without_end_stays_bounded() {
        let mut lines = Lines::default();
        lines.push(&[b'x'; 10_000]);
        assert_eq!(lines.push(b"\n")[0].len(), MOST);
    }
}
