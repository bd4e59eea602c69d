//! What belongs to a slot in the maps: its rows, and the entries that lead to it. Knows
//! no process.

use anyhow::{Context, Result};
use aya::maps::{Array, HashMap, MapData, PerCpuArray, PerCpuValues, Queue};
use aya::{Ebpf, Pod};
use memtrace_ebpf::{AsyncFaultKey, InodeKey, SlotOwner, VmCounters, VmHistograms};

use super::flows::Flows;
use super::load::{ignore_missing, map};
use crate::hostfs::process::maps::Inode;
use memtrace_core::sample::HistogramsSample;

/// The maps with a row or an entry for each slot.
pub struct Rows {
    pub owners: Array<MapData, SlotOwner>,
    pub free: Queue<MapData, u32>,
    pub address_spaces: HashMap<MapData, u64, u32>,
    pub cgroups: HashMap<MapData, u64, u32>,
    own_cgroups: Array<MapData, u32>,
    shared_memories: HashMap<MapData, InodeKey, u32>,
    pub async_faults: HashMap<MapData, AsyncFaultKey, u64>,
    swap_entries: Array<MapData, u64>,
    pub counters: PerCpuArray<MapData, VmCounters>,
    histograms: Array<MapData, VmHistograms>,
    pub flows: Flows,
    cpus: usize,
}

impl Rows {
    /// `flows`: pairs that there is room for.
    pub fn new(ebpf: &mut Ebpf, flows: u32) -> Result<Self> {
        Ok(Self {
            owners: map(ebpf, "SLOTS")?,
            free: map(ebpf, "FREE_SLOTS")?,
            address_spaces: map(ebpf, "ADDRESS_SPACES")?,
            cgroups: map(ebpf, "CGROUPS")?,
            own_cgroups: map(ebpf, "OWN_CGROUPS")?,
            shared_memories: map(ebpf, "SHARED_MEMORIES")?,
            async_faults: map(ebpf, "ASYNC_FAULTS")?,
            swap_entries: map(ebpf, "SWAP_ENTRIES")?,
            counters: map(ebpf, "COUNTERS")?,
            histograms: map(ebpf, "HISTOGRAMS")?,
            flows: Flows::new(ebpf, flows)?,
            cpus: aya::util::nr_cpus().map_err(|(_, error)| error).context("number of CPUs")?,
        })
    }

    /// The distributions of a slot. Empty when they can't be read: that shows in the
    /// counters, which are read the same way.
    pub fn distributions(&self, slot: u32) -> HistogramsSample {
        self.histograms.get(&slot, 0).map_or_else(
            |_| HistogramsSample::default(),
            |row| HistogramsSample {
                reclaim: used(&row.reclaim),
                async_fault: used(&row.async_fault),
                swap_in: used(&row.swap_in),
            },
        )
    }

    pub fn owner(&self, slot: u32) -> Option<SlotOwner> {
        self.owners.get(&slot, 0).ok()
    }

    /// Notes how many cgroups are the slot's alone.
    pub(crate) fn set_own_cgroups(&mut self, slot: u32, cgroups: usize) -> Result<()> {
        let cgroups = u32::try_from(cgroups).unwrap_or(u32::MAX);
        self.own_cgroups.set(slot, cgroups, 0).context("set the number of cgroups of a VM")
    }

    /// Forgets that cgroup `id` is the slot's; it may be another's by now.
    pub(crate) fn forget_cgroup(&mut self, id: u64, slot: u32) -> Result<()> {
        match self.cgroups.get(&id, 0) {
            Ok(found) if found == slot => ignore_missing(self.cgroups.remove(&id)),
            _ => Ok(()),
        }
    }

    /// Notes that a file of shared memory is the slot's.
    pub(crate) fn remember_file(&mut self, file: Inode, slot: u32) -> Result<()> {
        let inserted = self.shared_memories.insert(key(file), slot, 0);
        inserted.context("insert a file of shared memory")
    }

    /// Forgets that a file is the slot's; it may be another's by now.
    pub(crate) fn forget_file(&mut self, file: Inode, slot: u32) -> Result<()> {
        match self.shared_memories.get(&key(file), 0) {
            Ok(found) if found == slot => ignore_missing(self.shared_memories.remove(&key(file))),
            _ => Ok(()),
        }
    }

    pub(crate) fn forget_address_spaces(&mut self, slot: u32) -> Result<()> {
        let spaces: Vec<u64> = self
            .address_spaces
            .iter()
            .flatten()
            .filter(|(_, of)| *of == slot)
            .map(|(mm, _)| mm)
            .collect();
        spaces.iter().try_for_each(|mm| ignore_missing(self.address_spaces.remove(mm)))
    }

    pub(crate) fn forget_async_faults(&mut self, slot: u32) -> Result<()> {
        let keys: Vec<AsyncFaultKey> =
            self.async_faults.keys().flatten().filter(|key| key.slot == slot).collect();
        keys.iter().try_for_each(|key| ignore_missing(self.async_faults.remove(key)))
    }

    /// Forgets the counter's value that `rss_stat` told last, as events are left out.
    pub(crate) fn forget_swap_entries(&mut self, slot: u32) -> Result<()> {
        self.swap_entries.set(slot, 0, 0).context("forget a VM's swap entries")
    }

    /// Zeroes all that a slot has, and gives it back. A program that was on its way to it
    /// when it was released is through by now, and may have left something.
    pub(crate) fn recycle(&mut self, slot: u32) -> Result<()> {
        self.counters.set(slot, zeroes(self.cpus)?, 0)?;
        self.histograms.set(slot, VmHistograms::default(), 0)?;
        self.swap_entries.set(slot, 0, 0)?;
        self.own_cgroups.set(slot, 0, 0)?;
        self.forget_address_spaces(slot)?;
        self.forget_async_faults(slot)?;
        self.flows.forget(slot)?;
        let generation = self.owner(slot).unwrap_or_default().generation;
        self.owners.set(slot, SlotOwner { mm: 0, tgid: 0, generation }, 0)?;
        self.free.push(slot, 0).context("free a slot")
    }
}

const fn key(file: Inode) -> InodeKey {
    InodeKey { ino: file.number, dev: file.device, reserved: 0 }
}

fn zeroes<T: Pod + Default>(cpus: usize) -> Result<PerCpuValues<T>> {
    PerCpuValues::try_from(vec![T::default(); cpus]).context("one value for each CPU")
}

/// Without the buckets after the last that counted something, so that a VM which never
/// waited takes no memory for it.
fn used(counts: &[u64]) -> Vec<u64> {
    counts
        .iter()
        .rposition(|count| *count > 0)
        .map_or_else(Vec::new, |last| counts[..=last].to_vec())
}
