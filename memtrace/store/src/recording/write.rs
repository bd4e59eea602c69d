//! One file, written frame by frame. Whatever happens to the process, what was flushed
//! can be read.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use super::encoder::Encoder;
use super::frame::{self, Head};
use super::{Record, VERSION};
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
    /// The next frame must begin anew: it is the first one, or the one before is lost.
    renew: bool,
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
            renew: true,
        })
    }

    /// Adds a moment; it is in the file once its frame is full.
    ///
    /// # Errors
    /// When the frame can't be written, or a moment is more than a recording holds. The frame is
    /// lost then, the file as it was before, and the next frame begins anew.
    pub fn push(&mut self, moment: Record) -> io::Result<()> {
        let (at, wall) = (moment.sample.at, moment.sample.wall);
        let full = self.begun.is_some_and(|(begun, _)| at.saturating_sub(begun) >= FRAME);
        if full || self.encoder.length() >= FRAME_BYTES {
            self.flush()?;
        }
        if self.begun.is_none() {
            self.begun = Some((at, wall));
            self.anew = self.renew || at.saturating_sub(self.renewed) >= ANEW;
            if self.anew {
                (self.encoder, self.renewed) = (Encoder::default(), at);
            }
        }
        self.last = wall;
        let pushed = self.encoder.push(moment);
        self.renew = pushed.is_err() || self.encoder.is_large();
        if pushed.is_err() {
            self.begun = None;
        }
        pushed
    }

    /// Writes what there is as a frame.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn flush(&mut self) -> io::Result<()> {
        let Some((_, first)) = self.begun.take() else { return Ok(()) };
        // Unless all of this is done.
        let renew = std::mem::replace(&mut self.renew, true);
        let samples = self.encoder.count();
        let payload = self.encoder.finish();
        if payload.len() > frame::MOST {
            return Err(io::Error::other("a frame of more than a recording holds"));
        }
        let packed = frame::pack(&payload)?;
        let length = u32::try_from(packed.len()).map_err(io::Error::other)?;
        let head = Head { length, samples, first, last: self.last, anew: self.anew };
        self.append(&[frame::head(&head), packed].concat())?;
        self.heads.push(head);
        self.renew = renew;
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

#[cfg(test)]
mod tests {
    use super::super::Reader;
    use super::*;
    use memtrace_core::fixture::samples;

    fn moment(second: u64) -> Record {
        let sample = samples::sample(second, vec![samples::vm("web", second as u32)]);
        Record { sample, reaction: None }
    }

    /// As on a disk that was full for some seconds.
    #[test]
    fn after_a_frame_that_was_lost_the_next_one_begins_anew() {
        let directory = tempfile::tempdir().expect("there is room");
        let path = directory.path().join("a.mtrec");
        let mut writer = Writer::create(&path).expect("it can be made");
        (1..=15).for_each(|second| writer.push(moment(second)).expect("it is written"));
        let cannot_write = File::open(&path).expect("it is there");
        let file = std::mem::replace(&mut writer.file, cannot_write);
        let failed = (16..=21).find(|second| writer.push(moment(*second)).is_err());
        assert_eq!(failed, Some(21));
        writer.file = file;
        (22..=50).for_each(|second| writer.push(moment(second)).expect("it is written"));
        writer.close().expect("it can be closed");
        let mut reader = Reader::open(&path).expect("it can be read");
        let read: Vec<Record> = reader.by_ref().collect();
        let kept: Vec<Record> = (1..=10).chain(22..=50).map(moment).collect();
        assert!(read == kept, "{} of {}", read.len(), kept.len());
        assert_eq!(reader.losses(), []);
    }
}
