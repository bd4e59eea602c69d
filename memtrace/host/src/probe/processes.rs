//! The table of processes with a slot, and the marks that spare the programs most look-ups in it.
//!
//! A mark is shared by all processes of the same id modulo [`MARKS`], so taking one away
//! may take it from another VM that the programs enter just then. Hence the order: they
//! enter before they mark; here a mark goes first, and then all that are entered are
//! looked through for who needs it. Who is entered after that look is marked after it.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use aya::Ebpf;
use aya::maps::{Array, HashMap, MapData, MapError};
use memtrace_ebpf::{MARK_ASK, MARK_NOBODY, mark_index};

use super::load::map;

/// `BPF_NOEXIST`: fail where there is such a key.
const NOEXIST: u64 = 1;

/// Which slot each process has.
pub struct Processes {
    table: HashMap<MapData, u32, u32>,
    marks: Array<MapData, u64>,
    /// Marks of processes that have left.
    unused: BTreeSet<u32>,
}

impl Processes {
    pub fn new(ebpf: &mut Ebpf) -> Result<Self> {
        let (table, marks) = (map(ebpf, "TGIDS")?, map(ebpf, "MARKS")?);
        Ok(Self { table, marks, unused: BTreeSet::new() })
    }

    pub fn slot(&self, tgid: u32) -> Option<u32> {
        self.table.get(&tgid, 0).ok()
    }

    /// How many are entered.
    #[cfg(feature = "fixture")]
    pub fn count(&self) -> usize {
        self.table.keys().count()
    }

    /// Enters a process.
    ///
    /// # Errors
    /// When it has been entered already, or the table is full.
    pub fn enter(&mut self, tgid: u32, slot: u32) -> Result<(), MapError> {
        self.table.insert(tgid, slot, NOEXIST)?;
        self.mark(tgid)
    }

    /// Has the programs look into the table for a process.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn mark(&mut self, tgid: u32) -> Result<(), MapError> {
        self.marks.set(mark_index(tgid), MARK_ASK, 0)
    }

    /// Forgets that `tgid` has `slot`; the id may be another process's already, which
    /// then stays.
    pub fn leave(&mut self, tgid: u32, slot: u32) -> Result<(), MapError> {
        let removed = match self.slot(tgid) {
            Some(entered) if entered == slot => self.table.remove(&tgid),
            _ => Ok(()),
        };
        // A program may have looked it up while it ended, and put it down as alive.
        self.mark(tgid)?;
        self.unused.insert(mark_index(tgid));
        removed
    }

    /// Whether [`Self::tidy`] has a mark to take away.
    pub(crate) fn has_unused_marks(&self) -> bool {
        !self.unused.is_empty()
    }

    /// Clears a mark, whichever process needs it.
    pub(super) fn take_mark(&mut self, mark: u32) -> Result<()> {
        self.marks.set(mark, MARK_NOBODY, 0).context("take a mark away")
    }

    /// All entered processes; occasionally removes unused marks.
    pub(crate) fn tidy(&mut self) -> Result<Vec<(u32, u32)>> {
        let unused = std::mem::take(&mut self.unused);
        for mark in &unused {
            self.take_mark(*mark)?;
        }
        let entered: Vec<(u32, u32)> = self.table.iter().filter_map(Result::ok).collect();
        let needed: BTreeSet<u32> = entered.iter().map(|(tgid, _)| mark_index(*tgid)).collect();
        for mark in needed.intersection(&unused) {
            self.marks.set(*mark, MARK_ASK, 0).context("give a mark back")?;
        }
        Ok(entered)
    }
}
