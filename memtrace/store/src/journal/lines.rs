//! Reads a file of the journal, damaged or not: a line cut off by a crash, zeros after a power cut,
//! lines that this version doesn't know.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use serde_json::Value;

use super::JournalError;
use super::entry::{JournalEntry, VERSION};
use crate::regular;

/// Longest line that is read; a thousand VMs with all their reasons are a few MiB.
const LONGEST: u64 = 32 << 20;

/// The content of a file.
#[derive(Debug, Default)]
pub(super) struct JournalContent {
    /// Where the last whole line ends.
    pub(super) length: u64,
    /// Bytes after that.
    pub(super) cut: u64,
    /// Whole lines that say nothing.
    pub(super) unreadable: u64,
    /// Its first line is a header.
    pub(super) headed: bool,
}

/// Gives each entry of the file to `each`, the header first.
pub(super) fn read(
    path: &Path,
    mut each: impl FnMut(JournalEntry),
) -> Result<JournalContent, JournalError> {
    let failed = || JournalError::io(path.display().to_string());
    let mut reader = BufReader::new(regular::open(path).map_err(failed())?);
    let mut found = JournalContent::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = next_line(&mut reader, &mut line).map_err(failed())?;
        if length == 0 {
            return Ok(found);
        }
        if line.last() != Some(&b'\n') {
            found.cut = length;
            return Ok(found);
        }
        let first = found.length == 0;
        found.length += length;
        match entry(&line) {
            Ok(entry) => {
                found.headed |= first && matches!(entry, JournalEntry::Header(_));
                each(entry);
            }
            Err(Some(version)) => {
                return Err(JournalError::Newer { file: path.to_owned(), version });
            }
            Err(None) => found.unreadable += 1,
        }
    }
}

/// A line's entry; the version of a header that is newer than ours, or `None` for what says
/// nothing.
pub(super) fn entry(line: &[u8]) -> Result<JournalEntry, Option<u64>> {
    match serde_json::from_slice::<JournalEntry>(line) {
        Ok(JournalEntry::Header(header)) if header.memtrace_journal <= VERSION => {
            Ok(JournalEntry::Header(header))
        }
        Ok(entry) if !matches!(entry, JournalEntry::Header(_)) => Ok(entry),
        _ => Err(newer(line)),
    }
}

pub(super) fn next_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<u64> {
    let length = reader.take(LONGEST).read_until(b'\n', line)?;
    Ok(length as u64)
}

/// The version in a header, if it is newer than ours.
fn newer(line: &[u8]) -> Option<u64> {
    let value: Value = serde_json::from_slice(line).ok()?;
    let version = value.get("memtrace_journal")?.as_u64()?;
    (version > u64::from(VERSION)).then_some(version)
}
