//! Reads the journal's state at a moment. Needs no lock, because entries are whole lines.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use super::entry::{Changed, JournalEntry};
use super::state::JournalState;
use super::{JournalError, change, files, lines};
use memtrace_core::reactor::entry::{Begun, Holding, JournalledOrder, Noted};
use memtrace_core::sample::VmId;
use memtrace_core::units::WallNanos;

/// State and actions at a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Account {
    /// The last thoughts at that moment or before. They are kept when they change, and once a
    /// minute; if older than that, memtrace was not running, or could not write.
    pub noted: Option<Noted>,
    /// The last order of each VM until then, the latest first.
    pub orders: Vec<JournalledOrder>,
    /// What memtrace had taken from VMs, and not given back, then.
    pub holdings: Vec<Holding>,
    /// memtrace had been stopped, then.
    pub stopped: Option<WallNanos>,
    /// How far back the journal reaches. `None`: there is nothing in it.
    pub begins: Option<WallNanos>,
    /// Lines that can't be read, in the files that were looked into.
    pub unreadable: u64,
}

/// What the journal in `directory` says of the moment `time`.
///
/// # Errors
/// When it can't be read, or is of a newer memtrace.
pub fn at(directory: &Path, time: WallNanos) -> Result<Account, JournalError> {
    let numbers = files::list(directory)?;
    let (account, orders, changes) = (Account::default(), BTreeMap::new(), Vec::new());
    let state = JournalState::default();
    let mut told = Teller { time, account, orders, changes, state };
    for number in numbers {
        match lines::read(&files::path(directory, number), |entry| told.take(entry)) {
            Ok(found) => told.account.unreadable += found.unreadable,
            // The oldest went away meanwhile.
            Err(JournalError::Io { error, .. }) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    let Teller { mut account, orders, mut changes, state, .. } = told;
    account.holdings = state.holdings.into_values().collect();
    account.unreadable += change::fold(&mut account.noted, &mut changes);
    account.orders = orders.into_values().collect();
    account.orders.sort_by_key(|told| Reverse((told.begun.at, told.begun.order.id)));
    Ok(account)
}

struct Teller {
    time: WallNanos,
    account: Account,
    orders: BTreeMap<VmId, JournalledOrder>,
    /// Changes since the account's note.
    changes: Vec<Changed>,
    /// What the entries until then add up to.
    state: JournalState,
}

impl Teller {
    fn take(&mut self, entry: JournalEntry) {
        let at = entry.at();
        self.account.begins.get_or_insert(at);
        if at <= self.time {
            self.state.apply(&entry);
        }
        if let JournalEntry::End { id, error, .. } = entry {
            let mut orders = self.orders.values_mut();
            if let Some(told) = orders.find(|told| told.begun.order.id == id) {
                told.ended = Some((at, error.map_or(Ok(()), Err)));
            }
            return;
        }
        if at > self.time {
            return;
        }
        match entry {
            JournalEntry::Header(header) => {
                header.state.into_open().into_iter().for_each(|begun| self.begin(begun));
            }
            JournalEntry::Start { .. } => self.account.stopped = None,
            JournalEntry::Stop { at } => self.account.stopped = Some(at),
            JournalEntry::Order(begun) => self.begin(begun),
            JournalEntry::Noted(noted) => {
                self.changes.clear();
                self.account.noted = Some(noted);
            }
            JournalEntry::Changed(changed) => self.changes.push(changed),
            JournalEntry::End { .. } | JournalEntry::Forget { .. } => {}
        }
    }

    fn begin(&mut self, begun: Begun) {
        let known = self.orders.get(&begun.order.vm);
        // A header repeats what is in flight.
        if known.is_none_or(|known| known.begun.order.id < begun.order.id) {
            self.orders.insert(begun.order.vm, JournalledOrder { begun, ended: None });
        }
    }
}
