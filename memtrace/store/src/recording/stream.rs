//! A recording as a stream: what a file begins with, a skippable frame that tells whose it is, and
//! then each moment in a frame of its own, so that a reader has it at once. There is no index.
//!
//! Input is untrusted, as that of a file.

use std::io::{self, Read};

use serde::{Deserialize, Serialize};

use super::decoder::Decoder;
use super::encoder::Encoder;
use super::frame::{self, BEGIN_LENGTH, HEAD_LENGTH, Head, Next};
use super::{OLDEST, ReadError, Record, VERSION};
use memtrace_core::units::WallNanos;

/// Which memtrace takes the samples of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The command that samples: `exporter`.
    pub command: String,
    pub version: String,
    pub pid: u32,
    /// When it began.
    pub since: WallNanos,
}

/// What a stream begins with.
///
/// # Errors
/// When the origin can't be written, which isn't expected.
pub fn greeting(origin: &Origin) -> io::Result<Vec<u8>> {
    Ok([frame::begin(VERSION), frame::origin(&serde_json::to_string(origin)?)].concat())
}

/// Makes the frames of a stream.
#[derive(Debug, Default)]
pub struct Outgoing {
    encoder: Encoder,
    /// The next frame refers to the one before it.
    goes_on: bool,
}

impl Outgoing {
    /// The next frame can be read without those before it.
    pub const fn restart(&mut self) {
        self.goes_on = false;
    }

    /// A frame with these moments, of which there has to be one.
    ///
    /// # Errors
    /// When they exceed what a recording holds, or zstd fails. The frame is lost then, and the next
    /// one is a keyframe.
    pub fn frame(&mut self, moments: Vec<Record>) -> io::Result<Vec<u8>> {
        let keyframe = !std::mem::take(&mut self.goes_on) || self.encoder.is_large();
        if keyframe {
            self.encoder = Encoder::default();
        }
        let wall = |moment: Option<&Record>| moment.map_or(WallNanos(0), |it| it.sample.wall);
        let (first, last) = (wall(moments.first()), wall(moments.last()));
        for moment in moments {
            self.encoder.push(moment)?;
        }
        let samples = self.encoder.count();
        let payload = self.encoder.finish();
        if samples == 0 || payload.len() > frame::MOST {
            return Err(io::Error::other("a frame of more than a recording holds, or of nothing"));
        }
        let packed = frame::pack_fast(&payload)?;
        let length = u32::try_from(packed.len()).map_err(io::Error::other)?;
        self.goes_on = true;
        Ok([frame::head(&Head { length, samples, first, last, keyframe }), packed].concat())
    }
}

/// Reads a stream, moment by moment.
#[derive(Debug)]
pub struct Incoming<R> {
    from: R,
    origin: Origin,
    decoder: Decoder,
    version: u32,
}

impl<R: Read> Incoming<R> {
    /// Reads what it begins with.
    ///
    /// # Errors
    /// When it is no stream, or one of another format.
    pub fn open(mut from: R) -> Result<Self, ReadError> {
        let mut begin = [0; BEGIN_LENGTH];
        from.read_exact(&mut begin)?;
        let version = frame::version(&begin).ok_or(ReadError::NoRecording)?;
        match version {
            ..OLDEST => return Err(ReadError::Older(version)),
            OLDEST..=VERSION => {}
            _ => return Err(ReadError::Newer(version)),
        }
        let mut head = [0; 8];
        from.read_exact(&mut head)?;
        let length = frame::origin_length(head).ok_or(ReadError::NoRecording)?;
        let text = exactly(&mut from, length)?;
        let origin = serde_json::from_slice(&text).map_err(|_| ReadError::NoRecording)?;
        Ok(Self { from, origin, decoder: Decoder::new(version), version })
    }

    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What it is read from.
    pub const fn source(&self) -> &R {
        &self.from
    }

    /// Whether the next moment has come already, with the one before.
    pub const fn has_more(&self) -> bool {
        self.decoder.left() > 0
    }

    /// The next moment. `None`: the stream ended, between two frames.
    ///
    /// # Errors
    /// When it is damaged, cut within a frame, or can't be read. Nothing more can be read then.
    pub fn receive(&mut self) -> io::Result<Option<Record>> {
        while !self.has_more() {
            if !self.enter()? {
                return Ok(None);
            }
        }
        let moment = self.decoder.next_if(|_| true).flatten();
        moment.map(Some).ok_or_else(damaged)
    }

    /// Reads a frame. `false`: there is none any more.
    fn enter(&mut self) -> io::Result<bool> {
        let mut bytes = [0; HEAD_LENGTH];
        // The end of the stream is where no byte of a frame is.
        if self.from.read(&mut bytes[..1])? == 0 {
            return Ok(false);
        }
        self.from.read_exact(&mut bytes[1..])?;
        let Some(Next::Frame(head)) = frame::next(&bytes) else { return Err(damaged()) };
        let packed = exactly(&mut self.from, head.length.into())?;
        if head.keyframe {
            self.decoder = Decoder::new(self.version);
        }
        let entered = frame::unpack(&packed)
            .and_then(|bytes| self.decoder.enter(bytes, head.samples as usize));
        entered.map(|()| true).ok_or_else(damaged)
    }
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "damaged")
}

/// So many bytes. Room is taken as they come.
fn exactly(from: &mut impl Read, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use memtrace_core::fixture::samples;

    fn origin() -> Origin {
        let (command, version) = ("exporter".to_owned(), "1.2.3".to_owned());
        Origin { command, version, pid: 42, since: WallNanos(7) }
    }

    fn moment(second: u64) -> Record {
        let sample = samples::sample(second, vec![samples::vm("web", second as u32)]);
        Record { sample, reaction: None }
    }

    /// A stream of these seconds, the first two in one frame, and where its frames end.
    fn stream(seconds: u64) -> (Vec<u8>, Vec<usize>) {
        let mut bytes = greeting(&origin()).expect("it is written");
        let mut outgoing = Outgoing::default();
        bytes.extend(outgoing.frame(vec![moment(1), moment(2)]).expect("it is written"));
        let mut ends = vec![bytes.len()];
        for second in 3..=seconds {
            bytes.extend(outgoing.frame(vec![moment(second)]).expect("it is written"));
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    /// All moments that can be read, and whether the stream ended in order.
    fn read(bytes: &[u8]) -> (Vec<Record>, bool) {
        let mut incoming = Incoming::open(bytes).expect("it is a stream");
        let mut all = Vec::new();
        loop {
            match incoming.receive() {
                Ok(Some(moment)) => all.push(moment),
                Ok(None) => return (all, true),
                Err(_) => return (all, false),
            }
        }
    }

    #[test]
    fn what_is_sent_is_received_with_its_origin() {
        let (bytes, _) = stream(6);
        assert_eq!(*Incoming::open(&bytes[..]).expect("it is a stream").origin(), origin());
        assert_eq!(read(&bytes), ((1..=6).map(moment).collect(), true));
    }

    #[test]
    fn a_stream_that_is_cut_yields_everything_before() {
        let (bytes, ends) = stream(6);
        let begin = greeting(&origin()).expect("it is written").len();
        for cut in begin..bytes.len() {
            let whole = ends.iter().filter(|end| **end <= cut).count() as u64;
            let seconds = if whole == 0 { 0 } else { whole + 1 };
            let in_order = cut == begin || ends.contains(&cut);
            assert_eq!(read(&bytes[..cut]), ((1..=seconds).map(moment).collect(), in_order));
        }
        for cut in 0..begin {
            assert!(Incoming::open(&bytes[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn whoever_comes_later_reads_from_the_next_keyframe_on() {
        let mut outgoing = Outgoing::default();
        outgoing.frame(vec![moment(1)]).expect("it is written");
        let goes_on = outgoing.frame(vec![moment(2)]).expect("it is written");
        outgoing.restart();
        let again = outgoing.frame(vec![moment(3)]).expect("it is written");
        let begin = greeting(&origin()).expect("it is written");
        assert_eq!(read(&[&begin[..], &goes_on].concat()), (Vec::new(), false));
        assert_eq!(read(&[&begin[..], &again].concat()), (vec![moment(3)], true));
    }

    #[test]
    fn what_exceeds_a_recording_is_refused_and_the_next_frame_is_a_keyframe() {
        let mut outgoing = Outgoing::default();
        assert!(outgoing.frame(Vec::new()).is_err());
        let frame = outgoing.frame(vec![moment(1)]).expect("it is written");
        let begin = greeting(&origin()).expect("it is written");
        assert_eq!(read(&[begin, frame].concat()), (vec![moment(1)], true));
    }

    #[test]
    fn other_bytes_are_no_stream() {
        let (bytes, _) = stream(3);
        let file = frame::begin(VERSION);
        let newer = [frame::begin(VERSION + 1), bytes[BEGIN_LENGTH..].to_vec()].concat();
        let long = [&file[..], &frame::origin(&" ".repeat(5000))].concat();
        for (bytes, told) in [
            (&b"HTTP/1.1 400 Bad Request\r\n"[..], "not a recording"),
            (&[&file[..], &[0; 99]].concat(), "not a recording"),
            (&long, "not a recording"),
            (&newer, "newer memtrace"),
        ] {
            let error = Incoming::open(bytes).expect_err("it is none").to_string();
            assert!(error.contains(told), "{error}");
        }
    }
}
