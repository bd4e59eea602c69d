//! Files that are cut or changed.

use std::path::PathBuf;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

struct Case {
    _directory: TempDir,
    path: PathBuf,
    moments: Vec<Record>,
    bytes: Vec<u8>,
}

fn case(count: u64) -> Case {
    let directory = tempfile::tempdir().expect("there is room");
    let path = directory.path().join("a.mtrec");
    let moments = moments(count);
    write(&path, &moments);
    let bytes = std::fs::read(&path).expect("it is there");
    Case { _directory: directory, path, moments, bytes }
}

#[test]
fn a_cut_anywhere_leaves_what_was_before_it() {
    let case = case(13);
    let mut lengths = Vec::new();
    for cut in 0..case.bytes.len() {
        std::fs::write(&case.path, &case.bytes[..cut]).expect("it can be written");
        let Ok(_) = Reader::open(&case.path) else {
            assert!(cut < frame::BEGIN_LENGTH, "{cut}");
            continue;
        };
        let (read, losses) = read(&case.path);
        assert!(case.moments.starts_with(&read), "{cut}");
        let [loss] = &losses[..] else { panic!("{cut}: {losses:?}") };
        assert_eq!(loss.offset + loss.bytes, cut as u64);
        lengths.push(read.len());
    }
    lengths.dedup();
    // Frames of ten seconds, and the index.
    assert_eq!(lengths, [0, 10, 13]);
}

#[test]
fn after_damage_it_goes_on_at_the_next_keyframe() {
    let case = case(640);
    let mut bytes = case.bytes.clone();
    bytes[frame::BEGIN_LENGTH + frame::HEAD_LENGTH + 40] ^= 1;
    std::fs::write(&case.path, bytes).expect("it can be written");
    let (read, losses) = read(&case.path);
    assert!(read == case.moments[600..], "{} of {}", read.len(), case.moments.len());
    let [Loss { offset, samples, .. }] = &losses[..] else { panic!("{losses:?}") };
    assert_eq!((*offset, *samples), (frame::BEGIN_LENGTH as u64, Some(600)));
}

/// A file without an index, as a running or killed memtrace leaves it.
#[test]
fn after_damage_a_file_that_was_not_closed_goes_on_as_well() {
    let case = case(640);
    let mut bytes = case.bytes.clone();
    bytes[frame::BEGIN_LENGTH + frame::HEAD_LENGTH + 40] ^= 1;
    bytes.truncate(bytes.len() - 1);
    std::fs::write(&case.path, bytes).expect("it can be written");
    let (read, losses) = read(&case.path);
    assert!(read == case.moments[600..], "{} of {}", read.len(), case.moments.len());
    let [damage, end] = &losses[..] else { panic!("{losses:?}") };
    assert_eq!((damage.samples, end.samples), (Some(600), Some(0)));
}

#[test]
fn losses_are_reported() {
    let case = case(30);
    let told = |bytes: &[u8]| {
        std::fs::write(&case.path, bytes).expect("it can be written");
        match Recording::open(&case.path) {
            Err(error) => error.to_string(),
            Ok(mut recording) => {
                recording.by_ref().for_each(drop);
                let [loss] = recording.losses() else { panic!("{:?}", recording.losses()) };
                loss.to_string().rsplit_once("a.mtrec: ").expect("the file").1.to_owned()
            }
        }
    };
    let (whole, bytes) = (case.bytes.len(), &case.bytes);
    let first = frame::BEGIN_LENGTH;
    let mut damaged = bytes.clone();
    damaged[first + frame::HEAD_LENGTH + 40] ^= 1;
    for (bytes, expected) in [
        (&[][..], "empty file".to_owned()),
        (&bytes[..first - 1], "not a recording of memtrace".to_owned()),
        (&bytes[..first], "not closed; at most the last 10 s are missing".to_owned()),
        (
            &bytes[..first + 50],
            format!("cut at byte {first}; 50 bytes lost, number of samples unknown"),
        ),
        (&damaged, format!("damaged at byte {first}; 30 samples lost ({} bytes)", whole - first)),
        (
            &[&bytes[..], bytes].concat(),
            format!(
                "more data after the end at byte {whole}; {whole} bytes lost, number of \
                     samples unknown"
            ),
        ),
    ] {
        assert_eq!(told(bytes), expected);
    }
    let told = told(&bytes[..whole - 1]);
    assert!(
        told.starts_with("index cut at byte ") && told.ends_with("; no samples lost"),
        "{told}"
    );
}

#[test]
fn a_file_that_cannot_be_read_at_all_is_skipped_in_a_directory() {
    let case = case(3);
    std::fs::write(case.path.with_file_name("b.mtrec"), "").expect("it can be written");
    let folder = case.path.parent().expect("it is in one");
    let mut recording = Recording::open(folder).expect("it can be read");
    assert_eq!(recording.by_ref().count(), 3);
    let [loss] = recording.losses() else { panic!("{:?}", recording.losses()) };
    assert!(loss.to_string().ends_with("b.mtrec: empty file; the file is skipped"), "{loss}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_damage_leaves_what_was_before_it(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let case = case(13);
        let mut bytes = case.bytes.clone();
        for (at, byte) in &changes {
            *at.get_mut(&mut bytes) = *byte;
        }
        let first = bytes.iter().zip(&case.bytes).position(|(now, before)| now != before);
        std::fs::write(&case.path, &bytes).expect("it can be written");
        if let Ok(mut reader) = Reader::open(&case.path) {
            let read: Vec<Record> = reader.by_ref().collect();
            prop_assert!(case.moments.starts_with(&read));
            // All frames that end before the damage.
            let whole = frames(&case.bytes, first.unwrap_or(bytes.len()));
            prop_assert!(read.len() >= whole, "{} of {whole}", read.len());
        } else {
            prop_assert!(first.is_some_and(|first| first < frame::BEGIN_LENGTH));
        }
    }
}

/// How many samples the frames have that end before `until`.
fn frames(bytes: &[u8], until: usize) -> usize {
    let (mut at, mut samples) = (frame::BEGIN_LENGTH, 0);
    while let Some(frame::Next::Frame(head)) = frame::next(&bytes[at..]) {
        at += head.extent() as usize;
        if at > until {
            break;
        }
        samples += head.samples as usize;
    }
    samples
}
