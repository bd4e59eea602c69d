//! What reclaim's tracepoints don't tell. Optional: where fentry is refused, nothing else
//! suffers.
//!
//! Hooks: fentry and fexit of `throttle_direct_reclaim`, fentry of
//! `try_to_free_mem_cgroup_pages` (before 7.x, whose tracepoint has the memcg).
//! Fields: `throttle_waits`, `throttle_wait_ns`; and the slot that `memcg_reclaims` of a
//! kernel worker go to.

use aya_ebpf::macros::{fentry, fexit};
use aya_ebpf::programs::{FEntryContext, FExitContext};
use memtrace_ebpf::{NOTE_ANNOUNCED, SLOT_OTHER, STALL_MEMCG_RECLAIM, STALL_THROTTLE};

use crate::attribution::{current_party, current_vm, is_kernel_thread, slot_of_memcg};
use crate::kernel::{current_task, layout, read};
use crate::rows::{add, counters};
use crate::stalls::{Ended, begin, end, forget, not_swap_in};

/// A direct reclaim may have to wait until kswapd has freed the reserves, before
/// `mm_vmscan_direct_reclaim_begin`.
#[fentry]
pub fn throttle_begin(_: FEntryContext) -> i32 {
    match (current_vm(), sleeps()) {
        (Some(slot), Some(sleeps)) => begin(STALL_THROTTLE, slot, sleeps),
        _ => forget(STALL_THROTTLE),
    }
    0
}

/// Most calls find nothing to wait for; only those that slept count.
#[fexit]
pub fn throttle_end(_: FExitContext) -> i32 {
    let Some(Ended { slot, note, duration_ns }) = end(STALL_THROTTLE) else {
        return 0;
    };
    if sleeps() == Some(note) {
        return 0;
    }
    if let Some(row) = counters(slot) {
        add!(row, throttle_waits, 1);
        add!(row, throttle_wait_ns, duration_ns);
    }
    not_swap_in(duration_ns);
    0
}

/// How often `current` went to sleep by itself; the low half is enough to see a change.
#[inline(always)]
fn sleeps() -> Option<u32> {
    read::<u32>(current_task(), layout!(task_nvcsw))
}

/// `(struct mem_cgroup *, ...)`: leaves word for `memcg_reclaim_begin`, which follows in
/// this thread, whose cgroup it is about. Of kernel workers alone: a process that writes
/// memory.reclaim or memory.high of a VM's cgroup is no VM.
#[fentry]
pub fn memcg_reclaim_for(ctx: FEntryContext) -> i32 {
    let works = is_kernel_thread() && current_party() == SLOT_OTHER;
    match slot_of_memcg(ctx.arg(0)).filter(|_| works) {
        Some(slot) => begin(STALL_MEMCG_RECLAIM, slot, NOTE_ANNOUNCED),
        None => forget(STALL_MEMCG_RECLAIM),
    }
    0
}
