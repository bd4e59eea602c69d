//! The journal of what memtrace does: a JSON object a line, appended. An order is written
//! and synced before it is carried out, and closed when it has ended, so that the next run
//! after a kill or a power cut knows what was in flight and what memtrace has taken from each
//! VM. It holds the decisions too, for `explain --at`.
//!
//! Each file begins with the state that those before it led to, so that old ones can be deleted.
//! What was thought is written whole once a minute and in each file, and else as what changed.
//! When the disk is full nothing can be written, so nothing is done; the next try may work.

mod at;
mod change;
mod entry;
mod error;
mod files;
mod fingerprint;
mod follow;
mod ledger;
mod lines;
mod lock;
mod open;
mod state;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

pub use self::at::{Account, at};
pub use self::error::JournalError;
pub use self::follow::Follower;
pub use self::lock::{Holder, Lock, holder_of};
pub use self::open::Recovered;

use self::entry::{Changed, Header, JournalEntry, VERSION};
use crate::journal::fingerprint::Fingerprint;
use crate::journal::state::JournalState;
use memtrace_core::order::{Order, Outcome};
use memtrace_core::policy::Decisions;
use memtrace_core::reactor::entry::{Begun, Holding, Named, Noted, Wanted};
use memtrace_core::sample::VmId;
use memtrace_core::units::{Bytes, Nanos, WallNanos};

/// Where it is, unless the operator says otherwise (the Filesystem Hierarchy Standard, 5.8).
pub const DIRECTORY: &str = "/var/lib/memtrace";

/// A note has only what changed since the one before. After this long a whole one is written,
/// which bounds what a damaged line costs.
const WHOLE: Nanos = Nanos(60_000_000_000);

/// Limits on the size of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A file that would get longer is closed, and a new one begun.
    pub file: Bytes,
    pub files: usize,
}

impl Default for Limits {
    /// 64 MiB: weeks of a quiet host, hours of one where every second brings something new.
    fn default() -> Self {
        Self { file: Bytes(8 << 20), files: 8 }
    }
}

/// The journal, open for writing, and locked.
#[derive(Debug)]
pub struct Journal {
    directory: PathBuf,
    limits: Limits,
    state: JournalState,
    /// `None`: the next entry begins a new file.
    current: Option<Current>,
    newest: u64,
    started: bool,
    noted: Option<Last>,
    _lock: Lock,
}

/// The last note.
#[derive(Debug)]
struct Last {
    noted: Noted,
    shape: Fingerprint,
    /// The file that has the last whole note, and when that was made.
    whole: (u64, WallNanos),
}

#[derive(Debug)]
struct Current {
    file: File,
    length: u64,
}

impl Journal {
    /// Takes the journal in `directory`, which is made if need be, and says what was found.
    /// Writes nothing yet.
    ///
    /// # Errors
    /// [`JournalError::Locked`] while another memtrace has it; when it is of a newer
    /// memtrace, or the directory can't be used.
    pub fn open(directory: &Path, limits: Limits) -> Result<(Self, Recovered), JournalError> {
        open::open(directory, limits)
    }

    /// Writes that all of `wanted` will be done, and gives the orders once that is safe on
    /// disk. Only what this returns may be carried out.
    ///
    /// # Errors
    /// When it can't be written or synced: then nothing may be done.
    pub fn begin(
        &mut self,
        at: WallNanos,
        wanted: Vec<Wanted>,
    ) -> Result<Vec<Order>, JournalError> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let ids = self.state.next_id..;
        let begun = ids.zip(wanted).map(|(id, wanted)| Begun::new(at, id, wanted));
        let entries: Vec<JournalEntry> = begun.map(JournalEntry::Order).collect();
        self.append(at, &entries, Durable::Synced)?;
        let orders = entries.into_iter().filter_map(|entry| match entry {
            JournalEntry::Order(begun) => Some(begun.order),
            _ => None,
        });
        Ok(orders.collect())
    }

    /// Closes an order. It is safe on disk with the next [`Self::begin`]; lost before that, the
    /// order merely counts as in flight.
    ///
    /// # Errors
    /// When it can't be written. The order stays open in the journal: its end is unknown.
    pub fn end(&mut self, at: WallNanos, outcome: &Outcome) -> Result<(), JournalError> {
        let error = outcome.result.as_ref().err().cloned();
        self.append(at, &[JournalEntry::End { at, id: outcome.id, error }], Durable::Written)
    }

    /// Notes what was decided and thought, unless it is much the same as before. `acting`:
    /// decisions are carried out.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn note(
        &mut self,
        at: WallNanos,
        acting: bool,
        decisions: &Decisions,
        names: impl IntoIterator<Item = Named>,
    ) -> Result<(), JournalError> {
        let shape = Fingerprint::of(decisions);
        if let Some(last) = &self.noted
            && shape.tells_nothing_new(&last.shape, last.noted.at, at)
        {
            return Ok(());
        }
        let names = names.into_iter().collect();
        let noted = Noted { at, acting, decisions: decisions.clone(), names };
        let changed = self.changed(&noted);
        let whole = if changed.is_some() { self.noted.take().map(|last| last.whole) } else { None };
        let entry =
            changed.map_or_else(|| JournalEntry::Noted(noted.clone()), JournalEntry::Changed);
        // After an error the next note is a whole one.
        self.noted = None;
        self.append(at, &[entry], Durable::Written)?;
        let whole = whole.unwrap_or((self.newest, at));
        self.noted = Some(Last { noted, shape, whole });
        Ok(())
    }

    /// `noted` as the changes since the last note. `None`: a whole note is needed, because the
    /// file has none, the last one is too old, or the file has no room for more.
    fn changed(&self, noted: &Noted) -> Option<Changed> {
        let (last, current) = self.noted.as_ref().zip(self.current.as_ref())?;
        let (file, since) = last.whole;
        let is_lately = noted.at > last.noted.at && noted.at.0 - since.0 < WHOLE.0;
        if file != self.newest || !is_lately {
            return None;
        }
        let changed = change::changed(&last.noted, noted)?;
        let mut text = Vec::new();
        JournalEntry::Changed(changed.clone()).write_to(&mut text).ok()?;
        (current.length + text.len() as u64 <= self.limits.file.0).then_some(changed)
    }

    /// Forgets what memtrace has taken from a VM: the VM is gone, or another program moves its
    /// balloon.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn forget(&mut self, at: WallNanos, vm: VmId) -> Result<(), JournalError> {
        if !self.state.holdings.contains_key(&vm) {
            return Ok(());
        }
        self.append(at, &[JournalEntry::Forget { at, vm }], Durable::Written)
    }

    /// Notes a regular end of the run.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn stop(mut self, at: WallNanos) -> Result<(), JournalError> {
        self.append(at, &[JournalEntry::Stop { at }], Durable::Synced)
    }

    /// What memtrace has taken from VMs and not given back.
    pub fn holdings(&self) -> impl Iterator<Item = &Holding> {
        self.state.holdings.values()
    }

    /// Orders that have not ended.
    pub fn in_flight(&self) -> impl Iterator<Item = &Begun> {
        self.state.open.values()
    }

    /// Writes all of `entries`, or none.
    fn append(
        &mut self,
        at: WallNanos,
        entries: &[JournalEntry],
        durable: Durable,
    ) -> Result<(), JournalError> {
        let start = (!self.started).then(|| JournalEntry::start(at));
        let entries: Vec<&JournalEntry> = start.iter().chain(entries).collect();
        let mut text = Vec::new();
        for entry in &entries {
            entry.write_to(&mut text)?;
        }
        let mut current = match self.current.take() {
            Some(current) if current.length + text.len() as u64 <= self.limits.file.0 => current,
            _ => self.next_file(at)?,
        };
        // After a failed write or sync it is unknown what of the file is on disk. It is
        // abandoned; the next file begins with the known state.
        current.append(&text, durable).map_err(JournalError::io("cannot write the journal"))?;
        self.current = Some(current);
        self.started = true;
        for entry in entries {
            self.state.apply(entry);
        }
        Ok(())
    }

    fn next_file(&mut self, at: WallNanos) -> Result<Current, JournalError> {
        let number = self.newest.saturating_add(1);
        let header = Header { memtrace_journal: VERSION, at, state: self.state.state() };
        let mut text = Vec::new();
        JournalEntry::Header(header).write_to(&mut text)?;
        let file = files::create(&self.directory, number, &text)?;
        self.newest = number;
        files::prune(&self.directory, self.limits.files);
        Ok(Current { file, length: text.len() as u64 })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Durable {
    /// Survives the end of memtrace.
    Written,
    /// Survives a power cut.
    Synced,
}

impl Current {
    /// On an error, what was written of `text` is taken back if it can be.
    fn append(&mut self, text: &[u8], durable: Durable) -> std::io::Result<()> {
        let written = self.file.write_all(text).and_then(|()| match durable {
            Durable::Written => Ok(()),
            Durable::Synced => self.file.sync_data(),
        });
        if let Err(error) = written {
            let _ = self.file.set_len(self.length);
            return Err(error);
        }
        self.length += text.len() as u64;
        Ok(())
    }

    fn continued(mut file: File, length: u64) -> std::io::Result<Self> {
        file.set_len(length)?;
        file.seek(SeekFrom::Start(length))?;
        Ok(Self { file, length })
    }
}
