//! The frames of a file: their headers, the index at the end, and zstd. Integers are
//! little-endian.

use std::cell::RefCell;
use std::io;

use memtrace_core::units::WallNanos;
use zstd::bulk::Decompressor;

/// Skippable frames (RFC 8878, 3.1.2): a magic number and a length, four bytes each.
const BEGIN: u32 = 0x184D_2A50;
const HEAD: u32 = 0x184D_2A51;
const INDEX: u32 = 0x184D_2A52;
const ORIGIN: u32 = 0x184D_2A53;
const NAME: &[u8; 8] = b"memtrace";
/// The last bytes of a file that was closed, after the length of its index.
const END: &[u8; 8] = b"mt-index";

/// Bytes before the first frame.
pub(super) const BEGIN_LENGTH: usize = 8 + 8 + 4;
/// Bytes before each data frame.
pub(super) const HEAD_LENGTH: usize = 8 + ENTRY;
pub(super) const END_LENGTH: u64 = 4 + 8;
const ENTRY: usize = 4 + 4 + 8 + 8 + 1;
/// Limit on an index: more than ten days of frames. In bytes.
const MOST_INDEX: u64 = 4 << 20;

/// Limit on a frame, in bytes before and after compression. A writer begins the next frame long
/// before.
pub(super) const MOST: usize = 64 << 20;
/// Limit on a stream's origin, in bytes.
const MOST_ORIGIN: u64 = 4 << 10;
/// zstd level. A day of 100 VMs takes 15 % less than at level 3, and 6 % less than at level 9;
/// level 19 saves half a per cent more and takes twice the time. A frame of 10 s has some tens of
/// kilobytes uncompressed, which takes 2 ms.
const LEVEL: i32 = 17;
/// That of a stream, whose frames have one moment each and are not kept.
const FAST: i32 = 1;

thread_local! {
    /// Made once: that takes longer than to unpack most frames.
    static UNPACKER: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// The header of a data frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Of the compressed frame, in bytes.
    pub(super) length: u32,
    pub(super) samples: u32,
    pub(super) first: WallNanos,
    pub(super) last: WallNanos,
    /// It refers to no frame before it.
    pub(super) keyframe: bool,
}

impl Head {
    fn entry(&self) -> [u8; ENTRY] {
        let mut entry = [0; ENTRY];
        entry[..4].copy_from_slice(&self.length.to_le_bytes());
        entry[4..8].copy_from_slice(&self.samples.to_le_bytes());
        entry[8..16].copy_from_slice(&self.first.0.to_le_bytes());
        entry[16..24].copy_from_slice(&self.last.0.to_le_bytes());
        entry[24] = u8::from(self.keyframe);
        entry
    }

    fn of_entry(entry: &[u8; ENTRY]) -> Self {
        Self {
            length: int(&entry[..4]) as u32,
            samples: int(&entry[4..8]) as u32,
            first: WallNanos(int(&entry[8..16])),
            last: WallNanos(int(&entry[16..24])),
            keyframe: entry[24] != 0,
        }
    }

    /// In the file, its head included.
    pub(super) const fn extent(&self) -> u64 {
        HEAD_LENGTH as u64 + self.length as u64
    }
}

fn int(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

fn skippable(magic: u32, content: &[u8]) -> Vec<u8> {
    // Frames that are written are short.
    let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
    [&magic.to_le_bytes(), &length.to_le_bytes(), content].concat()
}

/// The content's length, if these eight bytes begin a skippable frame of that kind.
fn skipped(bytes: &[u8], magic: u32) -> Option<u64> {
    (int(bytes.get(..4)?) == u64::from(magic)).then_some(int(bytes.get(4..8)?))
}

pub(super) fn begin(version: u32) -> Vec<u8> {
    skippable(BEGIN, &[&NAME[..], &version.to_le_bytes()].concat())
}

/// The version of a file. `None`: it is no recording.
pub(super) fn version(bytes: &[u8; BEGIN_LENGTH]) -> Option<u32> {
    let is_ours = skipped(bytes, BEGIN) == Some(12) && &bytes[8..16] == NAME;
    is_ours.then(|| int(&bytes[16..]) as u32)
}

pub(super) fn head(head: &Head) -> Vec<u8> {
    skippable(HEAD, &head.entry())
}

/// What was found where a frame should begin.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Frame(Head),
    /// The index, with its length in bytes.
    Index(u64),
}

/// `bytes`: as many as there are, of [`HEAD_LENGTH`]. `None`: neither.
pub(super) fn next(bytes: &[u8]) -> Option<Next> {
    if let Some(length) = skipped(bytes, INDEX) {
        return Some(Next::Index(length + 8));
    }
    let entry =
        (skipped(bytes, HEAD)? == ENTRY as u64).then(|| bytes.get(8..)?.first_chunk())??;
    let head = Head::of_entry(entry);
    (head.length as usize <= MOST && head.samples > 0).then_some(Next::Frame(head))
}

/// # Errors
/// When zstd fails.
pub(super) fn index(heads: &[Head]) -> io::Result<Vec<u8>> {
    let entries: Vec<u8> = heads.iter().flat_map(Head::entry).collect();
    let packed = pack(&entries)?;
    let length = (packed.len() as u64 + END_LENGTH + 8) as u32;
    Ok(skippable(INDEX, &[&packed[..], &length.to_le_bytes(), END].concat()))
}

/// Length of the index, from the last bytes of a file.
pub(super) fn index_length(end: &[u8; END_LENGTH as usize]) -> Option<u64> {
    let length = int(&end[..4]);
    (&end[4..] == END && length > 8 + END_LENGTH && length <= MOST_INDEX).then_some(length)
}

/// The heads of a file, from its index.
pub(super) fn heads(index: &[u8]) -> Option<Vec<Head>> {
    skipped(index, INDEX)?;
    let packed = index.get(8..index.len().checked_sub(END_LENGTH as usize)?)?;
    let entries = unpack(packed)?;
    Some(entries.as_chunks().0.iter().map(Head::of_entry).collect())
}

/// What a stream says of its origin.
pub(super) fn origin(text: &str) -> Vec<u8> {
    skippable(ORIGIN, text.as_bytes())
}

/// The length of an origin, from the eight bytes before it.
pub(super) fn origin_length(bytes: [u8; 8]) -> Option<u64> {
    skipped(&bytes, ORIGIN).filter(|length| *length <= MOST_ORIGIN)
}

/// A zstd frame that knows its length and its checksum.
///
/// # Errors
/// When zstd fails.
pub(super) fn pack(bytes: &[u8]) -> io::Result<Vec<u8>> {
    pack_at(bytes, LEVEL)
}

/// The same for a stream.
///
/// # Errors
/// When zstd fails.
pub(super) fn pack_fast(bytes: &[u8]) -> io::Result<Vec<u8>> {
    pack_at(bytes, FAST)
}

fn pack_at(bytes: &[u8], level: i32) -> io::Result<Vec<u8>> {
    let mut compressor = zstd::bulk::Compressor::new(level)?;
    compressor.include_checksum(true)?;
    compressor.include_contentsize(true)?;
    compressor.compress(bytes)
}

/// `None`: it is damaged, or says that it holds more than [`MOST`].
pub(super) fn unpack(frame: &[u8]) -> Option<Vec<u8>> {
    let length = zstd::zstd_safe::get_frame_content_size(frame).ok()??;
    let length = usize::try_from(length).ok().filter(|length| *length <= MOST)?;
    let bytes = UNPACKER.with_borrow_mut(|kept| {
        let unpacker = match kept {
            Some(unpacker) => unpacker,
            None => kept.insert(Decompressor::new().ok()?),
        };
        unpacker.decompress(frame, length).ok()
    });
    bytes.filter(|bytes| bytes.len() == length)
}
