//! Writes one file, frame by frame. What was flushed stays readable after a crash.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use super::encoder::Encoder;
use super::frame::{self, Head};
use super::{Record, VERSION};
use memtrace_core::units::{Nanos, WallNanos};

/// Duration of a frame, which is what a power cut costs.
const FRAME: Nanos = Nanos(10_000_000_000);
/// Limit on a frame, in bytes before compression.
const FRAME_BYTES: usize = 4 << 20;
/// Interval of keyframes. One takes 15 KB for 100 VMs.
const KEYFRAME_INTERVAL: Nanos = Nanos(600_000_000_000);

#[derive(Debug)]
pub struct Writer {
    file: File,
    /// Bytes that are known to be written.
    length: u64,
    heads: Vec<Head>,
    encoder: Encoder,
    /// Begin of the frame that isn't written yet, on the monotonic clock and on the wall.
    begun: Option<(Nanos, WallNanos)>,
    last: WallNanos,
    keyframe: bool,
    keyframe_at: Nanos,
    /// The next frame must be a keyframe: it is the first one, or the one before is lost.
    needs_keyframe: bool,
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
            keyframe: true,
            keyframe_at: Nanos(0),
            needs_keyframe: true,
        })
    }

    /// Adds a moment; it is in the file once its frame is full.
    ///
    /// # Errors
    /// When the frame can't be written, or a moment exceeds what a recording holds. The frame is
    /// lost then, the file is unchanged, and the next frame is a keyframe.
    pub fn push(&mut self, moment: Record) -> io::Result<()> {
        let (at, wall) = (moment.sample.at, moment.sample.wall);
        let full = self.begun.is_some_and(|(begun, _)| at.saturating_sub(begun) >= FRAME);
        if full || self.encoder.length() >= FRAME_BYTES {
            self.flush()?;
        }
        if self.begun.is_none() {
            self.begun = Some((at, wall));
            self.keyframe =
                self.needs_keyframe || at.saturating_sub(self.keyframe_at) >= KEYFRAME_INTERVAL;
            if self.keyframe {
                (self.encoder, self.keyframe_at) = (Encoder::default(), at);
            }
        }
        self.last = wall;
        let pushed = self.encoder.push(moment);
        self.needs_keyframe = pushed.is_err() || self.encoder.is_large();
        if pushed.is_err() {
            self.begun = None;
        }
        pushed
    }

    /// Writes the pending moments as a frame.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn flush(&mut self) -> io::Result<()> {
        let Some((_, first)) = self.begun.take() else { return Ok(()) };
        // Stays set on every early return.
        let needs_keyframe = std::mem::replace(&mut self.needs_keyframe, true);
        let samples = self.encoder.count();
        let payload = self.encoder.finish();
        if payload.len() > frame::MOST {
            return Err(io::Error::other("a frame of more than a recording holds"));
        }
        let packed = frame::pack(&payload)?;
        let length = u32::try_from(packed.len()).map_err(io::Error::other)?;
        let head = Head { length, samples, first, last: self.last, keyframe: self.keyframe };
        self.append(&[frame::head(&head), packed].concat())?;
        self.heads.push(head);
        self.needs_keyframe = needs_keyframe;
        Ok(())
    }

    /// Of the file, in bytes.
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Writes the pending moments and the index, and syncs.
    ///
    /// # Errors
    /// When that fails.
    pub fn close(mut self) -> io::Result<u64> {
        self.flush()?;
        self.append(&frame::index(&self.heads)?)?;
        self.file.sync_all()?;
        Ok(self.length)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all(bytes) {
            // On a full disk a part of the frame may have been written: it is cut off.
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
    fn after_a_lost_frame_the_next_one_is_a_keyframe() {
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
