//! How much the kernel side has room for: memory of its rows, most of which are per CPU,
//! against VMs that can be counted.

use aya::EbpfLoader;
use memtrace_ebpf::{MAX_SLOTS, VmCounters, VmHistograms};

/// Minimum of slots: enough for most hosts.
pub const LEAST_SLOTS: u32 = 512;
/// The rows may take this share of the host's memory.
const SHARE: u64 = 512;

/// Entries of each map. Tests make them small, to see the losses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Rows, the two reserved ones included.
    pub slots: u32,
    pub processes: u32,
    pub address_spaces: u32,
    pub cgroups: u32,
    pub shared_memories: u32,
    pub flows: u32,
    pub stalls: u32,
    pub async_faults: u32,
    /// Bytes of the ring buffer; a power of two and whole pages.
    pub events_bytes: u32,
}

impl Default for Limits {
    /// What every host has room for.
    fn default() -> Self {
        Self::with_slots(LEAST_SLOTS)
    }
}

impl Limits {
    /// What this host has room for.
    pub fn here() -> Self {
        let info = rustix::system::sysinfo();
        let memory = info.totalram.saturating_mul(u64::from(info.mem_unit));
        let cpus = aya::util::nr_cpus().unwrap_or(1);
        Self::with_slots(affordable_slots(memory, cpus as u64))
    }

    fn with_slots(slots: u32) -> Self {
        Self {
            slots,
            processes: slots,
            address_spaces: slots,
            // Room for a few each.
            cgroups: slots.saturating_mul(4),
            shared_memories: slots.saturating_mul(8),
            flows: memtrace_ebpf::MAX_FLOWS,
            stalls: memtrace_ebpf::MAX_STALLS,
            async_faults: memtrace_ebpf::MAX_ASYNC_FAULTS,
            events_bytes: memtrace_ebpf::EVENTS_BYTES,
        }
    }

    pub(super) fn apply(&self, loader: &mut EbpfLoader<'_>) {
        for (map, entries) in [
            ("COUNTERS", self.slots),
            ("HISTOGRAMS", self.slots),
            ("SLOTS", self.slots),
            ("FREE_SLOTS", self.slots),
            ("SWAP_ENTRIES", self.slots),
            ("OWN_CGROUPS", self.slots),
            ("PRESSURE_TOLD", self.slots),
            ("TGIDS", self.processes),
            ("ADDRESS_SPACES", self.address_spaces),
            ("CGROUPS", self.cgroups),
            ("SHARED_MEMORIES", self.shared_memories),
            ("FLOWS", self.flows),
            ("STALLS", self.stalls),
            ("SHARED_WRITES", self.stalls),
            ("ASYNC_FAULTS", self.async_faults),
            ("EVENTS", self.events_bytes),
        ] {
            loader.map_max_entries(map, entries);
        }
    }
}

/// Slots for a host with this much memory (bytes) and this many possible CPUs.
fn affordable_slots(memory: u64, cpus: u64) -> u32 {
    let affordable = (memory / SHARE) / row_bytes(cpus);
    let affordable = u32::try_from(affordable).unwrap_or(u32::MAX);
    affordable.clamp(LEAST_SLOTS, MAX_SLOTS)
}

/// What a slot takes: its counters on each CPU, and its distributions once.
const fn row_bytes(cpus: u64) -> u64 {
    let counters = (size_of::<VmCounters>() as u64).saturating_mul(cpus);
    counters.saturating_add(size_of::<VmHistograms>() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn a_host_gets_slots_by_its_memory_and_cpus() {
        assert_eq!(affordable_slots(GIB, 2), LEAST_SLOTS, "a small one has enough all the same");
        assert_eq!(affordable_slots(24 * GIB, 2), MAX_SLOTS);
        assert_eq!(affordable_slots(2048 * GIB, 16), MAX_SLOTS);
        let many_cpus = affordable_slots(128 * GIB, 256);
        assert!((LEAST_SLOTS + 1..MAX_SLOTS).contains(&many_cpus), "{many_cpus}");
    }

    #[test]
    fn beyond_the_least_the_rows_take_no_more_than_their_share() {
        for (memory, cpus) in [(64 * GIB, 32), (256 * GIB, 64), (512 * GIB, 256)] {
            let slots = affordable_slots(memory, cpus);
            let bytes = u64::from(slots) * row_bytes(cpus);
            assert!(slots == LEAST_SLOTS || bytes <= memory / SHARE, "{slots}");
        }
    }
}
