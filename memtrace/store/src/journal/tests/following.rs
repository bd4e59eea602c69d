//! A follower reads the journal while it is written.

use std::path::PathBuf;

use super::*;
use memtrace_core::policy::Level;

fn follower(directory: &Path) -> Follower {
    Follower::new(directory.to_owned(), PathBuf::from("/proc/locks"))
}

/// Ids and whether they have ended, oldest first.
fn orders(follower: &mut Follower) -> Vec<(u64, bool)> {
    let followed = follower.look().unwrap().expect("a process holds the lock");
    followed.orders.iter().map(|told| (told.begun.order.id, told.ended.is_some())).collect()
}

fn state(follower: &mut Follower) -> Option<Level> {
    let followed = follower.look().unwrap().expect("a process holds the lock");
    followed.noted.as_ref().and_then(|noted| noted.decisions.state)
}

fn decided(state: Level) -> Decisions {
    Decisions { state: Some(state), ..Decisions::default() }
}

#[test]
fn a_journal_without_a_lock_holder_tells_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut follower = follower(directory.path());
    assert!(follower.look().unwrap().is_none());
    assert!(fs::read_dir(directory.path()).unwrap().next().is_none(), "looking leaves nothing");
    let (mut journal, _) = open(directory.path());
    journal.begin(at(1), vec![wanted(1, 100, 80)]).unwrap();
    assert_eq!(orders(&mut follower), [(1, false)]);
    journal.stop(at(2)).unwrap();
    assert!(follower.look().unwrap().is_none());
}

#[test]
fn each_line_is_read_once_and_in_time() {
    let directory = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(directory.path());
    let mut follower = follower(directory.path());
    assert_eq!(orders(&mut follower), []);
    assert_eq!(follower.known.followed.pid, Some(std::process::id()));
    journal.note(at(1), true, &decided(Level::Soft), []).unwrap();
    journal.begin(at(1), vec![wanted(1, 100, 80), wanted(2, 50, 40)]).unwrap();
    assert_eq!(orders(&mut follower), [(1, false), (2, false)]);
    assert_eq!(state(&mut follower), Some(Level::Soft));
    journal.end(at(2), &done(1)).unwrap();
    journal.note(at(2), true, &decided(Level::Hard), []).unwrap();
    journal.note(at(2), true, &decided(Level::Low), []).unwrap();
    assert_eq!(orders(&mut follower), [(1, true), (2, false)]);
    assert_eq!(state(&mut follower), Some(Level::Low));
    let held: Vec<_> =
        follower.known.followed.holdings.iter().map(|held| (held.vm, held.now)).collect();
    assert_eq!(held, [(vm(1), Some(Bytes(80 << 20))), (vm(2), None)]);
}

#[test]
fn it_follows_from_file_to_file() {
    let directory = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(directory.path(), SMALL).unwrap();
    let mut early = follower(directory.path());
    let mut seen = Vec::new();
    for id in 1..=40 {
        journal.begin(at(id), vec![wanted(1, 100, 80)]).unwrap();
        journal.end(at(id), &done(id)).unwrap();
        seen.push((id, true));
        assert_eq!(orders(&mut early), seen);
    }
    assert!(files::list(directory.path()).unwrap().first() > Some(&1), "old files are gone");
    // A late follower reads the last two files.
    let late = orders(&mut follower(directory.path()));
    assert!(!late.is_empty() && seen.ends_with(&late), "{late:?}");
}

#[test]
fn a_follower_that_missed_deleted_files_goes_on_with_the_present_ones() {
    let directory = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(directory.path(), SMALL).unwrap();
    let mut follower = follower(directory.path());
    journal.begin(at(1), vec![wanted(1, 100, 80)]).unwrap();
    assert_eq!(orders(&mut follower), [(1, false)]);
    for id in 2..=40 {
        journal.begin(at(id), vec![wanted(1, 100, 80)]).unwrap();
        journal.end(at(id), &done(id)).unwrap();
    }
    let orders = orders(&mut follower);
    assert_eq!((orders.first(), orders.last()), (Some(&(1, false)), Some(&(40, true))));
}

#[test]
fn half_a_line_waits_and_a_line_that_says_nothing_is_counted() {
    let directory = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(directory.path());
    journal.begin(at(1), vec![wanted(1, 100, 80)]).unwrap();
    let mut follower = follower(directory.path());
    assert_eq!(orders(&mut follower), [(1, false)]);
    let path = files::path(directory.path(), 1);
    let mut file = fs::File::options().append(true).open(&path).unwrap();
    file.write_all(br#"{"kind":"end","at":2,"id":1,"#).unwrap();
    assert_eq!(orders(&mut follower), [(1, false)]);
    file.write_all(b"\"error\":null}\nnonsense\n").unwrap();
    assert_eq!(orders(&mut follower), [(1, true)]);
    assert_eq!(follower.known.followed.unreadable, 1);
}

#[test]
fn a_truncated_line_is_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(directory.path());
    journal.begin(at(1), vec![wanted(1, 100, 80)]).unwrap();
    let path = files::path(directory.path(), 1);
    let length = fs::metadata(&path).unwrap().len();
    journal.begin(at(2), vec![wanted(2, 100, 80)]).unwrap();
    let mut follower = follower(directory.path());
    assert_eq!(orders(&mut follower), [(1, false), (2, false)]);
    fs::File::options().write(true).open(&path).unwrap().set_len(length).unwrap();
    assert_eq!(orders(&mut follower), [(1, false)]);
}

#[test]
fn a_newer_journal_is_not_guessed_at() {
    let directory = tempfile::tempdir().unwrap();
    let (_journal, _) = open(directory.path());
    let header = br#"{"kind":"header","memtrace_journal":99,"at":1}"#;
    fs::write(files::path(directory.path(), 1), [&header[..], b"\n"].concat()).unwrap();
    let error = follower(directory.path()).look().unwrap_err();
    assert!(matches!(error, JournalError::Newer { version: 99, .. }), "{error}");
}

#[test]
fn a_holder_is_found_while_others_take_and_release_locks() {
    let directory = tempfile::tempdir().unwrap();
    let _journal = Journal::open(directory.path(), SMALL).unwrap();
    let mut follower = follower(directory.path());
    let ended = std::sync::atomic::AtomicBool::new(false);
    // More than the kernel tells in one read of a page.
    let others: Vec<_> = (0..100).map(|_| tempfile::tempfile().unwrap()).collect();
    std::thread::scope(|threads| {
        threads.spawn(|| {
            while !ended.load(std::sync::atomic::Ordering::Relaxed) {
                others.iter().for_each(|file| file.lock().unwrap());
                others.iter().for_each(|file| file.unlock().unwrap());
            }
        });
        let looks: Vec<bool> = (0..500).map(|_| follower.look().unwrap().is_some()).collect();
        ended.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(looks.iter().all(|seen| *seen), "{looks:?}");
    });
}
