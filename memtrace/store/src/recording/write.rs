//! One file, written frame by frame. Whatever happens to the process, what was flushed
//! can be read.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use super::encoder::Encoder;
use super::frame::{self, Head};
use super::{Moment, VERSION};
use memtrace_core::units::{Nanos, WallNanos};

/// A frame has at most so much time, which is what a power cut takes.
const FRAME: Nanos = Nanos(10_000_000_000);
/// Or so many bytes before compression.
const FRAME_BYTES: usize = 4 << 20;
/// So often one begins anew. Everything once is 15 KB for 100 VMs.
const ANEW: Nanos = Nanos(600_000_000_000);

#[derive(Debug)]
pub struct Writer {
    file: File,
    /// Bytes that are there for sure.
    length: u64,
    heads: Vec<Head>,
    encoder: Encoder,
    /// On the monotonic clock and on the wall, of the frame that isn't written yet.
    begun: Option<(Nanos, WallNanos)>,
    last: WallNanos,
    anew: bool,
    renewed: Nanos,
}

impl Writer {
    /// Begins a file that doesn't exist yet.
    ///
    /// # Errors
    /// When it exists, or can't be written.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut file = File::options().write(true).create_new(true).open(path)?;
        let begin = frame::begin(VERSION);
        file.write_all(&begin)?;
        Ok(Self {
            file,
            length: begin.len() as u64,
            heads: Vec::new(),
            encoder: Encoder::default(),
            begun: None,
            last: WallNanos(0),
            anew: true,
            renewed: Nanos(0),
        })
    }

    /// Adds a moment; it is in the file once its frame is full.
    ///
    /// # Errors
    /// When the frame can't be written. It is lost then, and the file as it was before.
    pub fn push(&mut self, moment: Moment) -> io::Result<()> {
        let (at, wall) = (moment.sample.at, moment.sample.wall);
        let full = self.begun.is_some_and(|(begun, _)| at.saturating_sub(begun) >= FRAME);
        if full || self.encoder.length() >= FRAME_BYTES {
            self.flush()?;
        }
        if self.begun.is_none() {
            self.begun = Some((at, wall));
            let is_due = at.saturating_sub(self.renewed) >= ANEW || self.encoder.is_large();
            if self.heads.is_empty() || is_due {
                self.encoder = Encoder::default();
                (self.anew, self.renewed) = (true, at);
            }
        }
        self.last = wall;
        self.encoder.push(moment)
    }

    /// Writes what there is as a frame.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn flush(&mut self) -> io::Result<()> {
        let Some((_, first)) = self.begun.take() else { return Ok(()) };
        let samples = self.encoder.count();
        let packed = frame::pack(&self.encoder.finish())?;
        let length = u32::try_from(packed.len()).map_err(io::Error::other)?;
        let head = Head { length, samples, first, last: self.last, anew: self.anew };
        self.append(&[frame::head(&head), packed].concat())?;
        self.heads.push(head);
        self.anew = false;
        Ok(())
    }

    /// Of the file, in bytes.
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Writes what there is and the index, and waits for the disk.
    ///
    /// # Errors
    /// When that can't be done.
    pub fn close(mut self) -> io::Result<u64> {
        self.flush()?;
        self.append(&frame::index(&self.heads)?)?;
        self.file.sync_all()?;
        Ok(self.length)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all(bytes) {
            // What a full disk has taken of it is no frame.
            let _ = self.file.set_len(self.length);
            let _ = self.file.seek(SeekFrom::Start(self.length));
            return Err(error);
        }
        self.length += bytes.len() as u64;
        Ok(())
    }
}
