//! Directories: rotation, limits, the lock.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, chown};

use super::*;
use memtrace_core::units::Bytes;

fn names(directory: &Path) -> Vec<String> {
    let files = super::super::folder::files(directory).expect("it can be read");
    files.iter().map(|path| path.file_name().unwrap_or_default().display().to_string()).collect()
}

#[test]
fn a_file_has_its_time_and_the_next_one_goes_on() {
    let directory = tempfile::tempdir().expect("there is room");
    let limits = Limits { time: Nanos(60 * Nanos::SECOND.0), ..Limits::default() };
    let mut recorder = Recorder::open(directory.path(), limits).expect("it is free");
    let moments = moments(150);
    for moment in &moments {
        recorder.push(moment.clone()).expect("it is written");
    }
    recorder.close().expect("it is closed");
    assert_eq!(
        names(directory.path()),
        ["20231114T221321Z.mtrec", "20231114T221421Z.mtrec", "20231114T221521Z.mtrec"]
    );
    let mut recording = Recording::open(directory.path()).expect("it can be read");
    let read: Vec<_> = recording.by_ref().collect();
    assert!(read == moments, "{} of {}", read.len(), moments.len());
    assert_eq!(recording.losses(), []);
}

#[test]
fn the_oldest_go_when_there_is_too_much() {
    let directory = tempfile::tempdir().expect("there is room");
    let limits = Limits { time: Nanos(10 * Nanos::SECOND.0), total: Bytes(40_000) };
    let mut recorder = Recorder::open(directory.path(), limits).expect("it is free");
    let moments = moments(900);
    for moment in &moments {
        recorder.push(moment.clone()).expect("it is written");
        assert!(recorder.state().1 <= limits.total);
    }
    let total = recorder.close().expect("it is closed");
    let sizes = super::super::folder::files(directory.path()).expect("it can be read");
    let sum: u64 = sizes.iter().map(|path| path.metadata().map_or(0, |file| file.len())).sum();
    assert!((15_000..=40_000).contains(&sum), "{sum} bytes");
    assert_eq!(total, Bytes(sum));
    let mut recording = Recording::open(directory.path()).expect("it can be read");
    let read: Vec<_> = recording.by_ref().collect();
    assert!(moments.ends_with(&read) && !read.is_empty(), "{}", read.len());
}

#[test]
fn a_directory_that_others_can_write_to_is_refused() {
    let directory = tempfile::tempdir().expect("there is room");
    let place = directory.path().join("recordings");
    std::fs::create_dir(&place).expect("it is made");
    let refused = || {
        let error = Recorder::open(&place, Limits::default()).expect_err("it is refused");
        (error.to_string(), std::fs::read_dir(&place).expect("it is there").count())
    };
    std::fs::set_permissions(&place, Permissions::from_mode(0o1777)).expect("it is ours");
    assert_eq!(refused(), ("everybody may write to it".to_owned(), 0));
    std::fs::set_permissions(&place, Permissions::from_mode(0o755)).expect("it is ours");
    Recorder::open(&directory.path().join("own"), Limits::default()).expect("it is free");
    // Only root can give it away.
    if rustix::process::geteuid().is_root() {
        chown(&place, Some(65_534), None).expect("it is given away");
        assert_eq!(refused(), ("it belongs to user 65534".to_owned(), 0));
    }
}

#[test]
fn two_do_not_record_into_one_directory() {
    let directory = tempfile::tempdir().expect("there is room");
    let open = || Recorder::open(directory.path(), Limits::default());
    let recorder = open().expect("it is free");
    let error = open().expect_err("it is taken").to_string();
    assert!(error.contains("another memtrace records there"), "{error}");
    drop(recorder);
    open().expect("it is free again");
}

#[test]
fn symbolic_links_are_not_written() {
    let directory = tempfile::tempdir().expect("there is room");
    let path = directory.path().join("full.mtrec");
    std::os::unix::fs::symlink("/dev/full", &path).expect("it can be made");
    assert!(Writer::create(&path).is_err(), "a link is not followed");
    let mut recording = Recording::open(directory.path()).expect("it can be read");
    assert_eq!(recording.next(), None);
    assert_eq!(recording.losses().len(), 1);
}
