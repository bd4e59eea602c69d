//! This CPU's rows of the counter maps, and the rows of distributions, which all CPUs
//! share. Knows nothing of whose they are.

use core::arch::asm;
use core::mem::offset_of;

use memtrace_ebpf::{HISTOGRAM_BUCKETS, HostCounters, VmCounters, VmHistograms, bucket_of};

use crate::maps::{COUNTERS, HISTOGRAMS, HOST};

/// This CPU's row of a map: a value that lives for ever, and that programs may interleave
/// on. Hence no reference to it: [`add!`] and [`add_shared!`] write.
#[derive(Clone, Copy)]
pub struct Row<T>(*mut T);

impl<T> Row<T> {
    #[inline(always)]
    pub fn place(self) -> *mut T {
        self.0
    }
}

/// The host's counters on this CPU.
#[inline(always)]
pub fn host() -> Option<Row<HostCounters>> {
    HOST.get_ptr_mut(0).map(Row)
}

/// The counters of `slot` on this CPU.
#[inline(always)]
pub fn counters(slot: u32) -> Option<Row<VmCounters>> {
    COUNTERS.get_ptr_mut(slot).map(Row)
}

/// Adds to a counter that one program alone writes; tests/tests/programs holds which those
/// are. A program doesn't run a second time within itself on a CPU: the kernel leaves that run
/// out and counts it (`recursion_misses`). Before 6.1 it does so for functions alone (since
/// 5.12), so an interrupt whose tracepoint fires in the middle of an addition loses one.
macro_rules! add {
    ($row:expr, $field:ident, $by:expr) => {{
        let (place, by): (_, u64) = ($row.place(), $by);
        // SAFETY: a field of a row, which lives for ever and is this CPU's own.
        unsafe { $crate::rows::add_alone(&raw mut (*place).$field, by) }
    }};
}
pub(crate) use add;

/// Adds to a counter that several programs write, of which one may be preempted by another
/// in the middle of it.
macro_rules! add_shared {
    ($row:expr, $field:ident, $by:expr) => {{
        let (place, by): (_, u64) = ($row.place(), $by);
        // SAFETY: a field of a row, which lives for ever.
        unsafe { $crate::rows::add_at_once(&raw mut (*place).$field, by) }
    }};
}
pub(crate) use add_shared;

/// # Safety
/// `count` lies in a value of a map, and nobody else writes it now.
#[inline(always)]
pub unsafe fn add_alone(count: *mut u64, by: u64) {
    // SAFETY: the caller's word.
    unsafe { count.write(count.read().wrapping_add(by)) }
}

/// One of a slot's distributions, by its place in the row.
#[derive(Clone, Copy)]
pub struct Distribution(usize);

pub const RECLAIM: Distribution = Distribution(offset_of!(VmHistograms, reclaim));
pub const ASYNC_FAULT: Distribution = Distribution(offset_of!(VmHistograms, async_fault));
pub const SWAP_IN: Distribution = Distribution(offset_of!(VmHistograms, swap_in));

/// Counts a wait of `ns` nanoseconds.
#[inline(always)]
pub fn record(slot: u32, distribution: Distribution, ns: u64) {
    let bucket = bucket_of(ns);
    // Never so; for the verifier, which doesn't know what `bucket_of` promises.
    if bucket >= HISTOGRAM_BUCKETS {
        return;
    }
    let Some(row) = HISTOGRAMS.get_ptr_mut(slot) else {
        return;
    };
    // SAFETY: inside the row: a distribution begins there, and has the bucket. Rows live
    // for ever, and CPUs share them by atomic adds alone.
    unsafe { add_at_once(row.cast::<u64>().byte_add(distribution.0).add(bucket), 1) }
}

/// Adds to a count that CPUs or programs share. BPF_XADD without a result, which every
/// kernel has; `core` offers atomic adds only to targets that can compare and swap.
///
/// # Safety
/// `count` lies in a value of a map.
#[inline(always)]
pub unsafe fn add_at_once(count: *mut u64, by: u64) {
    // SAFETY: the caller's word for the address; nothing else is touched.
    unsafe {
        asm!("lock *(u64 *)({count} + 0) += {by}", count = in(reg) count, by = in(reg) by);
    }
}
