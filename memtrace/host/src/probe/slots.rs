//! Assigns rows to VMs. User space gives a slot to each VM that it finds, the eBPF programs to a VM
//! that starts; both are reconciled here, and rows are zeroed before reuse.
//!
//! A slot is always in one place: free, tracked (a VM has it), unclaimed (the programs
//! gave it out), or in quarantine. Process ids are reused; slots have generations.

#[cfg(feature = "fixture")]
mod census;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use aya::Ebpf;
use aya::maps::MapError;
use memtrace_ebpf::{FIRST_VM_SLOT, SlotOwner};

use super::limits::Limits;
use super::load::ignore_missing;
use super::processes::Processes;
use super::rows::Rows;
use super::{Belongings, VmReading};
#[cfg(feature = "fixture")]
pub use census::Census;

/// How long a slot allocated by the eBPF programs may stay unclaimed.
const UNCLAIMED: Duration = Duration::from_secs(30);
/// The whole table of processes is read once in this many readings, because each entry takes two
/// system calls.
const LOOK_THROUGH: u32 = 10;

/// A VM's slot.
#[derive(Clone, Debug)]
pub struct Tracked {
    pub slot: u32,
    pub from_start: bool,
    /// The last reading: distributions are large, and move only when a counter does.
    pub last: Option<VmReading>,
    belongings: Belongings,
}

/// A slot that the programs gave out.
#[derive(Clone, Copy, Debug)]
struct Unclaimed {
    tgid: u32,
    since: Instant,
    from_start: bool,
}

/// The assignment of slots.
pub struct Slots {
    count: u32,
    pub(super) processes: Processes,
    pub rows: Rows,
    pub tracked: BTreeMap<u32, Tracked>,
    /// By slot.
    unclaimed: BTreeMap<u32, Unclaimed>,
    /// Given back; a program may still be on its way to the row, so each waits for the
    /// next but one reading.
    quarantine: BTreeMap<u32, u8>,
    lost_events: u64,
    readings: u32,
}

impl Slots {
    /// Takes the maps, which have the rows of these limits, and marks all slots as free.
    pub fn new(ebpf: &mut Ebpf, limits: &Limits) -> Result<Self> {
        let count = limits.slots;
        let mut slots = Self {
            count,
            processes: Processes::new(ebpf)?,
            rows: Rows::new(ebpf, limits.flows)?,
            tracked: BTreeMap::new(),
            unclaimed: BTreeMap::new(),
            quarantine: BTreeMap::new(),
            lost_events: 0,
            readings: 0,
        };
        for slot in FIRST_VM_SLOT..count {
            slots.rows.free.push(slot, 0).context("initialise the free list")?;
        }
        Ok(slots)
    }

    /// Makes sure that process `tgid` has a slot and is charged for what belongs to it.
    ///
    /// # Errors
    /// When there is no room for it; it then has no slot, so that no part of it is taken
    /// for the whole.
    pub fn track(&mut self, tgid: u32, wanted: &Belongings) -> Result<()> {
        let slot = self.claim(tgid)?;
        let charged = self.charge(tgid, slot, wanted);
        if charged.is_err() {
            self.untrack(tgid);
        }
        charged
    }

    fn charge(&mut self, tgid: u32, slot: u32, wanted: &Belongings) -> Result<()> {
        let Some(vm) = self.tracked.get_mut(&tgid) else { return Ok(()) };
        let has = &mut vm.belongings;
        let cgroups = has.cgroups.len();
        for id in has.cgroups.difference(&wanted.cgroups) {
            self.rows.forget_cgroup(*id, slot)?;
        }
        has.cgroups.retain(|id| wanted.cgroups.contains(id));
        for id in &wanted.cgroups {
            if has.cgroups.insert(*id) {
                self.rows.cgroups.insert(id, slot, 0).context("insert a cgroup")?;
            }
        }
        if cgroups != has.cgroups.len() {
            self.rows.set_own_cgroups(slot, has.cgroups.len())?;
        }
        for file in has.shared_memory.difference(&wanted.shared_memory) {
            self.rows.forget_file(*file, slot)?;
        }
        has.shared_memory.retain(|file| wanted.shared_memory.contains(file));
        for file in &wanted.shared_memory {
            if has.shared_memory.insert(*file) {
                self.rows.remember_file(*file, slot)?;
            }
        }
        Ok(())
    }

    fn claim(&mut self, tgid: u32) -> Result<u32> {
        let in_kernel = self.processes.slot(tgid);
        match self.tracked.get(&tgid).map(|vm| vm.slot) {
            Some(slot) if in_kernel == Some(slot) => return Ok(slot),
            // The pid was used again before its end was noticed.
            Some(_) => {
                self.untrack(tgid);
            }
            None => {}
        }
        let slot = match in_kernel {
            Some(slot) => {
                // A KVM guest's next fault would mark it again; other VMs have no such fault.
                self.processes.mark(tgid).context("mark a process")?;
                slot
            }
            None => self.take(tgid)?,
        };
        let from_start = self.unclaimed.remove(&slot).is_some_and(|unclaimed| unclaimed.from_start);
        // The rest are slots of processes that had this id before.
        self.release_unclaimed(|unclaimed| unclaimed.tgid == tgid);
        let belongings = Belongings::default();
        self.tracked.insert(tgid, Tracked { slot, from_start, last: None, belongings });
        Ok(slot)
    }

    fn take(&mut self, tgid: u32) -> Result<u32> {
        let slot = match self.rows.free.pop(0) {
            Ok(slot) => slot,
            Err(MapError::ElementNotFound) => {
                bail!("more than {} VMs: no slot is free", self.count - FIRST_VM_SLOT)
            }
            Err(error) => return Err(error).context("take a slot"),
        };
        let before = self.rows.owner(slot).unwrap_or_default();
        let owner = SlotOwner { mm: 0, tgid, generation: before.generation.wrapping_add(1) };
        self.rows.owners.set(slot, owner, 0).context("write a slot's owner")?;
        if let Err(error) = self.processes.enter(tgid, slot) {
            self.quarantine.insert(slot, 0);
            // The programs were faster; theirs is as good.
            return self.processes.slot(tgid).ok_or(error).context("insert a process");
        }
        Ok(slot)
    }

    /// Notes that the programs gave `tgid` a slot.
    pub fn appeared(&mut self, tgid: u32, slot: u32, from_start: bool) {
        if let Some(vm) = self.tracked.get_mut(&tgid).filter(|vm| vm.slot == slot) {
            vm.from_start |= from_start;
            return;
        }
        // Old news when the slot has gone on since.
        let owner = self.rows.owner(slot).map(|owner| owner.tgid);
        if owner == Some(tgid) && !self.quarantine.contains_key(&slot) {
            self.unclaimed(tgid, slot).from_start |= from_start;
        }
    }

    fn unclaimed(&mut self, tgid: u32, slot: u32) -> &mut Unclaimed {
        let new = || Unclaimed { tgid, since: Instant::now(), from_start: false };
        self.unclaimed.entry(slot).or_insert_with(new)
    }

    /// Notes that the process of `slot` has ended. An unclaimed slot is freed; a VM keeps its slot
    /// until it is removed.
    pub fn ended(&mut self, slot: u32) {
        if let Some(unclaimed) = self.unclaimed.remove(&slot) {
            self.release(unclaimed.tgid, slot);
        }
    }

    /// Frees the slot of `tgid`, if it has one. Of a VM whose pid was used again it is the
    /// VM's.
    pub fn forget(&mut self, tgid: u32) {
        if !self.untrack(tgid) {
            self.release_unclaimed(|unclaimed| unclaimed.tgid == tgid);
        }
    }

    fn untrack(&mut self, tgid: u32) -> bool {
        let Some(vm) = self.tracked.remove(&tgid) else { return false };
        for id in vm.belongings.cgroups {
            log_failure("remove a cgroup", self.rows.forget_cgroup(id, vm.slot));
        }
        for file in vm.belongings.shared_memory {
            log_failure("remove a shared file", self.rows.forget_file(file, vm.slot));
        }
        self.release(tgid, vm.slot);
        true
    }

    fn release_unclaimed(&mut self, which: impl Fn(&Unclaimed) -> bool) {
        let chosen = self.unclaimed.iter().filter(|(_, unclaimed)| which(unclaimed));
        let chosen: Vec<(u32, u32)> = chosen.map(|(slot, other)| (*slot, other.tgid)).collect();
        for (slot, tgid) in chosen {
            self.unclaimed.remove(&slot);
            self.release(tgid, slot);
        }
    }

    fn release(&mut self, tgid: u32, slot: u32) {
        log_failure("remove a process", ignore_missing(self.processes.leave(tgid, slot)));
        log_failure("remove an address space", self.rows.forget_address_spaces(slot));
        log_failure("remove asynchronous faults", self.rows.forget_async_faults(slot));
        self.quarantine.insert(slot, 0);
    }

    /// Once per reading: frees unclaimed slots, and reuses those out of quarantine. `lost_events`:
    /// total since the start.
    pub(crate) fn tidy(&mut self, lost_events: u64) {
        self.release_unclaimed(|unclaimed| unclaimed.since.elapsed() > UNCLAIMED);
        self.readings = self.readings.wrapping_add(1);
        let lost = lost_events != self.lost_events;
        if lost || self.readings % LOOK_THROUGH == 1 || self.processes.has_unused_marks() {
            self.find_unclaimed();
        }
        if lost {
            self.lost_events = lost_events;
            self.audit();
        }
        self.recycle();
    }

    /// An event may have been lost; the table of processes never is.
    fn find_unclaimed(&mut self) {
        let entered = self.processes.tidy().unwrap_or_else(|error| {
            tracing::warn!("cannot tidy the marks of processes: {error:#}");
            Vec::new()
        });
        for (tgid, slot) in entered {
            let tracked = self.tracked.get(&tgid).is_some_and(|vm| vm.slot == slot);
            if !tracked && !self.quarantine.contains_key(&slot) {
                self.unclaimed(tgid, slot);
            }
        }
    }

    fn recycle(&mut self) {
        for (slot, waited) in std::mem::take(&mut self.quarantine) {
            let recycled = if waited == 0 { None } else { Some(self.rows.recycle(slot)) };
            match recycled {
                Some(Ok(())) => {}
                // What went wrong may go right the next time.
                Some(failed @ Err(_)) => {
                    log_failure("free a slot", failed);
                    self.quarantine.insert(slot, waited);
                }
                None => {
                    self.quarantine.insert(slot, 1);
                }
            }
        }
    }

    /// Releases slots whose process started and ended without an event: they have an owner that
    /// doesn't exist any more. An event is counted as lost after all else was done, so as long as
    /// none is there is no such slot.
    fn audit(&mut self) {
        let tracked: BTreeSet<u32> = self.tracked.values().map(|vm| vm.slot).collect();
        for slot in FIRST_VM_SLOT..self.count {
            if tracked.contains(&slot)
                || self.unclaimed.contains_key(&slot)
                || self.quarantine.contains_key(&slot)
            {
                continue;
            }
            let owner = self.rows.owner(slot).map_or(0, |owner| owner.tgid);
            if owner != 0 && self.processes.slot(owner) != Some(slot) {
                tracing::debug!("slot {slot} of process {owner} was lost");
                self.release(owner, slot);
            }
        }
    }
}

fn log_failure(what: &str, result: Result<()>) {
    if let Err(error) = result {
        tracing::warn!("cannot {what}: {error:#}");
    }
}
