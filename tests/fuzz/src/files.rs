//! memtrace's own files, whatever became of them.

use std::cell::{OnceCell, RefCell};
use std::fs;
use std::path::Path;

use memtrace_core::units::WallNanos;
use memtrace_store::journal::{self, Journal, JournalError, Limits};
use memtrace_store::recording::{Incoming, OLDEST, Reader, Record, VERSION};
use memtrace_store::tape::Tape;
use tempfile::TempDir;
use zstd::bulk::Compressor;

use crate::DEAR;

/// Most moments of a recording that are read: one may have millions of values.
const MOMENTS: usize = 8;
/// Bytes that a recording begins with.
const BEGIN: usize = 20;
const NOON: WallNanos = WallNanos(1_700_000_000_000_000_000);

thread_local! {
    /// In memory, where there is such a file system. Shared by the inputs of a run.
    static DIRECTORY: OnceCell<TempDir> = const { OnceCell::new() };
    /// Made once: that takes longer than what most inputs hold.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
}

/// Calls `with` with a directory of ours.
fn in_directory(with: impl FnOnce(&Path)) {
    DIRECTORY.with(|kept| {
        let new = || tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        with(kept.get_or_init(|| new().expect("a directory")).path());
    });
}

/// Calls `with` with a file of this content, which takes the last one's place.
fn in_file(content: &[u8], with: impl FnOnce(&Path)) {
    in_directory(|directory| {
        let path = directory.join("a.mtrec");
        fs::write(&path, content).expect("there is room");
        with(&path);
    });
}

/// The newest file of a journal.
pub fn journal(data: &[u8]) {
    in_directory(|directory| {
        for entry in fs::read_dir(directory).expect("it is readable").flatten() {
            fs::remove_file(entry.path()).expect("it can be removed");
        }
        fs::write(directory.join("journal-000001.jsonl"), data).expect("there is room");
        // Reading changes nothing.
        let account = journal::at(directory, NOON);
        if !data.len().is_multiple_of(DEAR) {
            return;
        }
        let limits = Limits::default();
        let (mut journal, recovered) = match Journal::open(directory, limits) {
            Ok(opened) => opened,
            Err(JournalError::Newer { .. }) => return assert!(account.is_err()),
            Err(error) => panic!("not opened: {error}"),
        };
        let mut holdings: Vec<_> = journal.holdings().cloned().collect();
        let mut in_flight: Vec<_> = journal.in_flight().cloned().collect();
        assert_eq!((&recovered.holdings, &recovered.in_flight), (&holdings, &in_flight));
        // What it knows outlives a run, with an orderly end, in the same file and in a new one.
        for file in [memtrace_core::units::Bytes(0), limits.file] {
            journal.stop(NOON).expect("there is room");
            let opened = Journal::open(directory, Limits { file, ..limits });
            let (again, recovered) = opened.expect("it is ours");
            assert!(recovered.clean);
            assert_eq!(again.holdings().cloned().collect::<Vec<_>>(), holdings);
            assert_eq!(again.in_flight().cloned().collect::<Vec<_>>(), in_flight);
            holdings = recovered.holdings;
            in_flight = recovered.in_flight;
            journal = again;
        }
    });
}

/// A file of a recording.
pub fn recording(data: &[u8]) {
    in_file(data, |path| drop(read(path)));
}

/// The content of its frames, so that fuzzing gets past their checksums. The first byte chooses the
/// version. Each frame is led by a byte (whose lowest bit is that of a keyframe, the others the
/// number of samples) and two with its length.
pub fn recording_frames(data: &[u8]) {
    let Some((&first, mut rest)) = data.split_first() else { return };
    let version = OLDEST + u32::from(first) % (VERSION - OLDEST + 1);
    let mut file = skippable(0x184D_2A50, &[b"memtrace", &version.to_le_bytes()[..]].concat());
    while let Some((&[head, low, high], after)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes([low, high])).min(after.len());
        let (content, next) = after.split_at(length);
        let frame = compressed(content);
        let samples = u32::from(head >> 1);
        let entry = [
            &(frame.len() as u32).to_le_bytes()[..],
            &samples.to_le_bytes(),
            &NOON.0.to_le_bytes(),
            &NOON.0.to_le_bytes(),
            &[head & 1],
        ];
        file.extend(skippable(0x184D_2A51, &entry.concat()));
        file.extend(frame);
        rest = next;
    }
    in_file(&file, |path| stream(&file, &read(path).expect("it begins as one")));
}

fn compressed(content: &[u8]) -> Vec<u8> {
    COMPRESSOR.with_borrow_mut(|kept| {
        let compressor = kept.get_or_insert_with(|| Compressor::new(1).expect("there is room"));
        compressor.compress(content).expect("it can be compressed")
    })
}

/// The frames of a file as they come from another memtrace. `read`: what the file gave.
fn stream(file: &[u8], read: &[Record]) {
    let (begin, frames) = file.split_at(BEGIN);
    let origin = br#"{"command":"exporter","version":"1","pid":1,"since":1}"#;
    let stream = [begin, &skippable(0x184D_2A53, origin), frames].concat();
    let mut incoming = Incoming::open(&stream[..]).expect("that is what it begins with");
    let moments = std::iter::from_fn(|| incoming.receive().ok().flatten());
    let moments: Vec<_> = moments.take(MOMENTS).collect();
    // A file is read on after damage.
    assert!(read.starts_with(&moments), "{} and {}", read.len(), moments.len());
}

fn skippable(magic: u32, content: &[u8]) -> Vec<u8> {
    [&magic.to_le_bytes()[..], &(content.len() as u32).to_le_bytes(), content].concat()
}

/// Its first moments. `None`: it is no recording.
fn read(path: &Path) -> Option<Vec<Record>> {
    let mut reader = Reader::open(path).ok()?;
    let moments: Vec<_> = reader.by_ref().take(MOMENTS).collect();
    let lost = reader.losses().len();
    if path.metadata().is_ok_and(|file| file.len().is_multiple_of(DEAR as u64)) {
        let mut tape = Tape::open(path).expect("it was opened before");
        let shown = tape.by_ref().take(MOMENTS).count();
        assert_eq!(shown, moments.len(), "of {lost} losses");
        if let Some(moment) = moments.last() {
            tape.go(moment.sample.wall);
        }
    }
    if let Some(moment) = moments.last() {
        // What was read can be written, and is read back.
        let text = serde_json::to_string(moment).expect("it can be written");
        let again = serde_json::from_str(&text).expect("it can be read");
        assert_eq!(*moment, again);
    }
    Some(moments)
}
