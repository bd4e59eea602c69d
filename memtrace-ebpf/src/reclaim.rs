//! Reclaim: who sets it off, who waits for it and for how long.
//!
//! Hooks: `vmscan:mm_vmscan_{direct,memcg}_reclaim_{begin,end}`,
//! `vmscan:mm_vmscan_throttled`, `vmscan:mm_vmscan_{kswapd_wake,kswapd_sleep,wakeup_kswapd}`,
//! `compaction:mm_compaction_{try_to_compact_pages,begin,end}`.
//! Fields: `direct_reclaims`, `direct_reclaim_ns`, `memcg_reclaims`, `memcg_reclaim_ns`,
//! `reclaimed_pages`, `throttles`, `throttled_ns`, `compactions`, `compaction_ns`,
//! `kswapd_wakeups`, the `reclaim` histogram, and the host's kswapd counters. And the events
//! that there is pressure: kswapd wakes from its sleep (nobody waits yet), a direct reclaim by
//! whomever has ended (somebody waited, and everybody may be next), or a memcg reclaim by or
//! for a VM. One by others is a matter of their own cgroups.
//!
//! The begin events' arguments changed order in 7.x; only the memcg that came with that
//! is of use, so it alone has a program of its own.

use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use memtrace_ebpf::{
    EVENT_DIRECT_RECLAIM, EVENT_KSWAPD, EVENT_LONG_STALL, EVENT_MEMCG_RECLAIM, FIRST_VM_SLOT,
    LONG_STALL_NS, NOTE_ANNOUNCED, NOTE_FOR_VM, SLOT_KSWAPD, SLOT_OTHER, STALL_COMPACTION,
    STALL_DIRECT_RECLAIM, STALL_MEMCG_RECLAIM, StallKey, VmCounters,
};

use crate::attribution::{
    current_ids, current_party, current_vm, emit, is_kernel_thread, now_ns, slot_of_memcg,
};
use crate::maps::{KSWAPD_SINCE, STALLS};
use crate::pressure;
use crate::rows::{RECLAIM, Row, add, add_shared, counters, host, record};
use crate::stalls::{Ended, begin, end, forget, not_swap_in};

#[raw_tracepoint]
pub fn direct_reclaim_begin(_: RawTracePointContext) -> i32 {
    let slot = current_party();
    if let Some(row) = counters(slot) {
        add!(row, direct_reclaims, 1);
    }
    // A direct reclaim is in no memcg reclaim.
    forget(STALL_MEMCG_RECLAIM);
    begin(STALL_DIRECT_RECLAIM, slot, 0);
    0
}

/// `(unsigned long nr_reclaimed, ...)`.
#[raw_tracepoint]
pub fn direct_reclaim_end(ctx: RawTracePointContext) -> i32 {
    reclaimed(STALL_DIRECT_RECLAIM, ctx.arg(0), |row, ns| add!(row, direct_reclaim_ns, ns));
    0
}

#[raw_tracepoint]
pub fn memcg_reclaim_begin(_: RawTracePointContext) -> i32 {
    match current_party() {
        SLOT_OTHER if is_kernel_thread() => memcg_reclaim_for_vm(announced()),
        slot => memcg_reclaim(slot, 0),
    }
    0
}

/// `(gfp_t, int order, struct mem_cgroup *)` since 7.x: what a kernel worker reclaims
/// for a cgroup over its memory.high is charged to the cgroup's VM. What a process has
/// reclaimed there (memory.reclaim, a lower memory.high) is not: memtrace itself does so.
#[raw_tracepoint]
pub fn memcg_reclaim_begin_memcg(ctx: RawTracePointContext) -> i32 {
    match current_party() {
        SLOT_OTHER if is_kernel_thread() => memcg_reclaim_for_vm(slot_of_memcg(ctx.arg(2))),
        slot => memcg_reclaim(slot, 0),
    }
    0
}

/// The VM for whose cgroup this thread is about to reclaim, as `memcg_reclaim_for`
/// left word.
#[inline(always)]
fn announced() -> Option<u32> {
    let (_, pid) = current_ids();
    // SAFETY: copied at once; only this thread uses its entry.
    let start = unsafe { STALLS.get(StallKey { pid, kind: STALL_MEMCG_RECLAIM }) }.copied()?;
    (start.note == NOTE_ANNOUNCED).then_some(start.slot)
}

#[inline(always)]
fn memcg_reclaim_for_vm(slot: Option<u32>) {
    match slot {
        Some(slot) => memcg_reclaim(slot, NOTE_FOR_VM),
        None => memcg_reclaim(SLOT_OTHER, 0),
    }
}

#[inline(always)]
fn memcg_reclaim(slot: u32, note: u32) {
    if let Some(row) = counters(slot) {
        add!(row, memcg_reclaims, 1);
    }
    begin(STALL_MEMCG_RECLAIM, slot, note);
}

/// `(unsigned long nr_reclaimed, ...)`.
#[raw_tracepoint]
pub fn memcg_reclaim_end(ctx: RawTracePointContext) -> i32 {
    reclaimed(STALL_MEMCG_RECLAIM, ctx.arg(0), |row, ns| add!(row, memcg_reclaim_ns, ns));
    0
}

/// `(int nid, int usec_timeout, int usec_delayed, int reason)`, at the end of the wait.
#[raw_tracepoint]
pub fn throttled(ctx: RawTracePointContext) -> i32 {
    if let Some(row) = counters(current_party()) {
        add!(row, throttles, 1);
        add!(row, throttled_ns, u64::from(ctx.arg::<u32>(2)) * 1000);
    }
    0
}

/// `(int nid, int zid, int order, gfp_t)`.
#[raw_tracepoint]
pub fn wakeup_kswapd(_: RawTracePointContext) -> i32 {
    if let Some(row) = current_vm().and_then(counters) {
        add!(row, kswapd_wakeups, 1);
    }
    0
}

/// `(int nid, int zid, int order)`: kswapd begins a round; it need not have slept.
#[raw_tracepoint]
pub fn kswapd_wake(ctx: RawTracePointContext) -> i32 {
    if let Some(host) = host() {
        add!(host, kswapd_wakes, 1);
    }
    if let Some(since) = KSWAPD_SINCE.get_ptr_mut(ctx.arg::<u32>(0)) {
        // SAFETY: lives for ever, and a node has one kswapd, which is `current`.
        if unsafe { since.read() } == 0 {
            // SAFETY: as above.
            unsafe { since.write(now_ns()) };
            pressure::tell(EVENT_KSWAPD, SLOT_KSWAPD, SLOT_KSWAPD);
        }
    }
    0
}

/// `(int nid)`: kswapd goes fully to sleep.
#[raw_tracepoint]
pub fn kswapd_sleep(ctx: RawTracePointContext) -> i32 {
    let Some(since) = KSWAPD_SINCE.get_ptr_mut(ctx.arg::<u32>(0)) else {
        return 0;
    };
    // SAFETY: as in `kswapd_wake`.
    let begun = unsafe { core::ptr::replace(since, 0) };
    if let Some(host) = host() {
        add!(host, kswapd_sleeps, 1);
        if begun != 0 {
            add!(host, kswapd_active_ns, now_ns().saturating_sub(begun));
        }
    }
    0
}

/// An allocation is to be helped by compaction, which may go through several zones.
#[raw_tracepoint]
pub fn compaction(_: RawTracePointContext) -> i32 {
    if let Some(row) = counters(current_party()) {
        add!(row, compactions, 1);
    }
    0
}

/// In one zone, by whomever: kcompactd does so too. Only a VM's time is of interest.
#[raw_tracepoint]
pub fn compaction_begin(_: RawTracePointContext) -> i32 {
    match current_vm() {
        Some(slot) => begin(STALL_COMPACTION, slot, 0),
        None => forget(STALL_COMPACTION),
    }
    0
}

#[raw_tracepoint]
pub fn compaction_end(_: RawTracePointContext) -> i32 {
    let Some(Ended { slot, duration_ns, .. }) = end(STALL_COMPACTION) else {
        return 0;
    };
    if let Some(row) = counters(slot) {
        add!(row, compaction_ns, duration_ns);
    }
    not_swap_in(duration_ns);
    0
}

/// Tells that there is pressure. Not before the reclaim has ended: where the kernel may be
/// preempted, whoever is woken runs at once, and the VM would wait for it in the reclaim
/// that is being timed.
#[inline(always)]
fn tell_of_reclaim(kind: u32, slot: u32) {
    if kind == STALL_DIRECT_RECLAIM {
        pressure::tell(EVENT_DIRECT_RECLAIM, SLOT_OTHER, slot);
    } else if slot >= FIRST_VM_SLOT {
        pressure::tell(EVENT_MEMCG_RECLAIM, slot, slot);
    }
}

/// Ends a reclaim that freed `pages`; `add_time` adds its nanoseconds to a row.
#[inline(always)]
fn reclaimed(kind: u32, pages: u64, add_time: impl FnOnce(Row<VmCounters>, u64)) {
    let Some(Ended { slot, note, duration_ns: duration }) = end(kind) else {
        return;
    };
    not_swap_in(duration);
    if let Some(row) = counters(slot) {
        add_shared!(row, reclaimed_pages, pages);
        if note == 0 {
            add_time(row, duration);
        }
    }
    tell_of_reclaim(kind, slot);
    // Others' time is no wait of the VM's, also where the begin was left out.
    if note != 0 || slot < FIRST_VM_SLOT {
        return;
    }
    record(slot, RECLAIM, duration);
    if duration >= LONG_STALL_NS {
        let (tgid, _) = current_ids();
        emit(EVENT_LONG_STALL, tgid, slot, tgid, duration);
    }
}
