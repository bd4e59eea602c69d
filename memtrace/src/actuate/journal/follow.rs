//! Reading along in the journal of another memtrace that acts on this host, as it grows.
//! Neither locks nor writes anything.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufReader, ErrorKind, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::books::Books;
use super::entry::{Changed, Entry, Noted};
use super::lock::{self, Holder};
use super::{Holding, JournalError, Told, change, files, lines};
use crate::hostfs::read;

/// The last orders that are kept.
const ORDERS: usize = 200;
/// How a line of thoughts begins. Most of a journal is those, and only the last one counts,
const NOTED: &[u8] = br#"{"kind":"noted","#;
/// with what changed since.
const CHANGED: &[u8] = br#"{"kind":"changed","#;

/// Reads along. What was read once isn't read again.
#[derive(Debug)]
pub struct Follower {
    directory: PathBuf,
    locks: PathBuf,
    place: Option<Place>,
    pub(super) followed: Followed,
}

/// A file of the journal, and how far it was read.
#[derive(Clone, Copy, Debug)]
struct Place {
    number: u64,
    offset: u64,
}

/// What it does and thinks, the one that has the journal.
#[derive(Clone, Debug, Default)]
pub struct Followed {
    pub pid: Option<u32>,
    /// `None`: it has thought nothing yet that was worth a line.
    pub noted: Option<Noted>,
    /// Oldest first.
    pub orders: VecDeque<Told>,
    /// Lines that can't be read.
    pub unreadable: u64,
    /// Of what is noted, not worked in yet.
    changes: Vec<Changed>,
    books: Books,
}

impl Follower {
    /// Of the journal in `directory`. `locks`: /proc/locks.
    pub fn new(directory: PathBuf, locks: PathBuf) -> Self {
        Self { directory, locks, place: None, followed: Followed::default() }
    }

    /// What is known by now. `None`: nobody has the journal.
    ///
    /// # Errors
    /// When somebody has it, and it can't be read or is of a newer memtrace; or when nobody
    /// can tell.
    pub fn look(&mut self) -> Result<Option<&Followed>, JournalError> {
        let locks = read::text(&self.locks, read::LARGE);
        let locks = locks.map_err(JournalError::io(self.locks.display().to_string()))?;
        match lock::look(&self.directory, &locks)? {
            Holder::Nobody => {
                (self.place, self.followed) = (None, Followed::default());
                Ok(None)
            }
            Holder::Somebody(pid) => {
                self.followed.pid = pid;
                self.read_on()?;
                Ok(Some(&self.followed))
            }
        }
    }

    /// Reads what was added, in the file that it is in and in those after it. It begins with
    /// the newest file but one, as the newest may have begun a moment ago.
    fn read_on(&mut self) -> Result<(), JournalError> {
        let listed = files::list(&self.directory);
        let numbers = listed.map_err(JournalError::io(self.directory.display().to_string()))?;
        let begin = numbers.iter().rev().nth(1).or(numbers.last());
        let Some(mut place) = self.place.or(begin.map(|&number| Place { number, offset: 0 }))
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
                Some(&number) => place = Place { number, offset: 0 },
                None => return Ok(()),
            }
        }
    }

    /// Where the file ends by now, in whole lines.
    fn read_file(&mut self, place: Place) -> Result<u64, JournalError> {
        let path = files::path(&self.directory, place.number);
        let failed = || JournalError::io(path.display().to_string());
        let mut file = File::open(&path).map_err(failed())?;
        let length = file.metadata().map_err(failed())?.len();
        let mut offset = place.offset;
        if length < offset {
            // What couldn't be written whole was taken back, and had been read.
            (self.followed, offset) =
                (Followed { pid: self.followed.pid, ..Followed::default() }, 0);
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
        let Followed { noted, changes, unreadable, .. } = &mut self.followed;
        *unreadable += change::fold(noted, changes);
        Ok(offset)
    }

    fn take(&mut self, path: &Path, line: &[u8]) -> Result<(), JournalError> {
        match lines::entry(line) {
            Ok(entry) => self.followed.take(entry),
            Err(Some(version)) => {
                return Err(JournalError::Newer { file: path.to_owned(), version });
            }
            Err(None) => self.followed.unreadable += 1,
        }
        Ok(())
    }
}

impl Followed {
    /// What it has taken from VMs and not given back.
    pub fn holdings(&self) -> impl Iterator<Item = &Holding> {
        self.books.holdings.values()
    }

    fn take(&mut self, entry: Entry) {
        self.books.apply(&entry);
        match entry {
            Entry::Order(begun) => {
                if self.orders.len() >= ORDERS {
                    self.orders.pop_front();
                }
                self.orders.push_back(Told { begun, ended: None });
            }
            Entry::End { at, id, error } => {
                let mut orders = self.orders.iter_mut().rev();
                if let Some(told) = orders.find(|told| told.begun.order.id == id) {
                    told.ended = Some((at, error.map_or(Ok(()), Err)));
                }
            }
            Entry::Noted(noted) => {
                self.changes.clear();
                self.noted = Some(noted);
            }
            Entry::Changed(changed) => self.changes.push(changed),
            // What an earlier run thought isn't what this one does.
            Entry::Start { .. } => (self.noted, self.changes) = (None, Vec::new()),
            Entry::Header(_) | Entry::Stop { .. } | Entry::Forget { .. } => {}
        }
    }
}
