//! Slots: which VM has which row. User space gives one to each VM that it finds, the
//! programs give one to a VM that starts; here the two are brought together, and rows
//! are zeroed before they are used again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use aya::maps::{
    Array, HashMap, MapData, MapError, PerCpuArray, PerCpuHashMap, PerCpuValues, Queue,
};
use aya::{Ebpf, Pod};
use memtrace_ebpf::{
    AsyncFaultKey, FIRST_VM_SLOT, FlowKey, MAX_SLOTS, SlotOwner, VmCounters, VmHistograms,
};

use super::load::map;
use super::processes::Processes;

/// How long a slot that the programs gave out may stay without user space wanting it.
const UNCLAIMED: Duration = Duration::from_secs(30);

/// A VM's slot.
#[derive(Clone, Debug)]
pub struct Tracked {
    pub slot: u32,
    pub from_start: bool,
    cgroups: BTreeSet<u64>,
}

/// The maps that say who has which slot, and the rows themselves.
pub struct Slots {
    owners: Array<MapData, SlotOwner>,
    free: Queue<MapData, u32>,
    processes: Processes,
    address_spaces: HashMap<MapData, u64, u32>,
    cgroups: HashMap<MapData, u64, u32>,
    async_faults: HashMap<MapData, AsyncFaultKey, u64>,
    swap_entries: Array<MapData, u64>,
    pub counters: PerCpuArray<MapData, VmCounters>,
    pub histograms: PerCpuArray<MapData, VmHistograms>,
    pub flows: PerCpuHashMap<MapData, FlowKey, u64>,
    pub tracked: BTreeMap<u32, Tracked>,
    /// Taken by the programs and not claimed yet: process, slot, since when.
    unclaimed: BTreeMap<u32, (u32, Instant)>,
    /// Given back; a program may still be on its way to the row, so each waits for the
    /// next but one reading.
    quarantine: Vec<(u32, u8)>,
    /// Processes whose start the programs saw.
    started: BTreeSet<u32>,
    cpus: usize,
}

impl Slots {
    /// Takes the maps and marks all slots as free.
    pub fn new(ebpf: &mut Ebpf) -> Result<Self> {
        let mut slots = Self {
            owners: map(ebpf, "SLOTS")?,
            free: map(ebpf, "FREE_SLOTS")?,
            processes: Processes::new(ebpf)?,
            address_spaces: map(ebpf, "ADDRESS_SPACES")?,
            cgroups: map(ebpf, "CGROUPS")?,
            async_faults: map(ebpf, "ASYNC_FAULTS")?,
            swap_entries: map(ebpf, "SWAP_ENTRIES")?,
            counters: map(ebpf, "COUNTERS")?,
            histograms: map(ebpf, "HISTOGRAMS")?,
            flows: map(ebpf, "FLOWS")?,
            tracked: BTreeMap::new(),
            unclaimed: BTreeMap::new(),
            quarantine: Vec::new(),
            started: BTreeSet::new(),
            cpus: aya::util::nr_cpus().map_err(|(_, error)| error).context("number of CPUs")?,
        };
        for slot in FIRST_VM_SLOT..MAX_SLOTS {
            slots.free.push(slot, 0).context("fill the list of free slots")?;
        }
        Ok(slots)
    }

    /// Makes sure that process `tgid` has a slot and is charged for these cgroups.
    pub fn track(&mut self, tgid: u32, cgroups: &[u64]) -> Result<()> {
        let slot = self.claim(tgid)?;
        let wanted: BTreeSet<u64> = cgroups.iter().copied().collect();
        let known = self.tracked.get(&tgid).map(|vm| vm.cgroups.clone()).unwrap_or_default();
        for id in known.difference(&wanted) {
            ignore_missing(self.cgroups.remove(id))?;
        }
        for id in wanted.difference(&known) {
            self.cgroups.insert(*id, slot, 0).context("remember a cgroup")?;
        }
        if let Some(vm) = self.tracked.get_mut(&tgid) {
            vm.cgroups = wanted;
        }
        Ok(())
    }

    fn claim(&mut self, tgid: u32) -> Result<u32> {
        let in_kernel = self.processes.slot(tgid);
        match (self.tracked.get(&tgid).map(|vm| vm.slot), in_kernel) {
            (Some(slot), Some(other)) if slot == other => return Ok(slot),
            // The pid was used again before its end was noticed.
            (Some(_), _) => self.forget(tgid),
            (None, _) => {}
        }
        let slot = match in_kernel {
            Some(slot) => slot,
            None => self.take(tgid)?,
        };
        self.unclaimed.remove(&tgid);
        let from_start = self.started.remove(&tgid);
        self.tracked.insert(tgid, Tracked { slot, from_start, cgroups: BTreeSet::new() });
        Ok(slot)
    }

    fn take(&mut self, tgid: u32) -> Result<u32> {
        let slot = match self.free.pop(0) {
            Ok(slot) => slot,
            Err(MapError::ElementNotFound) => {
                bail!("more than {} VMs: no slot is free", MAX_SLOTS - FIRST_VM_SLOT)
            }
            Err(error) => return Err(error).context("take a slot"),
        };
        let before = self.owners.get(&slot, 0).unwrap_or_default();
        let owner = SlotOwner { mm: 0, tgid, generation: before.generation.wrapping_add(1) };
        self.owners.set(slot, owner, 0).context("write a slot's owner")?;
        if let Err(error) = self.processes.enter(tgid, slot) {
            self.quarantine.push((slot, 0));
            // The programs were faster; theirs is as good.
            return self.processes.slot(tgid).ok_or(error).context("remember a process");
        }
        Ok(slot)
    }

    /// Notes that the programs gave `tgid` a slot.
    pub fn appeared(&mut self, tgid: u32, slot: u32, from_start: bool) {
        self.unclaimed.insert(tgid, (slot, Instant::now()));
        if from_start {
            self.started.insert(tgid);
        }
    }

    /// Frees the slot of `tgid`, if it has one.
    pub fn forget(&mut self, tgid: u32) {
        self.started.remove(&tgid);
        let unclaimed = self.unclaimed.remove(&tgid).map(|(slot, _)| slot);
        let tracked = self.tracked.remove(&tgid);
        for id in tracked.iter().flat_map(|vm| &vm.cgroups) {
            log_failure("forget a cgroup", ignore_missing(self.cgroups.remove(id)));
        }
        let slots: BTreeSet<u32> = tracked.iter().map(|vm| vm.slot).chain(unclaimed).collect();
        for slot in slots {
            self.release(tgid, slot);
        }
    }

    fn release(&mut self, tgid: u32, slot: u32) {
        log_failure("forget a process", ignore_missing(self.processes.leave(tgid, slot)));
        if let Ok(owner) = self.owners.get(&slot, 0)
            && self.address_spaces.get(&owner.mm, 0).ok() == Some(slot)
        {
            log_failure("forget an mm", ignore_missing(self.address_spaces.remove(&owner.mm)));
        }
        let pending: Vec<_> = self
            .async_faults
            .keys()
            .filter_map(Result::ok)
            .filter(|key| key.tgid == tgid)
            .collect();
        for key in pending {
            log_failure("forget an async fault", ignore_missing(self.async_faults.remove(&key)));
        }
        self.quarantine.push((slot, 0));
    }

    /// Once a reading: frees what nobody claimed, and hands out again what has waited.
    pub fn tidy(&mut self) {
        let overdue: Vec<u32> = self
            .unclaimed
            .iter()
            .filter(|(_, (_, since))| since.elapsed() > UNCLAIMED)
            .map(|(tgid, _)| *tgid)
            .collect();
        for tgid in overdue {
            self.forget(tgid);
        }
        // An event may have been lost; the table of processes never is.
        let entered = self.processes.tidy().unwrap_or_else(|error| {
            tracing::warn!("cannot tidy the marks of processes: {error:#}");
            Vec::new()
        });
        for (tgid, slot) in entered {
            if !self.tracked.contains_key(&tgid) {
                self.unclaimed.entry(tgid).or_insert((slot, Instant::now()));
            }
        }
        for (slot, waited) in std::mem::take(&mut self.quarantine) {
            if waited == 0 {
                self.quarantine.push((slot, 1));
            } else {
                log_failure("free a slot", self.recycle(slot));
            }
        }
    }

    fn recycle(&mut self, slot: u32) -> Result<()> {
        self.counters.set(slot, zeroes(self.cpus)?, 0)?;
        self.histograms.set(slot, zeroes(self.cpus)?, 0)?;
        self.swap_entries.set(slot, 0, 0)?;
        let flows: Vec<_> = self
            .flows
            .keys()
            .filter_map(Result::ok)
            .filter(|key| key.causer == slot || key.victim == slot)
            .collect();
        for key in flows {
            ignore_missing(self.flows.remove(&key))?;
        }
        self.free.push(slot, 0).context("give a slot back")
    }
}

fn zeroes<T: Pod + Default>(cpus: usize) -> Result<PerCpuValues<T>> {
    PerCpuValues::try_from(vec![T::default(); cpus]).context("one value for each CPU")
}

fn ignore_missing(result: Result<(), MapError>) -> Result<()> {
    match result {
        Err(MapError::KeyNotFound | MapError::ElementNotFound) => Ok(()),
        Err(MapError::SyscallError(error))
            if error.io_error.raw_os_error() == Some(libc::ENOENT) =>
        {
            Ok(())
        }
        result => Ok(result?),
    }
}

fn log_failure(what: &str, result: Result<()>) {
    if let Err(error) = result {
        tracing::warn!("cannot {what}: {error:#}");
    }
}
