//! memtrace's own files, whatever became of them.

use std::cell::RefCell;
use std::fs;
use std::path::Path;

use memtrace_core::units::WallNanos;
use memtrace_store::journal::{self, Journal, JournalError, Limits};
use memtrace_store::recording::{Incoming, OLDEST, Reader, VERSION};
use memtrace_store::tape::Tape;
use tempfile::TempDir;

/// Most moments of a recording that are read: one may have millions of values.
const MOMENTS: usize = 8;
/// Bytes that a recording begins with.
const BEGIN: usize = 20;
const NOON: WallNanos = WallNanos(1_700_000_000_000_000_000);

thread_local! {
    /// In memory, where there is such a file system. Shared by the inputs of a run.
    static DIRECTORY: RefCell<Option<TempDir>> = const { RefCell::new(None) };
}

/// Calls `with` with an empty directory.
fn in_directory(with: impl FnOnce(&Path)) {
    DIRECTORY.with_borrow_mut(|kept| {
        let directory = kept.get_or_insert_with(|| {
            tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a directory")
        });
        for entry in fs::read_dir(directory.path()).expect("it is readable").flatten() {
            fs::remove_file(entry.path()).expect("it can be removed");
        }
        with(directory.path());
    });
}

/// The newest file of a journal.
pub fn journal(data: &[u8]) {
    in_directory(|directory| {
        fs::write(directory.join("journal-000001.jsonl"), data).expect("there is room");
        // Reading changes nothing.
        let account = journal::at(directory, NOON);
        let limits = Limits::default();
        let (journal, recovered) = match Journal::open(directory, limits) {
            Ok(opened) => opened,
            Err(JournalError::Newer { .. }) => return assert!(account.is_err()),
            Err(error) => panic!("not opened: {error}"),
        };
        let mut holdings: Vec<_> = journal.holdings().cloned().collect();
        let mut in_flight: Vec<_> = journal.in_flight().cloned().collect();
        assert_eq!((&recovered.holdings, &recovered.in_flight), (&holdings, &in_flight));
        drop(journal);
        // What it knows outlives a run, with an orderly end, and a new file.
        for file in [limits.file, memtrace_core::units::Bytes(0)] {
            let limits = Limits { file, ..limits };
            let (journal, _) = Journal::open(directory, limits).expect("it was opened before");
            journal.stop(NOON).expect("there is room");
            let (journal, recovered) = Journal::open(directory, limits).expect("it is ours");
            assert!(recovered.clean);
            assert_eq!(journal.holdings().cloned().collect::<Vec<_>>(), holdings);
            assert_eq!(journal.in_flight().cloned().collect::<Vec<_>>(), in_flight);
            holdings = recovered.holdings;
            in_flight = recovered.in_flight;
        }
    });
}

/// A file of a recording.
pub fn recording(data: &[u8]) {
    in_directory(|directory| {
        let path = directory.join("a.mtrec");
        fs::write(&path, data).expect("there is room");
        read(&path);
    });
}

/// The content of its frames, so that fuzzing gets past their checksums. Each is led by a byte
/// (whose lowest bit is that of a keyframe, the others the number of samples) and two with its
/// length.
pub fn recording_frames(data: &[u8]) {
    (OLDEST..=VERSION).for_each(|version| frames_of(version, data));
}

fn frames_of(version: u32, data: &[u8]) {
    let mut file = skippable(0x184D_2A50, &[b"memtrace", &version.to_le_bytes()[..]].concat());
    let mut rest = data;
    while let Some((&[head, low, high], after)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes([low, high])).min(after.len());
        let (content, next) = after.split_at(length);
        let frame = zstd::bulk::compress(content, 1).expect("it can be compressed");
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
    recording(&file);
    stream(&file);
}

/// The frames of a file as they come from another memtrace.
fn stream(file: &[u8]) {
    let (begin, frames) = file.split_at(BEGIN);
    let origin = br#"{"command":"exporter","version":"1","pid":1,"since":1}"#;
    let stream = [begin, &skippable(0x184D_2A53, origin), frames].concat();
    let mut incoming = Incoming::open(&stream[..]).expect("that is what it begins with");
    let moments = std::iter::from_fn(|| incoming.receive().ok().flatten());
    let moments: Vec<_> = moments.take(MOMENTS).collect();
    in_directory(|directory| {
        let path = directory.join("a.mtrec");
        fs::write(&path, file).expect("there is room");
        let read: Vec<_> = Reader::open(&path).expect("as before").take(MOMENTS).collect();
        // A file is read on after damage.
        assert!(read.starts_with(&moments), "{} and {}", read.len(), moments.len());
    });
}

fn skippable(magic: u32, content: &[u8]) -> Vec<u8> {
    [&magic.to_le_bytes()[..], &(content.len() as u32).to_le_bytes(), content].concat()
}

fn read(path: &Path) {
    let Ok(mut reader) = Reader::open(path) else { return };
    let moments: Vec<_> = reader.by_ref().take(MOMENTS).collect();
    let lost = reader.losses().len();
    let mut tape = Tape::open(path).expect("it was opened before");
    let shown = tape.by_ref().take(MOMENTS).count();
    assert_eq!(shown, moments.len(), "of {lost} losses");
    if let Some(moment) = moments.last() {
        tape.go(moment.sample.wall);
        // What was read can be written, and is read back.
        let text = serde_json::to_string(moment).expect("it can be written");
        let again = serde_json::from_str(&text).expect("it can be read");
        assert_eq!(*moment, again);
    }
}
