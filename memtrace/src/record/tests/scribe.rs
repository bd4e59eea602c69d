//! The recorder of somebody who can't wait.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::daemon::{Control, spawn_with};
use crate::policy::{Memtrace, Rules};
use crate::reactor::Reactor;
use crate::units::Bytes;

fn reaction() -> Reaction {
    let told = crate::fixture::observed();
    told.report().expect("it is a report").reaction.clone()
}

#[test]
fn what_is_kept_is_in_the_file_when_it_ends() {
    let directory = tempfile::tempdir().expect("there is room");
    let recorder = Recorder::open(directory.path(), Limits::default()).expect("it is free");
    let mut scribe = Scribe::start(recorder).expect("it starts");
    // As many as may wait.
    let kept: Vec<Moment> = moments(16)
        .into_iter()
        .map(|moment| Moment { reaction: Some(reaction()), ..moment })
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
fn a_recording_that_cannot_go_on_holds_nobody_up() {
    let directory = tempfile::tempdir().expect("there is room");
    let path = directory.path().join("recordings");
    let recorder = Recorder::open(&path, Limits::default()).expect("it is free");
    std::fs::remove_dir_all(&path).expect("it is there");
    let mut scribe = Scribe::start(recorder).expect("it starts");
    let sample = Arc::new(fixture::sample(1, Vec::new()));
    // Far more than may wait, whether the thread has ended by then or not.
    for _ in 0..1000 {
        scribe.keep(&sample, &reaction());
    }
    drop(scribe);
    assert!(!path.exists());
    assert_eq!(Arc::strong_count(&sample), 1, "nothing waits");
}

#[test]
fn what_the_journal_may_need_stays_free() {
    let directory = tempfile::tempdir().expect("there is room");
    let recorder = Recorder::open(directory.path(), Limits::default()).expect("it is free");
    assert!(recorder.room().expect("it is there") > Bytes(0));
    let mut scribe = Scribe::sparing(recorder, Bytes(u64::MAX)).expect("it starts");
    scribe.keep(&Arc::new(fixture::sample(1, Vec::new())), &reaction());
    drop(scribe);
    assert!(Recording::open(directory.path()).is_err(), "something was recorded");
}

#[tokio::test]
async fn the_loop_has_recorded_every_reaction_when_it_is_over() {
    const LIMIT: Duration = Duration::from_secs(20);
    let directory = tempfile::tempdir().expect("there is room");
    let recorder = Recorder::open(directory.path(), Limits::default()).expect("it is free");
    let scribe = Scribe::start(recorder).expect("it starts");
    let policy = Box::new(Memtrace::new(Rules::default()));
    let reactor = Reactor::on_paper(policy).recorded(scribe);
    let control = Control { interval: Duration::from_millis(20), detail: None, stop: false };
    let mut handle = spawn_with(Box::new(fixture::Seconds::endless()), Some(reactor), control);
    let step = handle.step.wait_for(Option::is_some);
    let step = tokio::time::timeout(LIMIT, step).await.expect("in time").expect("it runs").clone();
    handle.stop(LIMIT).await;
    let step = step.expect("there is one");
    let mut recording = Recording::open(directory.path()).expect("it can be read");
    let found = recording.by_ref().find(|moment| moment.sample.wall == step.snapshot.wall);
    assert_eq!(found.and_then(|moment| moment.reaction), Some(step.reaction.clone()));
    assert!(recording.by_ref().all(|moment| moment.reaction.is_some()));
    assert_eq!(recording.losses(), [], "it isn't closed");
}
