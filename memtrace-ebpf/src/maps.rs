//! Every map: who writes it, who reads it, how large it is and why it is of its kind.

use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, LruHashMap, PerCpuArray, PerCpuHashMap, Queue, RingBuf};
use memtrace_ebpf::{
    AsyncFaultKey, EVENTS_BYTES, FlowKey, HostCounters, InodeKey, MAX_ASYNC_FAULTS, MAX_CGROUPS,
    MAX_FLOWS, MAX_SHARED_MEMORIES, MAX_SLOTS, MAX_STALLS, SlotOwner, StallKey, StallStart,
    VmCounters, VmHistograms,
};

/// Memory nodes whose kswapd is timed. Linux' own default limit (CONFIG_NODES_SHIFT=10).
const MAX_NODES: u32 = 1024;

/// Victims of the OOM killer that are known at a time: far more than die in a minute.
const MAX_OOM_VICTIMS: u32 = 1024;

/// A folio of shared memory on its way to swap. Stays in the kernel.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct SharedWrite {
    pub folio: u64,
    pub slot: u32,
    pub reserved: u32,
}

/// Counters by slot. The programs write, user space reads once a tick and zeroes a row
/// before its slot is free again. Per CPU, so that no cache line is ever contended.
#[map]
pub static COUNTERS: PerCpuArray<VmCounters> = PerCpuArray::with_max_entries(MAX_SLOTS, 0);

/// Distributions by slot, apart from the counters because only slow paths touch them. One
/// row for all CPUs, which add atomically: a CPU's own would each take 10 KiB.
#[map]
pub static HISTOGRAMS: Array<VmHistograms> = Array::with_max_entries(MAX_SLOTS, 0);

/// The host's counters and all losses.
#[map]
pub static HOST: PerCpuArray<HostCounters> = PerCpuArray::with_max_entries(1, 0);

/// Who holds each slot. Both sides write: whoever takes the slot.
#[map]
pub static SLOTS: Array<SlotOwner> = Array::with_max_entries(MAX_SLOTS, 0);

/// Slots that nobody holds. User space fills it, both sides take from it.
#[map]
pub static FREE_SLOTS: Queue<u32> = Queue::with_max_entries(MAX_SLOTS, 0);

/// Process id (initial namespace) to slot. Both sides insert; the kernel side removes
/// an entry when the process exits, so that a reused pid is never charged.
#[map]
pub static TGIDS: HashMap<u32, u32> = HashMap::with_max_entries(MAX_SLOTS, 0);

/// By process id modulo its size: whether `TGIDS` need be asked at all. Both sides mark,
/// user space alone takes a mark away. 512 KiB.
#[map]
pub static MARKS: Array<u64> = Array::with_max_entries(memtrace_ebpf::MARKS, 0);

/// `mm_struct` to slot, for the moments in which `mm->owner` is NULL (exit). The
/// programs write; user space removes an entry with its slot, because since 6.16 a process
/// gets its end before the kernel takes its memory away.
#[map]
pub static ADDRESS_SPACES: HashMap<u64, u32> = HashMap::with_max_entries(MAX_SLOTS, 0);

/// Cgroup id to slot, for cgroups that hold one VM and nothing else. User space writes.
#[map]
pub static CGROUPS: HashMap<u64, u32> = HashMap::with_max_entries(MAX_CGROUPS, 0);

/// By slot: in how many entries of `CGROUPS` it is. Only a VM that has none is charged by
/// who runs for what a cgroup's counters tell. User space writes.
#[map]
pub static OWN_CGROUPS: Array<u32> = Array::with_max_entries(MAX_SLOTS, 0);

/// Inode to slot, for the files of shared guest memory that one VM maps. User space
/// writes.
#[map]
pub static SHARED_MEMORIES: HashMap<InodeKey, u32> =
    HashMap::with_max_entries(MAX_SHARED_MEMORIES, 0);

/// Pages by (causer, victim). The programs write, user space reads. A hash, because
/// few of the possible pairs ever exist; per CPU, because every CPU reclaims at once.
#[map]
pub static FLOWS: PerCpuHashMap<FlowKey, u64> = PerCpuHashMap::with_max_entries(MAX_FLOWS, 0);

/// Stalls under way. An ordinary hash and not an LRU: what doesn't fit is counted as
/// lost, instead of another entry being dropped in silence.
#[map]
pub static STALLS: HashMap<StallKey, StallStart> = HashMap::with_max_entries(MAX_STALLS, 0);

/// Asynchronous page faults under way: when each began.
#[map]
pub static ASYNC_FAULTS: HashMap<AsyncFaultKey, u64> =
    HashMap::with_max_entries(MAX_ASYNC_FAULTS, 0);

/// Writes of shared memory to swap under way: by thread, the folio and whose it is.
#[map]
pub static SHARED_WRITES: HashMap<u32, SharedWrite> = HashMap::with_max_entries(MAX_STALLS, 0);

/// The OOM killer's latest victims, by process: when each was marked first. LRU, because a
/// process that is no VM counts as well and may never be seen to end.
#[map]
pub static OOM_VICTIMS: LruHashMap<u32, u64> = LruHashMap::with_max_entries(MAX_OOM_VICTIMS, 0);

/// By memory node: since when kswapd works, 0 while it sleeps or isn't known to work.
#[map]
pub static KSWAPD_SINCE: Array<u64> = Array::with_max_entries(MAX_NODES, 0);

/// By slot: the last `count` of MM_SWAPENTS plus one (0: none seen), on kernels whose
/// `rss_stat` carries it.
#[map]
pub static SWAP_ENTRIES: Array<u64> = Array::with_max_entries(MAX_SLOTS, 0);

/// When user space was last told of pressure: by slot that of a VM's cgroup, in the row of
/// everything else that of the host, in kswapd's that kswapd woke. The programs write.
#[map]
pub static PRESSURE_TOLD: Array<u64> = Array::with_max_entries(MAX_SLOTS, 0);

/// Rare events for user space.
#[map]
pub static EVENTS: RingBuf = RingBuf::with_byte_size(EVENTS_BYTES, 0);
