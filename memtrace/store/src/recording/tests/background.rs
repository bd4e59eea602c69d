//! The recorder with a thread of its own, for callers that must not wait.

use std::sync::Arc;

use super::*;
use memtrace_core::reactor::Recorder as _;
use memtrace_core::units::Bytes;

fn reaction() -> Reaction {
    let told = memtrace_core::fixture::observed();
    told.report().expect("it is a report").reaction.clone()
}

#[test]
fn all_kept_moments_are_in_the_file_at_its_end() {
    let directory = tempfile::tempdir().expect("there is room");
    let recorder = Recorder::open(directory.path(), Limits::default()).expect("it is free");
    let mut scribe = BackgroundRecorder::start(recorder).expect("it starts");
    // As many as may wait.
    let kept: Vec<Record> = moments(16)
        .into_iter()
        .map(|moment| Record { reaction: Some(reaction()), ..moment })
        .collect();
    for moment in &kept {
        scribe.keep(&Arc::new(moment.sample.clone()), &reaction());
    }
    drop(scribe);
    let mut recording = Recording::open(directory.path()).expect("it can be read");
    assert!(recording.by_ref().eq(kept), "other moments than kept");
    assert_eq!(recording.losses(), []);
}

#[test]
fn a_recording_that_cannot_go_on_does_not_block() {
    let directory = tempfile::tempdir().expect("there is room");
    let path = directory.path().join("recordings");
    let recorder = Recorder::open(&path, Limits::default()).expect("it is free");
    std::fs::remove_dir_all(&path).expect("it is there");
    let mut scribe = BackgroundRecorder::start(recorder).expect("it starts");
    let sample = Arc::new(samples::sample(1, Vec::new()));
    // Far more than may wait, whether the thread has ended by then or not.
    for _ in 0..1000 {
        scribe.keep(&sample, &reaction());
    }
    drop(scribe);
    assert!(!path.exists());
    assert_eq!(Arc::strong_count(&sample), 1, "nothing waits");
}

#[test]
fn the_journals_share_of_the_disk_stays_free() {
    let directory = tempfile::tempdir().expect("there is room");
    let recorder = Recorder::open(directory.path(), Limits::default()).expect("it is free");
    assert!(recorder.room().expect("it is there") > Bytes(0));
    let mut scribe = BackgroundRecorder::sparing(recorder, Bytes(u64::MAX)).expect("it starts");
    scribe.keep(&Arc::new(samples::sample(1, Vec::new())), &reaction());
    drop(scribe);
    assert!(Recording::open(directory.path()).is_err(), "something was recorded");
}
