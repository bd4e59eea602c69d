//! Follows the growing journal of another memtrace that acts on this host. Takes no lock and writes
//! nothing.

use std::io::{BufReader, ErrorKind, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::entry::{Changed, JournalEntry};
use super::lock::{self, Holder};
use super::{JournalError, change, files, lines};
use crate::journal::state::JournalState;
use crate::regular;
use memtrace_core::reactor::entry::{Followed, JournalledOrder};

/// The last orders that are kept.
const ORDERS: usize = 200;
/// Prefixes of a whole note and of one with changes. Most of a journal is notes, of which only
/// the last whole one and the changes after it count.
const NOTED: &[u8] = br#"{"kind":"noted","#;
const CHANGED: &[u8] = br#"{"kind":"changed","#;

/// Follows a journal. Each line is read once.
#[derive(Debug)]
pub struct Follower {
    directory: PathBuf,
    locks: PathBuf,
    place: Option<FilePosition>,
    pub(super) known: ReadSoFar,
}

/// The state read from the journal so far.
#[derive(Debug, Default)]
pub(super) struct ReadSoFar {
    pub(super) followed: Followed,
    /// Changes to the note that are not applied yet.
    changes: Vec<Changed>,
    state: JournalState,
}

/// A file of the journal, and how far it was read.
#[derive(Clone, Copy, Debug)]
struct FilePosition {
    number: u64,
    offset: u64,
}

impl Follower {
    /// Follows the journal in `directory`. `locks`: /proc/locks.
    pub fn new(directory: PathBuf, locks: PathBuf) -> Self {
        Self { directory, locks, place: None, known: ReadSoFar::default() }
    }

    /// What is known so far. `None`: no process holds the lock.
    ///
    /// # Errors
    /// When a process holds it and the journal cannot be read or is of a newer memtrace; or when
    /// the lock cannot be checked.
    pub fn look(&mut self) -> Result<Option<&Followed>, JournalError> {
        match self.holder()? {
            Holder::None => {
                (self.place, self.known) = (None, ReadSoFar::default());
                Ok(None)
            }
            Holder::Process(pid) => {
                self.known.followed.pid = pid;
                self.read_on()?;
                Ok(Some(&self.known.followed))
            }
        }
    }

    /// Whether there could be a journal there that is read, also while nobody writes one.
    ///
    /// # Errors
    /// When the directory is a stranger's, or its newest files can't be read.
    pub fn check(&self) -> Result<(), JournalError> {
        let failed = || JournalError::io(self.directory.display().to_string());
        match regular::why_foreign(&self.directory) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Ok(None) => {}
            Err(error) => return Err(failed()(error)),
            Ok(Some(why)) => {
                let directory = self.directory.clone();
                return Err(JournalError::Foreign { directory, why });
            }
        }
        Self::new(self.directory.clone(), self.locks.clone()).read_on()
    }

    /// The process that holds the lock.
    fn holder(&self) -> Result<Holder, JournalError> {
        lock::holder_of(&self.directory.join(lock::NAME), &self.locks)
    }

    /// Reads what was added, in the file that it is in and in those after it. It begins with
    /// the newest file but one, as the newest may have begun a moment ago.
    fn read_on(&mut self) -> Result<(), JournalError> {
        let numbers = files::list(&self.directory)?;
        let begin = numbers.iter().rev().nth(1).or(numbers.last());
        let Some(mut place) =
            self.place.or(begin.map(|&number| FilePosition { number, offset: 0 }))
        else {
            return Ok(());
        };
        loop {
            place.offset = match self.read_file(place) {
                Ok(offset) => offset,
                // It was the oldest, and went away meanwhile.
                Err(JournalError::Io { error, .. }) if error.kind() == ErrorKind::NotFound => 0,
                Err(error) => return Err(error),
            };
            self.place = Some(place);
            match numbers.iter().find(|number| **number > place.number) {
                Some(&number) => place = FilePosition { number, offset: 0 },
                None => return Ok(()),
            }
        }
    }

    /// The end of the file's last whole line.
    fn read_file(&mut self, place: FilePosition) -> Result<u64, JournalError> {
        let path = files::path(&self.directory, place.number);
        let failed = || JournalError::io(path.display().to_string());
        let mut file = regular::open(&path).map_err(failed())?;
        let length = file.metadata().map_err(failed())?.len();
        let mut offset = place.offset;
        if length < offset {
            // The writer cuts off a line that it could not write whole, which may have been read.
            let followed = Followed { pid: self.known.followed.pid, ..Followed::default() };
            (self.known, offset) = (ReadSoFar { followed, ..ReadSoFar::default() }, 0);
        }
        file.seek(SeekFrom::Start(offset)).map_err(failed())?;
        let mut reader = BufReader::new(file);
        let (mut line, mut thoughts) = (Vec::new(), Vec::new());
        loop {
            line.clear();
            let read = lines::next_line(&mut reader, &mut line).map_err(failed())?;
            if line.last() != Some(&b'\n') {
                break;
            }
            offset += read;
            let is_whole = line.starts_with(NOTED);
            if is_whole {
                thoughts.clear();
            }
            if is_whole || line.starts_with(CHANGED) {
                thoughts.push(std::mem::take(&mut line));
            } else {
                self.take(&path, &line)?;
            }
        }
        thoughts.iter().try_for_each(|line| self.take(&path, line))?;
        let ReadSoFar { followed, changes, state } = &mut self.known;
        followed.unreadable += change::fold(&mut followed.noted, changes);
        followed.holdings = state.holdings.values().cloned().collect();
        Ok(offset)
    }

    fn take(&mut self, path: &Path, line: &[u8]) -> Result<(), JournalError> {
        match lines::entry(line) {
            Ok(entry) => self.known.take(entry),
            Err(Some(version)) => {
                return Err(JournalError::Newer { file: path.to_owned(), version });
            }
            Err(None) => self.known.followed.unreadable += 1,
        }
        Ok(())
    }
}

impl ReadSoFar {
    fn take(&mut self, entry: JournalEntry) {
        self.state.apply(&entry);
        let Followed { noted: last, orders, .. } = &mut self.followed;
        match entry {
            JournalEntry::Order(begun) => {
                if orders.len() >= ORDERS {
                    orders.pop_front();
                }
                orders.push_back(JournalledOrder { begun, ended: None });
            }
            JournalEntry::End { at, id, error } => {
                let mut orders = orders.iter_mut().rev();
                if let Some(told) = orders.find(|told| told.begun.order.id == id) {
                    told.ended = Some((at, error.map_or(Ok(()), Err)));
                }
            }
            JournalEntry::Noted(noted) => {
                self.changes.clear();
                *last = Some(noted);
            }
            JournalEntry::Changed(changed) => self.changes.push(changed),
            // Thoughts of an earlier run say nothing about this one.
            JournalEntry::Start { .. } => (*last, self.changes) = (None, Vec::new()),
            JournalEntry::Header(_) | JournalEntry::Stop { .. } | JournalEntry::Forget { .. } => {}
        }
    }
}
