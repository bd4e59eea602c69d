//! Shared guest memory that goes to swap and comes back, by inode: its swap entries belong
//! to the file and to no address space. Optional: where fentry is refused, nothing else
//! suffers.
//!
//! Hooks: fentry and fexit of `shmem_writepage` (`shmem_writeout` in newer kernels), fexit
//! of `shmem_add_to_page_cache`.
//! Fields: `shmem_swap_out_pages`, `shmem_swap_in_pages`.
//!
//! A program can only read a result at the place where the arguments end, so there is one
//! for each number of arguments.

use aya_ebpf::macros::{fentry, fexit};
use aya_ebpf::programs::{FEntryContext, FExitContext};

use crate::attribution::{PF_MEMALLOC, current_ids, slot_of_inode};
use crate::kernel::{current_flags, layout, pages_of_folio, read_pointer};
use crate::maps::{SHARED_WRITES, SharedWrite};
use crate::rows::{add, add_shared, counters, host};

/// include/linux/fs.h: the page could not be written and stays.
const AOP_WRITEPAGE_ACTIVATE: u32 = 0x80000;

/// `(struct page *, ...)` or `(struct folio *, ...)`.
#[fentry]
pub fn shared_out_begin_first(ctx: FEntryContext) -> i32 {
    out_begins(ctx.arg(0));
    0
}

/// `(context, struct folio *, ...)`, since 7.3.
#[fentry]
pub fn shared_out_begin_second(ctx: FEntryContext) -> i32 {
    out_begins(ctx.arg(1));
    0
}

#[fexit]
pub fn shared_out_end_2(ctx: FExitContext) -> i32 {
    out_ends(ctx.arg(2));
    0
}

#[fexit]
pub fn shared_out_end_3(ctx: FExitContext) -> i32 {
    out_ends(ctx.arg(3));
    0
}

/// `(folio, struct address_space *, index, void *expected, gfp)`.
#[fexit]
pub fn shared_in_5(ctx: FExitContext) -> i32 {
    comes_back(ctx.arg(0), ctx.arg(1), ctx.arg(3), ctx.arg(5));
    0
}

/// The same with a sixth argument, up to 6.1.
#[fexit]
pub fn shared_in_6(ctx: FExitContext) -> i32 {
    comes_back(ctx.arg(0), ctx.arg(1), ctx.arg(3), ctx.arg(6));
    0
}

/// Whose it is can only be told now: afterwards the folio has no mapping any more.
#[inline(always)]
fn out_begins(folio: u64) {
    let Some(slot) = read_pointer(folio, layout!(folio_mapping)).and_then(slot_of_mapping) else {
        return;
    };
    let (_, pid) = current_ids();
    let write = SharedWrite { folio, slot, reserved: 0 };
    if SHARED_WRITES.insert(pid, write, 0).is_err()
        && let Some(host) = host()
    {
        add_shared!(host, lost_stalls, 1);
    }
}

/// A large folio may have been split on the way, so its size is that of now.
#[inline(always)]
fn out_ends(result: u32) {
    let (_, pid) = current_ids();
    // SAFETY: copied at once; only this thread uses its entry.
    let Some(write) = unsafe { SHARED_WRITES.get(pid) }.copied() else {
        return;
    };
    let _ = SHARED_WRITES.remove(pid);
    if result != AOP_WRITEPAGE_ACTIVATE
        && let Some(row) = counters(write.slot)
    {
        add!(row, shmem_swap_out_pages, pages_of_folio(write.folio).unwrap_or(1));
    }
}

/// `expected` is what was in the folio's place: a swap entry, or NULL for a new page.
/// Within reclaim it is a write that zswap refused and that is undone.
#[inline(always)]
fn comes_back(folio: u64, mapping: u64, expected: u64, result: i32) {
    if expected == 0 || result != 0 || current_flags() & PF_MEMALLOC != 0 {
        return;
    }
    if let Some(row) = slot_of_mapping(mapping).and_then(counters) {
        add!(row, shmem_swap_in_pages, pages_of_folio(folio).unwrap_or(1));
    }
}

#[inline(always)]
fn slot_of_mapping(mapping: u64) -> Option<u32> {
    slot_of_inode(read_pointer(mapping, layout!(mapping_host))?)
}
