//! Pages that go to swap and come back, and shared guest memory that reclaim takes.
//!
//! Hooks: `kmem:rss_stat`, `vmscan:mm_vmscan_write_folio` (`writepage` before folios).
//! Fields: `swap_out_pages`, `swap_in_pages`, `swap_in_remote_pages`,
//! `shmem_taken_pages`, `reclaim_write_pages`, and the flow table.
//!
//! Reclaim unmaps a page by one more MM_SWAPENTS, in the reclaimer's context and with
//! PF_MEMALLOC set; a swap-in is one less, without it. So the mm says who loses the
//! page, and `current` says who takes it; a kernel worker takes for the VM that it works
//! for, where that is known.

use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use memtrace_ebpf::SLOT_OTHER;

use crate::attribution::{
    PF_MEMALLOC, charge_flow, current_party, is_kernel_thread, slot_of_memcg, slot_of_mm,
};
use crate::kernel::{current_flags, current_task, layout, pages_of_folio, read, read_pointer};
use crate::maps::SWAP_ENTRIES;
use crate::rows::{add, counters};
use crate::stalls::served;

// include/linux/mm_types_task.h, the same from 5.10 to 7.3.
const MM_SWAPENTS: u32 = 2;
const MM_SHMEMPAGES: u32 = 3;

/// `(struct mm_struct *, int member)` since 6.2: an event for each page.
#[raw_tracepoint]
pub fn rss_stat(ctx: RawTracePointContext) -> i32 {
    match ctx.arg::<u32>(1) {
        MM_SWAPENTS => {
            if current_flags() & PF_MEMALLOC != 0 {
                swapped_out(slot_of_mm(ctx.arg(0)));
            } else if let Some(slot) = slot_of_mm(ctx.arg(0)) {
                swapped_in(slot, ctx.arg(0), 1);
            }
        }
        MM_SHMEMPAGES => shmem_taken(ctx.arg(0)),
        _ => {}
    }
    0
}

/// `(struct mm_struct *, int member, long count)` up to 6.1. A task's swap-ins come in
/// batches of up to 64 there, so they are told from the counter's new value.
#[raw_tracepoint]
pub fn rss_stat_count(ctx: RawTracePointContext) -> i32 {
    match ctx.arg::<u32>(1) {
        MM_SWAPENTS => {
            let mm: u64 = ctx.arg(0);
            let slot = slot_of_mm(mm);
            let back = slot.map_or(0, |slot| entries_less(slot, ctx.arg(2)));
            if current_flags() & PF_MEMALLOC != 0 {
                swapped_out(slot);
            } else if let Some(slot) = slot
                && back > 0
            {
                swapped_in(slot, mm, back);
            }
        }
        MM_SHMEMPAGES => shmem_taken(ctx.arg(0)),
        _ => {}
    }
    0
}

/// How far the counter of a VM's swap entries fell since the last event. CPUs race for
/// it: an event that overtakes another shifts pages between the two, and some get lost or
/// count twice. User space evens it out with VmSwap.
#[inline(always)]
fn entries_less(slot: u32, entries: i64) -> u64 {
    let entries = entries.max(0) as u64;
    let Some(last) = SWAP_ENTRIES.get_ptr_mut(slot) else {
        return 0;
    };
    // SAFETY: an array's values live for ever; 0 is "none seen".
    let before = unsafe { core::ptr::replace(last, entries + 1) };
    before.saturating_sub(entries + 1)
}

/// The victim may be no VM; what is taken from it shows what reclaim does besides.
#[inline(always)]
fn swapped_out(victim: Option<u32>) {
    let victim = victim.unwrap_or(SLOT_OTHER);
    if let Some(row) = counters(victim) {
        add!(row, swap_out_pages, 1);
    }
    charge_flow(taker(), victim, 1);
}

/// Who takes a page. A kernel worker that reclaims for a VM's cgroup (it is over its
/// memory.high, or an asynchronous fault needs a page) does what the VM set off.
#[inline(always)]
fn taker() -> u32 {
    match current_party() {
        SLOT_OTHER if is_kernel_thread() => served().unwrap_or(SLOT_OTHER),
        party => party,
    }
}

#[inline(always)]
fn swapped_in(slot: u32, mm: u64, pages: u64) {
    let Some(row) = counters(slot) else {
        return;
    };
    add!(row, swap_in_pages, pages);
    if read_pointer(current_task(), layout!(task_mm)) != Some(mm) {
        add!(row, swap_in_remote_pages, pages);
    }
}

/// Of VMs alone: elsewhere many processes map the same page, and each has its event.
#[inline(always)]
fn shmem_taken(mm: u64) {
    if current_flags() & PF_MEMALLOC == 0 {
        return;
    }
    let Some(victim) = slot_of_mm(mm) else {
        return;
    };
    if let Some(row) = counters(victim) {
        add!(row, shmem_taken_pages, 1);
    }
    charge_flow(taker(), victim, 1);
}

/// `(struct folio *)` or `(struct page *)`: reclaim wrote it out.
#[raw_tracepoint]
pub fn reclaim_write(ctx: RawTracePointContext) -> i32 {
    let folio = ctx.arg(0);
    let slot = memcg_of_folio(folio).and_then(slot_of_memcg).unwrap_or(SLOT_OTHER);
    if let Some(row) = counters(slot) {
        add!(row, reclaim_write_pages, pages_of_folio(folio).unwrap_or(1));
    }
    0
}

/// The memory cgroup that a folio is charged to. The lowest bits of `memcg_data` are
/// flags (include/linux/memcontrol.h).
#[inline(always)]
fn memcg_of_folio(folio: u64) -> Option<u64> {
    const FLAGS: u64 = 0b111;
    let data = read::<u64>(folio, layout!(folio_memcg_data))? & !FLAGS;
    if data == 0 {
        return None;
    }
    if layout!(memcg_data_is_objcg) != 0 {
        return read_pointer(data, layout!(objcg_memcg));
    }
    Some(data)
}
