//! Cut lines, zeros, foreign files, a full disk.

use std::fs::File;

use super::*;
use memtrace_core::format::several;

fn newest(directory: &Path) -> PathBuf {
    files::path(directory, *files::list(directory).unwrap().last().unwrap())
}

/// A journal with order 1 done and order 2 in flight.
fn written() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(directory.path());
    journal.begin(at(1), vec![wanted(1, 100, 80)]).unwrap();
    journal.end(at(2), &done(1)).unwrap();
    journal.begin(at(3), vec![wanted(2, 50, 40)]).unwrap();
    directory
}

#[test]
fn wherever_the_last_line_is_cut_what_is_before_it_stands() {
    let whole = written();
    let text = fs::read(newest(whole.path())).unwrap();
    let last = text[..text.len() - 1].iter().rposition(|&byte| byte == b'\n').unwrap() + 1;
    for end in (last + 1..text.len()).step_by(7) {
        let directory = tempfile::tempdir().unwrap();
        let path = files::path(directory.path(), 1);
        fs::write(&path, &text[..end]).unwrap();
        let (mut journal, recovered) = open(directory.path());
        assert_eq!(in_flight(&recovered), [0; 0], "the cut order was never carried out");
        assert_eq!(recovered.holdings.len(), 1);
        let cut = format!("its last line was cut after {}", several((end - last) as u64, "byte"));
        assert!(recovered.notices[0].ends_with(&cut), "{:?}", recovered.notices);
        journal.begin(at(9), vec![wanted(3, 9, 8)]).unwrap();
        drop(journal);
        let (_, recovered) = open(directory.path());
        assert_eq!((in_flight(&recovered), recovered.notices.len()), (vec![2], 0));
    }
}

#[test]
fn zeros_and_unknown_lines_are_counted_and_skipped() {
    let directory = written();
    let path = newest(directory.path());
    let mut text = fs::read(&path).unwrap();
    text.extend_from_slice(b"\0\0\0\0\n{\"kind\":\"of a later version\"}\n\0\0\0");
    fs::write(&path, text).unwrap();
    let (_, recovered) = open(directory.path());
    assert_eq!(in_flight(&recovered), [2]);
    let notice = &recovered.notices[0];
    assert!(notice.contains("2 lines can't be read"), "{notice}");
    assert!(notice.contains("cut after 3 bytes"), "{notice}");
}

#[test]
fn a_file_without_a_header_is_left_alone_and_the_one_before_it_counts() {
    let directory = written();
    fs::write(files::path(directory.path(), 2), "{\"kind\":\"hea").unwrap();
    let (mut journal, recovered) = open(directory.path());
    assert_eq!(in_flight(&recovered), [2]);
    assert!(recovered.notices[0].contains("no header"), "{:?}", recovered.notices);
    journal.begin(at(9), vec![wanted(3, 9, 8)]).unwrap();
    assert_eq!(files::list(directory.path()).unwrap(), [1, 2, 3]);
    drop(journal);
    assert_eq!(in_flight(&open(directory.path()).1), [2, 3]);
}

#[test]
fn a_newer_memtraces_journal_is_not_guessed_at() {
    let directory = tempfile::tempdir().unwrap();
    let header = "{\"kind\":\"header\",\"memtrace_journal\":3,\"new\":true}\n";
    fs::write(files::path(directory.path(), 1), header).unwrap();
    let error = Journal::open(directory.path(), Limits::default()).unwrap_err();
    assert!(matches!(error, JournalError::Newer { version: 3, .. }), "{error}");
    assert!(error.to_string().contains("from a newer memtrace"));
}

/// On a full disk every write fails with ENOSPC, as to this device.
fn fill(journal: &mut Journal) {
    let file = File::options().write(true).open("/dev/full").unwrap();
    journal.current = Some(Current { file, length: 0 });
}

#[test]
fn on_a_full_disk_nothing_can_begin_and_later_it_goes_on() {
    let directory = written();
    let (mut journal, _) = open(directory.path());
    fill(&mut journal);
    let error = journal.begin(at(5), vec![wanted(1, 80, 60)]).unwrap_err();
    assert!(error.to_string().contains("No space left on device"), "{error}");
    assert_eq!(journal.in_flight().count(), 1, "an order that is not in the journal");
    let orders = journal.begin(at(6), vec![wanted(1, 80, 60)]).unwrap();
    assert_eq!(ids(&orders), [3]);
    journal.end(at(6), &done(3)).unwrap();
    drop(journal);
    let (_, recovered) = open(directory.path());
    assert_eq!(in_flight(&recovered), [2], "what was before the full disk is known still");
}

#[test]
fn an_end_that_cannot_be_written_leaves_its_order_in_flight() {
    let directory = written();
    let (mut journal, _) = open(directory.path());
    fill(&mut journal);
    assert!(journal.end(at(5), &done(2)).is_err());
    assert_eq!(journal.in_flight().count(), 1);
    journal.end(at(6), &done(2)).unwrap();
    assert_eq!(journal.in_flight().count(), 0);
}

#[test]
fn without_room_for_a_new_file_nothing_is_left_of_it() {
    let directory = written();
    let (mut journal, _) = open(directory.path());
    journal.current = None;
    journal.directory = directory.path().join("gone");
    assert!(journal.begin(at(5), vec![wanted(1, 80, 60)]).is_err());
    journal.directory = directory.path().to_owned();
    assert_eq!(ids(&journal.begin(at(6), vec![wanted(1, 80, 60)]).unwrap()), [3]);
}

proptest::proptest! {
    #[test]
    fn whatever_is_in_the_file_nothing_panics(text in "(\\{\"kind\":\"(end|header|order)\",|\"id\":3|\\}|\n|.){0,30}") {
        let directory = tempfile::tempdir().unwrap();
        fs::write(files::path(directory.path(), 1), &text).unwrap();
        let _ = Journal::open(directory.path(), Limits::default());
        let _ = super::super::at(directory.path(), at(1));
    }
}
