//! The ABI between memtrace's eBPF programs and its user space.
//!
//! Everything here is `repr(C)` without padding, so that both sides agree on
//! every byte; sizes and offsets are pinned by a test. It must not know how
//! either side works. `aya-ebpf` is a dependency of the binary target only.
#![no_std]

pub mod event;
pub mod histogram;
pub mod layout;
pub mod mark;
#[cfg(all(feature = "user", not(target_arch = "bpf")))]
mod pod;

pub use event::*;
pub use histogram::{HISTOGRAM_BUCKETS, Histogram, LONGEST_NS, bucket_of, bucket_range_ns};
pub use layout::{KernelLayout, MISSING};
pub use mark::{
    MARK_ASK, MARK_NOBODY, MARKS, entered, mark_index, mark_of, marked_process, refused,
};

/// Version of this ABI, which `memtrace doctor` shows. Nothing compares it at run time: the
/// object is part of the binary that loads it.
pub const ABI_VERSION: u32 = 1;

/// Most rows in every per-slot map, the two reserved ones included. User space makes the
/// maps with fewer where the host's memory or its number of CPUs calls for it.
pub const MAX_SLOTS: u32 = 4096;
/// The row of everything that is neither a VM nor kswapd.
pub const SLOT_OTHER: u32 = 0;
/// The row of kswapd.
pub const SLOT_KSWAPD: u32 = 1;
/// The first row that a VM can have.
pub const FIRST_VM_SLOT: u32 = 2;

/// Memory cgroups of VMs: room for a few each.
pub const MAX_CGROUPS: u32 = 4 * MAX_SLOTS;
/// Most (causer, victim) pairs that are remembered at a time.
pub const MAX_FLOWS: u32 = 4096;
/// Most stalls, of all tasks of the host, that can be under way at once.
pub const MAX_STALLS: u32 = 16_384;
/// Most asynchronous page faults that can be under way at once.
pub const MAX_ASYNC_FAULTS: u32 = 16_384;
/// Most files of shared guest memory, of all VMs.
pub const MAX_SHARED_MEMORIES: u32 = 8 * MAX_SLOTS;

/// Defines a struct of `u64` counters that can be added up over CPUs.
macro_rules! counters {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* pub $field:ident: u64,)* }) => {
        $(#[$meta])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        pub struct $name { $($(#[$field_meta])* pub $field: u64,)* }

        impl $name {
            /// Nothing counted yet.
            pub const ZERO: Self = Self { $($field: 0,)* };

            /// Whether a counter is below what it was in `before`, which it never is
            /// unless the row was zeroed in between.
            pub const fn ran_backwards(&self, before: &Self) -> bool {
                $(self.$field < before.$field)||*
            }

            /// Adds each counter of `other`; wraps.
            pub fn add(&mut self, other: &Self) {
                $(self.$field = self.$field.wrapping_add(other.$field);)*
            }
        }
    };
}

counters! {
/// What the kernel counts for one slot on one CPU; user space adds the CPUs up.
///
/// All are totals since the slot was taken. Times are in nanoseconds, pages are
/// base pages (4 KiB on x86). The comment of each field names its hook.
pub struct VmCounters {
    /// `kvm:kvm_page_fault`: EPT/NPT violations, so exits and not pages.
    pub guest_faults: u64,
    /// `exceptions:page_fault_user` on the VM's threads (TCG guests, device emulation).
    pub user_faults: u64,
    /// `exceptions:page_fault_kernel` on the VM's threads (vhost, emulated access).
    pub kernel_faults: u64,
    /// `memcg:count_memcg_events` PGMAJFAULT, asynchronous faults included.
    pub major_faults: u64,
    /// `memcg:count_memcg_events` PSWPIN: pages read from swap, readahead included.
    pub swap_read_pages: u64,
    /// `memcg:count_memcg_events` PSWPOUT: pages written to swap.
    pub swap_write_pages: u64,
    /// `kmem:rss_stat` MM_SWAPENTS outside reclaim: swap entries that went back into the
    /// page table (swap-in), or were dropped while swapped (balloon, exit). A huge page
    /// that comes back whole is one event, and so counts once here; user space makes up
    /// for it with VmSwap.
    pub swap_in_pages: u64,
    /// The part of `swap_in_pages` that a foreign task did (KVM's asynchronous faults), by
    /// events: user space doesn't know better here.
    pub swap_in_remote_pages: u64,
    /// `kvm:kvm_async_pf_not_present`.
    pub async_faults: u64,
    /// `kvm:kvm_async_pf_ready` of a token whose start was seen.
    pub async_faults_done: u64,
    pub async_fault_ns: u64,
    /// `vmscan:mm_vmscan_direct_reclaim_begin` by the VM's threads.
    pub direct_reclaims: u64,
    pub direct_reclaim_ns: u64,
    /// `vmscan:mm_vmscan_memcg_reclaim_begin` by the VM's threads, and by kernel workers
    /// for the VM's cgroup where that can be told.
    pub memcg_reclaims: u64,
    /// Of the VM's own threads alone: what a kernel worker does for the VM is no wait.
    pub memcg_reclaim_ns: u64,
    /// Pages that the VM's threads reclaimed, from whomever (`*_reclaim_end`).
    pub reclaimed_pages: u64,
    /// `vmscan:mm_vmscan_throttled` of the VM's threads.
    pub throttles: u64,
    pub throttled_ns: u64,
    /// `compaction:mm_compaction_try_to_compact_pages` by the VM's threads.
    pub compactions: u64,
    pub compaction_ns: u64,
    /// `vmscan:mm_vmscan_wakeup_kswapd` by the VM's threads.
    pub kswapd_wakeups: u64,
    /// `kmem:rss_stat` MM_SWAPENTS within reclaim: pages unmapped to swap (swap-out). The
    /// row of everything else has those of processes that are no VM.
    pub swap_out_pages: u64,
    /// `kmem:rss_stat` MM_SHMEMPAGES within reclaim: shared guest memory unmapped.
    pub shmem_taken_pages: u64,
    /// `vmscan:mm_vmscan_write_folio`: pages of the VM's cgroup sent to swap or disk. The
    /// row of everything else has those of cgroups that are no VM's alone.
    pub reclaim_write_pages: u64,
    /// `oom:mark_victim` with a task of the VM as its victim.
    pub oom_kills: u64,
    /// `oom:mark_victim` while a task of the VM was allocating.
    pub oom_caused: u64,
    /// `do_swap_page`, `shmem_swapin_folio`: faults on the VM's memory that had to read
    /// swap (VM_FAULT_MAJOR), whoever took them.
    pub swap_in_majors: u64,
    /// The same functions: times that the VM's own threads waited in them for a page.
    pub swap_in_waits: u64,
    /// Without the reclaim in them, which counts as reclaim.
    pub swap_in_wait_ns: u64,
    /// Times that others (KVM's workers) waited in them for a page of the VM.
    pub swap_in_remote_waits: u64,
    pub swap_in_remote_wait_ns: u64,
    /// `throttle_direct_reclaim`: times that the VM's threads slept there, which is
    /// before a direct reclaim begins.
    pub throttle_waits: u64,
    pub throttle_wait_ns: u64,
    /// `shmem_writepage`, `shmem_writeout`: pages of the VM's shared memory that went to
    /// swap, all of a large folio.
    pub shmem_swap_out_pages: u64,
    /// `shmem_add_to_page_cache` in place of a swap entry: pages that came back.
    pub shmem_swap_in_pages: u64,
    /// `kmem:rss_stat` within reclaim: pages that it took from whomever, itself included. The
    /// sum of its flows, those that did not fit into their table as well.
    /// 0 in samples of before there was this counter.
    #[cfg_attr(feature = "serde", serde(default))]
    pub caused_pages: u64,
}
}

/// Distributions of one slot, all CPUs together. Beside [`VmCounters`], because they are
/// larger and change on the slow paths alone.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VmHistograms {
    /// Direct, memcg and node reclaim that the VM's threads waited for.
    pub reclaim: Histogram,
    /// KVM asynchronous page faults, not-present to ready.
    pub async_fault: Histogram,
    /// Waits for a page that comes back from swap, the VM's own threads' and others'.
    pub swap_in: Histogram,
}

impl Default for VmHistograms {
    fn default() -> Self {
        let empty = [0; HISTOGRAM_BUCKETS];
        Self { reclaim: empty, async_fault: empty, swap_in: empty }
    }
}

counters! {
/// What the kernel counts for the whole host, per CPU.
pub struct HostCounters {
    /// `vmscan:mm_vmscan_kswapd_wake`: rounds that kswapd began.
    pub kswapd_wakes: u64,
    /// `vmscan:mm_vmscan_kswapd_sleep`: times that kswapd went fully to sleep.
    pub kswapd_sleeps: u64,
    /// Time from a wake to the next full sleep, all nodes.
    pub kswapd_active_ns: u64,
    /// Events that did not fit into the ring buffer.
    pub lost_events: u64,
    /// Processes that looked like VMs while no slot was free.
    pub lost_slots: u64,
    /// Stalls that could not be timed: their table was full.
    pub lost_stalls: u64,
    /// Asynchronous faults that could not be timed: their table was full.
    pub lost_async_faults: u64,
    /// Pages taken whose (causer, victim) pair did not fit into the table.
    pub lost_flow_pages: u64,
    /// Address spaces that could not be remembered.
    pub lost_address_spaces: u64,
    /// Kernel memory that could not be read (`bpf_probe_read_kernel` failed).
    pub failed_reads: u64,
}
}

/// Which VM a slot belongs to. Written by whoever took the slot.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlotOwner {
    /// Address of the VM's `mm_struct`, 0 until it was seen.
    pub mm: u64,
    /// Process id in the initial PID namespace, 0 while the slot is free.
    pub tgid: u32,
    /// Counts up each time that the slot is handed out.
    pub generation: u32,
}

/// What a pass over the table of processes tells of one of them: what its files say at that
/// moment. One record of the iterator's output.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessRow {
    /// Process id in the initial PID namespace.
    pub tgid: u32,
    pub threads: u32,
    /// From boot to its start.
    pub start_ns: u64,
    /// Of all its threads, those that have ended included.
    pub cpu_ns: u64,
    pub minor_faults: u64,
    pub major_faults: u64,
    /// Base pages of its address space, and those that are resident as far as CPUs have
    /// handed in what they count.
    pub size_pages: u64,
    pub resident_pages: u64,
    /// Ids of the cgroup that memory is charged to, and of that in the version 2 hierarchy.
    pub memory_cgroup: u64,
    pub unified_cgroup: u64,
    /// Base pages that the memory cgroup charges.
    pub usage_pages: u64,
    /// How often it hit a limit: what version 1 counts, and what version 2 does. [`UNTOLD`]
    /// where this kernel's fields are not known.
    pub failures: u64,
    pub max_events: u64,
    /// Processes of it that the OOM killer has ended, likewise.
    pub oom_kills: u64,
    /// The tightest of its and its ancestors' limits in base pages, and its swap, likewise.
    pub limit_pages: u64,
    pub high_pages: u64,
    pub swap_limit_pages: u64,
    pub swap_pages: u64,
    /// Name of the command, ended by a zero.
    pub comm: [u8; 16],
}

/// A counter of a [`ProcessRow`] that its file has to say.
pub const UNTOLD: u64 = u64::MAX;

/// In place of a kernel function's id in a call of it, until user space has found that in
/// BTF: this and the function's place in [`KFUNCS`]. No helper has such a number.
pub const KFUNC_PLACEHOLDER: u32 = 0x7fff_0000;
/// The kernel functions that programs call.
pub const KFUNCS: [&str; 2] = ["bpf_task_from_pid", "bpf_task_release"];

/// A pair of slots, key of the causer-by-victim table. The value is pages (`u64`).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowKey {
    pub causer: u32,
    pub victim: u32,
}

/// A stall under way: which task, in which kind of wait.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StallKey {
    pub pid: u32,
    pub kind: u32,
}

pub const STALL_DIRECT_RECLAIM: u32 = 0;
pub const STALL_MEMCG_RECLAIM: u32 = 1;
pub const STALL_COMPACTION: u32 = 2;
pub const STALL_SWAP_IN: u32 = 3;
pub const STALL_THROTTLE: u32 = 4;
/// All of them.
pub const STALL_KINDS: [u32; 5] =
    [STALL_DIRECT_RECLAIM, STALL_MEMCG_RECLAIM, STALL_COMPACTION, STALL_SWAP_IN, STALL_THROTTLE];

/// Note of a memcg reclaim that has not begun yet: its slot is that of the cgroup's VM.
pub const NOTE_ANNOUNCED: u32 = 1;
/// Note of a memcg reclaim that somebody else does for the VM: what it takes counts, its
/// time doesn't, because the VM waits for it elsewhere (an asynchronous fault) or not at all.
pub const NOTE_FOR_VM: u32 = 2;
/// Note of a swap-in: not the VM's own thread waits.
pub const NOTE_REMOTE: u32 = 1;
/// Note of a swap-in: the caller doesn't want to wait.
pub const NOTE_NOWAIT: u32 = 2;

/// A stall under way: since when, and whose.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StallStart {
    pub begun_ns: u64,
    pub slot: u32,
    /// What the begin has to tell the end, by kind: one of the `NOTE_*` constants, or 0.
    pub note: u32,
}

/// An inode as both sides know it: the kernel by address, user space by /proc/PID/maps.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InodeKey {
    pub ino: u64,
    /// As the kernel keeps it: `major << 20 | minor`.
    pub dev: u32,
    pub reserved: u32,
}

/// A KVM asynchronous page fault under way. Tokens are unique within a VM only, and a
/// process id may come again; with another slot.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AsyncFaultKey {
    pub token: u64,
    pub tgid: u32,
    pub slot: u32,
}
