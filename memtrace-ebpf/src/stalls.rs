//! Waits under way: a thread's entry from begin to end, in `STALLS`. Knows nothing of
//! what is waited for.
//!
//! The kernel leaves out a run of a program that runs already on the CPU, so an end may be
//! missing. What it leaves behind is replaced or forgotten by the next begin in the same
//! thread, and goes with the thread.

use memtrace_ebpf::{
    FIRST_VM_SLOT, STALL_KINDS, STALL_MEMCG_RECLAIM, STALL_SWAP_IN, StallKey, StallStart,
};

use crate::attribution::{current_ids, now_ns};
use crate::maps::STALLS;
use crate::rows::{add_shared, host};

/// A wait of this thread begins. `note` comes back with [`end`].
#[inline(always)]
pub fn begin(kind: u32, slot: u32, note: u32) {
    let (_, pid) = current_ids();
    let start = StallStart { begun_ns: now_ns(), slot, note };
    if STALLS.insert(StallKey { pid, kind }, start, 0).is_err()
        && let Some(host) = host()
    {
        add_shared!(host, lost_stalls, 1);
    }
}

/// Forgets a wait of this thread whose end no program saw.
#[inline(always)]
pub fn forget(kind: u32) {
    let (_, pid) = current_ids();
    remove(StallKey { pid, kind });
}

/// Forgets all waits of thread `pid`, which is this one and ends.
#[inline(always)]
pub fn forget_all(pid: u32) {
    for kind in STALL_KINDS {
        remove(StallKey { pid, kind });
    }
}

/// Nearly always there is none, and a look takes no lock of the table, as removing does.
#[inline(always)]
fn remove(key: StallKey) {
    // SAFETY: the value is not read.
    if unsafe { STALLS.get(key) }.is_some() {
        let _ = STALLS.remove(key);
    }
}

/// A wait of this thread that ended.
pub struct Ended {
    pub slot: u32,
    pub note: u32,
    pub duration_ns: u64,
}

/// Ends a wait of this thread.
#[inline(always)]
pub fn end(kind: u32) -> Option<Ended> {
    let (_, pid) = current_ids();
    let key = StallKey { pid, kind };
    // SAFETY: copied at once; only this thread uses its entry.
    let start = unsafe { STALLS.get(key) }.copied()?;
    let duration_ns = now_ns().saturating_sub(start.begun_ns);
    let _ = STALLS.remove(key);
    Some(Ended { slot: start.slot, note: start.note, duration_ns })
}

/// The VM for which this kernel worker waits: it reclaims for the VM's cgroup, or brings
/// back a page of the VM.
#[inline(always)]
pub fn served() -> Option<u32> {
    under_way(STALL_MEMCG_RECLAIM).or_else(|| under_way(STALL_SWAP_IN))
}

/// The VM whose wait of that kind this thread is in.
#[inline(always)]
fn under_way(kind: u32) -> Option<u32> {
    let (_, pid) = current_ids();
    // SAFETY: copied at once; only this thread uses its entry.
    let start = unsafe { STALLS.get(StallKey { pid, kind }) }.copied()?;
    (start.slot >= FIRST_VM_SLOT).then_some(start.slot)
}

/// Takes `duration_ns`, which counts as something else, out of this thread's wait for
/// swap-in: bringing a page back allocates, and that may reclaim.
#[inline(always)]
pub fn not_swap_in(duration_ns: u64) {
    let (_, pid) = current_ids();
    if let Some(start) = STALLS.get_ptr_mut(StallKey { pid, kind: STALL_SWAP_IN }) {
        // SAFETY: alive while the program runs; only this thread uses its entry.
        unsafe { (*start).begun_ns = (*start).begun_ns.saturating_add(duration_ns) };
    }
}
