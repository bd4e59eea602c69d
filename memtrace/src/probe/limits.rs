//! How much the kernel side has room for.

use aya::EbpfLoader;

/// Entries of each map. Tests make them small, to see what becomes of what doesn't fit.
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
    fn default() -> Self {
        Self {
            slots: memtrace_ebpf::MAX_SLOTS,
            processes: memtrace_ebpf::MAX_SLOTS,
            address_spaces: memtrace_ebpf::MAX_SLOTS,
            cgroups: memtrace_ebpf::MAX_CGROUPS,
            shared_memories: memtrace_ebpf::MAX_SHARED_MEMORIES,
            flows: memtrace_ebpf::MAX_FLOWS,
            stalls: memtrace_ebpf::MAX_STALLS,
            async_faults: memtrace_ebpf::MAX_ASYNC_FAULTS,
            events_bytes: memtrace_ebpf::EVENTS_BYTES,
        }
    }
}

impl Limits {
    pub(super) fn apply(&self, loader: &mut EbpfLoader<'_>) {
        for (map, entries) in [
            ("COUNTERS", self.slots),
            ("HISTOGRAMS", self.slots),
            ("SLOTS", self.slots),
            ("FREE_SLOTS", self.slots),
            ("SWAP_ENTRIES", self.slots),
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
