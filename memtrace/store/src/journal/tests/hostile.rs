//! Files that no memtrace made, in the journal's directory: refused by name, and never waited for.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::{PermissionsExt, chown};

use rustix::fs::{CWD, mkfifoat};

use super::*;

fn refused(directory: &Path) -> String {
    Journal::open(directory, Limits::default()).expect_err("it is refused").to_string()
}

#[test]
fn a_number_that_no_journal_reaches_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = files::path(directory.path(), u64::MAX);
    fs::write(&path, "").unwrap();
    let error = refused(directory.path());
    assert!(error.contains("journal-18446744073709551615.jsonl has the number"), "{error}");
    fs::remove_file(path).unwrap();
    // Of other names than ours.
    for name in ["journal-+00007.jsonl", "journal-7.jsonl", "journal-0000007.jsonl"] {
        fs::write(directory.path().join(name), "").unwrap();
    }
    assert_eq!(files::list(directory.path()).unwrap(), [0; 0]);
}

#[test]
fn an_order_that_no_journal_reaches_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(directory.path());
    journal.begin(at(1), vec![wanted(1, 500, 400)]).unwrap();
    drop(journal);
    let path = files::path(directory.path(), 1);
    let text = fs::read_to_string(&path).unwrap();
    let changed = text.replace("\"id\":1", &format!("\"id\":{}", u64::MAX));
    assert_ne!(text, changed);
    fs::write(&path, changed).unwrap();
    let error = refused(directory.path());
    assert!(error.contains("journal-000001.jsonl has the number 18446744073709551615"), "{error}");
}

#[test]
fn pipes_are_refused_and_not_waited_for() {
    for name in ["journal-000001.jsonl", lock::NAME] {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join(name);
        mkfifoat(CWD, &pipe, 0o600.into()).unwrap();
        let error = refused(directory.path());
        let told = format!("{name}: not a regular file, but a named pipe");
        assert!(error.ends_with(&told), "{error}");
        if name == lock::NAME {
            assert!(lock::look(&directory.path().join(name), "").is_err());
        }
    }
}

#[test]
fn a_directory_that_others_can_write_to_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    set_permissions(directory.path(), Permissions::from_mode(0o777)).unwrap();
    let error = refused(directory.path());
    assert!(error.ends_with("the directory of the journal: everybody may write to it"), "{error}");
    set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    // Only root can give it away.
    if rustix::process::geteuid().is_root() {
        chown(directory.path(), Some(65_534), None).unwrap();
        let error = refused(directory.path());
        assert!(error.ends_with("it belongs to user 65534"), "{error}");
        chown(directory.path(), Some(0), None).unwrap();
    }
    open(directory.path());
}
