//! The files of the journal: `journal-000001.jsonl` and so on, the newest with the highest
//! number.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::JournalError;
use crate::regular;

/// Files that no journal reaches: one a second for 30,000 years.
const MOST: u64 = 1_000_000_000_000;

pub(super) fn path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("journal-{number:06}.jsonl"))
}

/// Of a name that is written as ours are.
fn number(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("journal-")?.strip_suffix(".jsonl")?;
    let number: u64 = digits.parse().ok()?;
    (digits == format!("{number:06}")).then_some(number)
}

/// Numbers, ascending.
///
/// # Errors
/// When the directory can't be listed, or has a file with a number after which there is none.
pub(super) fn list(directory: &Path) -> Result<Vec<u64>, JournalError> {
    let failed = || JournalError::io(directory.display().to_string());
    let mut numbers = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed())? {
        let name = entry.map_err(failed())?.file_name();
        numbers.extend(name.to_str().and_then(number));
    }
    numbers.sort_unstable();
    match numbers.last() {
        Some(&number) if number > MOST => {
            Err(JournalError::Absurd { file: path(directory, number), number })
        }
        _ => Ok(numbers),
    }
}

/// Makes the directory if there is none. One of another user, or that everybody may write to, is
/// refused.
pub(super) fn make_directory(directory: &Path) -> Result<(), JournalError> {
    let failed = || JournalError::io(directory.display().to_string());
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(failed())?;
    match regular::why_foreign(directory).map_err(failed())? {
        Some(why) => Err(JournalError::Foreign { directory: directory.to_owned(), why }),
        None => Ok(()),
    }
}

/// A new file that holds `text`, safe on disk with its name.
pub(super) fn create(directory: &Path, number: u64, text: &[u8]) -> Result<File, JournalError> {
    let path = path(directory, number);
    let write = || {
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(text)?;
        file.sync_all()?;
        File::open(directory)?.sync_all()?;
        Ok(file)
    };
    write().map_err(|error: io::Error| {
        if error.kind() != io::ErrorKind::AlreadyExists {
            let _ = fs::remove_file(&path);
        }
        JournalError::io(format!("cannot begin {}", path.display()))(error)
    })
}

/// Removes the oldest but `keep`. What can't be removed is tried again with the next file.
pub(super) fn prune(directory: &Path, keep: usize) {
    let numbers = list(directory).unwrap_or_default();
    let old = numbers.len().saturating_sub(keep.max(1));
    for &number in numbers.iter().take(old) {
        let _ = fs::remove_file(path(directory, number));
    }
}
