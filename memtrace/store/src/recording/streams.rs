//! A frame's content before compression: byte streams, one for each field of the format, so that
//! similar data is adjacent. Integers are LEB128. Input is untrusted.

use std::ops::Range;

/// Bytes of a step, each in a stream of its own.
pub(super) const PLANES: usize = 8;
const STREAMS: usize = Stream::Moved as usize + 1;
/// A number of 64 bits takes at most this many bytes.
const LONGEST: usize = 10;
/// Differences are divided by the largest of these that divides all of a column: a second and a
/// clock tick of 10 ms (both in nanoseconds), a page.
const UNITS: [i64; 4] = [1_000_000_000, 10_000_000, 4096, 1];

#[derive(Clone, Copy, Debug)]
pub(super) enum Stream {
    /// The frame: its number since the last keyframe, and how many moments it has.
    Frame,
    /// New texts: their lengths, and all of them.
    Lengths,
    Text,
    /// New nodes: how many in each moment; for each how far before it its parent is, its name
    /// (0: none, else the text's index and one), and its first value.
    Added,
    Parents,
    Names,
    Kinds,
    Bits,
    /// Columns that change for the first time since the keyframe: how many nodes are between the
    /// one before and it.
    Columns,
    /// Of each column of this frame and those before it, its [`Form`]. 0: it doesn't change.
    Forms,
    /// Of columns that have several kinds, that of each moment.
    ColumnKinds,
    /// The lowest byte of each step that isn't 0, column by column. Higher bytes follow in further
    /// streams.
    Plane,
    /// A bit for each moment in which a column moves, the lowest for the first: of each column that
    /// changes a byte for eight moments, then of each a byte for the next eight.
    Moved = Self::Plane as isize + PLANES as isize,
}

/// How a column is kept: as a step for each moment of the frame in which it moves, from the value
/// before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form(u8);

impl Form {
    /// The smallest form for these steps. `mixed`: its kind changes.
    pub(super) fn of(steps: impl Iterator<Item = i64> + Clone, mixed: bool) -> Self {
        let divides = |unit: &i64| steps.clone().all(|step| step % unit == 0);
        let unit = UNITS.iter().position(divides).unwrap_or(UNITS.len() - 1);
        let all = steps.fold(0, |all, step| all | zigzag(step / UNITS[unit]));
        let width = (u64::BITS - all.leading_zeros()).div_ceil(8) as usize;
        Self((unit | usize::from(mixed) << 2 | width << 3) as u8)
    }

    /// `None`: there is no such form, or nothing moves in it.
    pub(super) fn of_byte(byte: u8) -> Option<Self> {
        let form = Self(byte);
        (form.width() <= PLANES && (form.width() > 0 || form.mixed())).then_some(form)
    }

    pub(super) const fn byte(self) -> u8 {
        self.0
    }

    const fn unit(self) -> i64 {
        UNITS[(self.0 & 3) as usize]
    }

    pub(super) const fn mixed(self) -> bool {
        self.0 & 4 != 0
    }

    /// Bytes of a step.
    pub(super) const fn width(self) -> usize {
        (self.0 >> 3) as usize
    }

    /// The lowest first.
    pub(super) const fn bytes(self, step: i64) -> [u8; PLANES] {
        zigzag(step / self.unit()).to_le_bytes()
    }

    pub(super) const fn step(self, bytes: [u8; PLANES]) -> i64 {
        let zigzag = u64::from_le_bytes(bytes);
        let units = (zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed();
        units.wrapping_mul(self.unit())
    }
}

const fn zigzag(step: i64) -> u64 {
    (step << 1 ^ step >> 63).cast_unsigned()
}

/// Streams for writing.
#[derive(Debug, Default)]
pub(super) struct Streams([Vec<u8>; STREAMS]);

impl Streams {
    pub(super) fn planes(&mut self) -> &mut [Vec<u8>] {
        &mut self.0[Stream::Plane as usize..]
    }

    pub(super) fn bytes(&mut self, stream: Stream) -> &mut Vec<u8> {
        &mut self.0[stream as usize]
    }

    pub(super) fn number(&mut self, stream: Stream, value: u64) {
        leb128(self.bytes(stream), value);
    }

    /// Of all together, in bytes.
    pub(super) fn length(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    /// The length of each, and all of them.
    pub(super) fn join(self) -> Vec<u8> {
        let mut joined = Vec::new();
        for stream in &self.0 {
            leb128(&mut joined, stream.len() as u64);
        }
        self.0.iter().for_each(|stream| joined.extend_from_slice(stream));
        joined
    }
}

fn leb128(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Streams for reading.
#[derive(Debug, Default)]
pub(super) struct Unread {
    bytes: Vec<u8>,
    /// The unread rest of each stream.
    left: [Range<usize>; STREAMS],
}

impl Unread {
    /// `dense`: without [`Stream::Moved`]. `None`: these are no streams.
    pub(super) fn new(bytes: Vec<u8>, dense: bool) -> Option<Self> {
        let mut at = 0..bytes.len();
        let mut lengths = [0; STREAMS];
        for length in lengths.iter_mut().take(STREAMS - usize::from(dense)) {
            *length = usize::try_from(number(&bytes, &mut at)?).ok()?;
        }
        let mut left = <[Range<usize>; STREAMS]>::default();
        let mut begin = at.start;
        for (range, length) in left.iter_mut().zip(lengths) {
            let end = begin.checked_add(length).filter(|end| *end <= bytes.len())?;
            *range = begin..end;
            begin = end;
        }
        Some(Self { bytes, left })
    }

    pub(super) fn number(&mut self, stream: Stream) -> Option<u64> {
        number(&self.bytes, &mut self.left[stream as usize])
    }

    pub(super) fn is_empty(&self, stream: Stream) -> bool {
        self.left[stream as usize].is_empty()
    }

    pub(super) fn byte(&mut self, stream: Stream) -> Option<u8> {
        self.take(stream, 1)?.first().copied()
    }

    pub(super) fn take(&mut self, stream: Stream, count: u64) -> Option<&[u8]> {
        let left = &mut self.left[stream as usize];
        let count = usize::try_from(count).ok().filter(|count| *count <= left.len())?;
        let taken = left.start..left.start + count;
        left.start = taken.end;
        self.bytes.get(taken)
    }

    /// All that is left.
    pub(super) fn rest(&self, stream: Stream) -> Option<&[u8]> {
        self.bytes.get(self.left[stream as usize].clone())
    }

    pub(super) fn plane(&self, place: usize) -> Option<&[u8]> {
        self.bytes.get(self.left.get(Stream::Plane as usize + place)?.clone())
    }
}

fn number(bytes: &[u8], at: &mut Range<usize>) -> Option<u64> {
    let mut value = 0;
    for place in 0..LONGEST {
        let byte = *bytes.get(at.clone())?.first()?;
        at.start += 1;
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
