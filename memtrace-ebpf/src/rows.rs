//! This CPU's rows of the counter maps, and the rows of distributions, which all CPUs
//! share. Knows nothing of whose they are.

use core::arch::asm;
use core::mem::offset_of;

use memtrace_ebpf::{HISTOGRAM_BUCKETS, HostCounters, VmCounters, VmHistograms, bucket_of};

use crate::maps::{COUNTERS, HISTOGRAMS, HOST};

/// The host's counters on this CPU.
#[inline(always)]
pub fn host() -> Option<&'static mut HostCounters> {
    // SAFETY: the value is this CPU's own. Programs may interleave on a CPU, but each
    // counter belongs to one program, which never nests; the worst is a lost increment
    // of a loss counter that several programs share.
    HOST.get_ptr_mut(0).map(|host| unsafe { &mut *host })
}

/// The counters of `slot` on this CPU.
#[inline(always)]
pub fn counters(slot: u32) -> Option<&'static mut VmCounters> {
    // SAFETY: as for `host`: the row is this CPU's, a field belongs to one program.
    COUNTERS.get_ptr_mut(slot).map(|row| unsafe { &mut *row })
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
    unsafe { add_one(row.cast::<u64>().byte_add(distribution.0).add(bucket)) }
}

/// Adds 1 to a count that CPUs share. BPF_XADD without a result, which every kernel has;
/// `core` offers atomic adds only to targets that can compare and swap.
///
/// # Safety
/// `count` lies in a value of a map.
#[inline(always)]
unsafe fn add_one(count: *mut u64) {
    // SAFETY: the caller's word for the address; nothing else is touched.
    unsafe {
        asm!("lock *(u64 *)({count} + 0) += {one}", count = in(reg) count, one = in(reg) 1_u64);
    }
}
