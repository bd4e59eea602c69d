//! Reads one file moment by moment. After damage, reading goes on at the next keyframe, if the
//! index or the frame headers tell where that is; what was lost is reported.

use std::cmp::Ordering;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::decoder::Decoder;
use super::frame::{self, BEGIN_LENGTH, END_LENGTH, HEAD_LENGTH, Head, Next};
use super::{Loss, OLDEST, Record, VERSION};
use crate::regular;
use memtrace_core::units::{Nanos, WallNanos};

/// Why a file cannot be read at all.
#[derive(Debug)]
pub enum ReadError {
    NoRecording,
    /// Of an earlier memtrace, with its version.
    Older(u32),
    /// Of a newer memtrace, with its version.
    Newer(u32),
    Io(io::Error),
}

impl std::error::Error for ReadError {}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRecording => f.write_str("not a recording of memtrace"),
            Self::Older(version) => write!(
                f,
                "recorded by an earlier memtrace, format {version}; this one reads {OLDEST} to \
                 {VERSION}"
            ),
            Self::Newer(version) => write!(
                f,
                "recorded by a newer memtrace, format {version}; this one reads {OLDEST} to {VERSION}"
            ),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    file: BufReader<File>,
    length: u64,
    /// Where the next frame begins.
    offset: u64,
    /// Where the frame begins that is being read.
    frame: u64,
    version: u32,
    decoder: Decoder,
    /// Samples that were read of it.
    taken: u64,
    losses: Vec<Loss>,
    /// What the index says, after the first loss. `Some(None)`: there is none.
    index: Option<Option<Vec<(u64, Head)>>>,
    ended: bool,
    /// Minimum distance of moments, on the wall clock; and the last one that was returned.
    apart: Nanos,
    last: Option<WallNanos>,
}

/// Frames with their places in the file.
fn placed(heads: Vec<Head>) -> Vec<(u64, Head)> {
    let mut next = BEGIN_LENGTH as u64;
    let place = |head: Head| {
        let at = next;
        next = next.saturating_add(head.extent());
        (at, head)
    };
    heads.into_iter().map(place).collect()
}

impl Iterator for Reader {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        while !self.ended {
            if self.decoder.left() > 0 {
                let (last, apart) = (self.last, self.apart);
                let wanted = |wall: WallNanos| is_apart(last, wall, apart);
                match self.decoder.next_if(wanted) {
                    Some(None) => self.taken += 1,
                    Some(Some(moment)) => {
                        self.taken += 1;
                        self.last = Some(moment.sample.wall);
                        return Some(moment);
                    }
                    None => self.lose("damaged"),
                }
                continue;
            }
            match self.next_frame() {
                Ok(Some(())) => {}
                Ok(None) => self.lose("damaged"),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => self.lose("cut"),
                Err(error) => self.lose(&error.to_string()),
            }
        }
        None
    }
}

impl Reader {
    /// # Errors
    /// When it can't be read, is no recording, or one of a newer memtrace.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let mut file = BufReader::new(regular::open(path)?);
        let length = file.seek(SeekFrom::End(0))?;
        if length == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "empty file").into());
        }
        file.rewind()?;
        let mut begin = [0; BEGIN_LENGTH];
        file.read_exact(&mut begin).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => ReadError::NoRecording,
            _ => ReadError::Io(error),
        })?;
        let version = frame::version(&begin).ok_or(ReadError::NoRecording)?;
        match version {
            ..OLDEST => return Err(ReadError::Older(version)),
            OLDEST..=VERSION => {}
            _ => return Err(ReadError::Newer(version)),
        }
        let offset = BEGIN_LENGTH as u64;
        Ok(Self {
            path: path.to_owned(),
            file,
            length,
            offset,
            frame: offset,
            version,
            decoder: Decoder::new(version),
            taken: 0,
            losses: Vec::new(),
            index: None,
            ended: false,
            apart: Nanos(0),
            last: None,
        })
    }

    /// From now on skips moments that follow another within less than `apart`.
    pub(super) fn thin(&mut self, apart: Nanos) {
        self.apart = apart;
    }

    /// When it begins. `None`: its first frame can't be read.
    pub(super) fn begin(&mut self) -> Option<WallNanos> {
        let first = self.head_at(BEGIN_LENGTH as u64).map(|head| head.first);
        // Where it was.
        self.ended |= self.file.seek(SeekFrom::Start(self.offset)).is_err();
        first
    }

    /// Goes to the last keyframe that begins no later than `to`, or to the beginning.
    pub(super) fn seek(&mut self, to: WallNanos) {
        let heads = self.heads().unwrap_or_else(|| self.walk());
        let begin = BEGIN_LENGTH as u64;
        let (mut at, mut found) = (begin, begin);
        for head in heads.iter().take_while(|head| head.first <= to) {
            if head.keyframe {
                found = at;
            }
            at = at.saturating_add(head.extent());
        }
        (self.offset, self.frame, self.taken) = (found, found, 0);
        self.decoder = Decoder::new(self.version);
        self.last = None;
        self.ended = self.file.seek(SeekFrom::Start(found)).is_err();
    }

    /// The headers before the frames, up to the first that can't be read.
    fn walk(&mut self) -> Vec<Head> {
        let mut at = BEGIN_LENGTH as u64;
        let next = || {
            let head = self.head_at(at)?;
            at = at.saturating_add(head.extent());
            Some(head)
        };
        std::iter::from_fn(next).collect()
    }

    fn head_at(&mut self, at: u64) -> Option<Head> {
        let mut bytes = [0; HEAD_LENGTH];
        self.file.seek(SeekFrom::Start(at)).ok()?;
        self.file.read_exact(&mut bytes).ok()?;
        match frame::next(&bytes)? {
            Next::Frame(head) if head.extent() <= self.length.saturating_sub(at) => Some(head),
            Next::Frame(_) | Next::Index(_) => None,
        }
    }

    /// The parts that could not be read so far.
    pub fn losses(&self) -> &[Loss] {
        &self.losses
    }

    /// `None`: there is no valid header.
    fn next_frame(&mut self) -> io::Result<Option<()>> {
        (self.frame, self.taken) = (self.offset, 0);
        let left = self.length.saturating_sub(self.offset);
        if left == 0 {
            self.lose("not closed");
            return Ok(Some(()));
        }
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(HEAD_LENGTH);
        let mut bytes = vec![0; most];
        self.file.read_exact(&mut bytes)?;
        match frame::next(&bytes) {
            Some(Next::Index(length)) => {
                self.close(length, left);
                Ok(Some(()))
            }
            Some(Next::Frame(head)) if head.extent() <= left => self.enter(head),
            Some(Next::Frame(_)) => Err(io::ErrorKind::UnexpectedEof.into()),
            None if most < HEAD_LENGTH => Err(io::ErrorKind::UnexpectedEof.into()),
            None => Ok(None),
        }
    }

    /// At an index of `length` bytes, where `left` are: all frames were read.
    fn close(&mut self, length: u64, left: u64) {
        match length.cmp(&left) {
            Ordering::Equal => self.ended = true,
            Ordering::Greater => {
                self.skip("index cut", self.length, Some(0));
                self.ended = true;
            }
            Ordering::Less => {
                self.frame = self.offset.saturating_add(length);
                self.lose("more data after the end");
            }
        }
    }

    fn enter(&mut self, head: Head) -> io::Result<Option<()>> {
        let mut packed = vec![0; head.length as usize];
        self.file.read_exact(&mut packed)?;
        if head.keyframe {
            self.decoder = Decoder::new(self.version);
        }
        let entered = frame::unpack(&packed)
            .and_then(|bytes| self.decoder.enter(bytes, head.samples as usize));
        if entered.is_none() {
            return Ok(None);
        }
        self.offset += head.extent();
        Ok(Some(()))
    }

    /// Goes to the next keyframe, or to the end, and reports what was skipped.
    fn lose(&mut self, because: &str) {
        let known = self.gap();
        let end = known.and_then(|(end, _)| end);
        let samples = known.map(|(_, samples)| samples.saturating_sub(self.taken));
        let until = end.unwrap_or(self.length);
        self.skip(because, until, samples);
        self.ended = end.is_none() || self.file.seek(SeekFrom::Start(until)).is_err();
    }

    /// Reports that nothing is read up to `until`, which has `samples`.
    fn skip(&mut self, because: &str, until: u64, samples: Option<u64>) {
        self.losses.push(Loss {
            file: self.path.clone(),
            offset: self.frame,
            bytes: until.saturating_sub(self.frame),
            samples,
            because: because.to_owned(),
        });
        self.decoder = Decoder::new(self.version);
        (self.offset, self.taken) = (until, 0);
    }

    /// Where the next keyframe begins, and how many samples are skipped. `None`: unknown. A file
    /// that was not closed has no index; then the headers before the frames are used, as far as
    /// they can be read.
    fn gap(&mut self) -> Option<(Option<u64>, u64)> {
        let index = match self.index.take() {
            Some(index) => index,
            None => self.heads().map(placed),
        };
        let gap = match &index {
            Some(heads) => {
                let from = heads.partition_point(|(at, _)| *at < self.frame);
                let mut samples = 0;
                let rest = heads.get(from..).unwrap_or_default();
                let next = rest.iter().find_map(|place| self.next_part(*place, &mut samples));
                Some((next, samples))
            }
            None => self.walked(),
        };
        self.index = Some(index);
        gap
    }

    /// The same by the headers alone, from the lost frame on.
    fn walked(&mut self) -> Option<(Option<u64>, u64)> {
        let (mut at, mut samples) = (self.frame, 0);
        while let Some(head) = self.head_at(at) {
            if let Some(next) = self.next_part((at, head), &mut samples) {
                return Some((Some(next), samples));
            }
            at = at.saturating_add(head.extent());
        }
        None
    }

    /// Where reading goes on, if it does in this frame; else its samples are skipped.
    fn next_part(&self, (at, head): (u64, Head), samples: &mut u64) -> Option<u64> {
        if at > self.frame && head.keyframe {
            return Some(at);
        }
        *samples = samples.saturating_add(u64::from(head.samples));
        None
    }

    fn heads(&mut self) -> Option<Vec<Head>> {
        let mut end = [0; END_LENGTH as usize];
        self.file.seek(SeekFrom::Start(self.length.checked_sub(END_LENGTH)?)).ok()?;
        self.file.read_exact(&mut end).ok()?;
        let length = frame::index_length(&end)?;
        let mut index = vec![0; usize::try_from(length).ok()?];
        self.file.seek(SeekFrom::Start(self.length.checked_sub(length)?)).ok()?;
        self.file.read_exact(&mut index).ok()?;
        let heads = frame::heads(&index)?;
        let frames = heads.iter().map(Head::extent).fold(BEGIN_LENGTH as u64, u64::saturating_add);
        // The index of a file that was appended to this one does not apply.
        (frames.saturating_add(length) == self.length).then_some(heads)
    }
}

/// A clock that was set back hides no later moments.
fn is_apart(last: Option<WallNanos>, wall: WallNanos, apart: Nanos) -> bool {
    let since = last.and_then(|last| wall.0.checked_sub(last.0));
    since.is_none_or(|since| since >= apart.0)
}
