//! Taking the journal: the lock, what the last run left, and where to go on.

use std::fs::File;
use std::path::Path;

use super::entry::JournalEntry;
use super::lines::{self, JournalContent};
use super::lock::{self, Lock};
use super::{Current, Journal, JournalError, Limits, files};
use crate::journal::state::JournalState;
use crate::regular;
use memtrace_core::format::several;
use memtrace_core::reactor::entry::Begun;
use memtrace_core::reactor::entry::Holding;

/// Orders that no journal reaches: one a microsecond for 285 years.
const MOST_ORDERS: u64 = 1 << 53;

/// What the last run left.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recovered {
    /// Orders that were given and did not end, as far as is known. To be looked at and
    /// closed ([`memtrace_core::reactor::reconcile`]).
    pub in_flight: Vec<Begun>,
    /// What memtrace has taken and not given back.
    pub holdings: Vec<Holding>,
    /// The last run came to its end in order, or there was none.
    pub clean: bool,
    /// What of the journal could not be read, in words for the operator.
    pub notices: Vec<String>,
}

pub(super) fn open(directory: &Path, limits: Limits) -> Result<(Journal, Recovered), JournalError> {
    files::make_directory(directory)?;
    let lock = Lock::take(&directory.join(lock::NAME))?;
    let numbers = files::list(directory)?;
    let newest = numbers.last().copied().unwrap_or(0);
    let mut recovered = Recovered { clean: true, ..Recovered::default() };
    let (mut state, mut current) = (JournalState::default(), None);
    // The newest file with a header has all that is known; one without is left from a
    // crash between two files.
    for number in numbers.into_iter().rev() {
        let path = files::path(directory, number);
        let (mut read, mut clean) = (JournalState::default(), false);
        let found = lines::read(&path, |entry| {
            read.apply(&entry);
            clean = matches!(entry, JournalEntry::Stop { .. });
        })?;
        if read.next_id > MOST_ORDERS {
            return Err(JournalError::Absurd { file: path, number: read.next_id });
        }
        recovered.notices.extend(found.notice(&path));
        if found.headed {
            (state, recovered.clean) = (read, clean);
            if number == newest {
                current = Some(go_on(&path, &found)?);
            }
            break;
        }
    }
    recovered.in_flight = state.open.values().cloned().collect();
    recovered.holdings = state.holdings.values().cloned().collect();
    let journal = Journal {
        directory: directory.to_owned(),
        limits,
        state,
        current,
        newest,
        started: false,
        noted: None,
        _lock: lock,
    };
    Ok((journal, recovered))
}

fn go_on(path: &Path, found: &JournalContent) -> Result<Current, JournalError> {
    let opened = regular::open_with(path, File::options().write(true));
    let current = opened.and_then(|file| Current::continued(file, found.length));
    current.map_err(JournalError::io(path.display().to_string()))
}

impl JournalContent {
    fn notice(&self, path: &Path) -> Option<String> {
        let name = path.display();
        let mut parts = Vec::new();
        if self.cut > 0 {
            parts.push(format!("its last line was cut after {}", several(self.cut, "byte")));
        }
        if self.unreadable > 0 {
            parts.push(format!("{} can't be read", several(self.unreadable, "line")));
        }
        if !self.headed {
            parts.push("it has no header; its content is unknown".to_owned());
        }
        (!parts.is_empty()).then(|| format!("{name}: {}", parts.join("; ")))
    }
}
