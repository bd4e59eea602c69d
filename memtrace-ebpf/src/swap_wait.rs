//! How long a page takes that comes back from swap, and who waits for it. Optional: where
//! fentry is refused, nothing else suffers.
//!
//! Hooks: fentry and fexit of `do_swap_page` (private memory) and of `shmem_swapin_folio`
//! or `shmem_swapin_page` (shared memory).
//! Fields: `swap_in_majors`, `swap_in_waits`, `swap_in_wait_ns`, `swap_in_remote_waits`,
//! `swap_in_remote_wait_ns`, and the `swap_in` histogram.
//!
//! `do_swap_page` is entered for page-table entries of other kinds as well (a page that
//! migrates), and for pages that the swap cache still has. Neither counts: a wait is a
//! call that had to read (VM_FAULT_MAJOR), or that gave up the lock to wait for a page
//! which somebody else is reading (VM_FAULT_RETRY). KVM first asks with
//! FAULT_FLAG_RETRY_NOWAIT and is sent away at once: that starts the read, and the wait is
//! its worker's.

use aya_ebpf::macros::{fentry, fexit};
use aya_ebpf::programs::{FEntryContext, FExitContext};
use memtrace_ebpf::{LONGEST_NS, NOTE_NOWAIT, NOTE_REMOTE, SLOT_OTHER, STALL_SWAP_IN};

use crate::attribution::{current_ids, slot_of_inode, slot_of_mm};
use crate::kernel::{layout, read, read_pointer};
use crate::processes::slot_of_process;
use crate::rows::{SWAP_IN, add_shared, counters, host, record};
use crate::stalls::{Ended, begin, end, forget};

// include/linux/mm_types.h (mm.h in 5.10), the same from 5.10 to 7.3.
const VM_FAULT_MAJOR: u32 = 0x4;
const VM_FAULT_RETRY: u32 = 0x400;
const FAULT_FLAG_RETRY_NOWAIT: u32 = 0x8;

/// `(struct vm_fault *)`. By the address space of the fault, because a kernel worker may
/// take it. Looked up here: once the lock is given up, the `vma` may be gone.
#[fentry]
pub fn swap_in_begin(ctx: FEntryContext) -> i32 {
    let fault: u64 = ctx.arg(0);
    let mm = read_pointer(fault, layout!(vm_fault_vma))
        .and_then(|vma| read_pointer(vma, layout!(vma_mm)));
    let Some(slot) = mm.and_then(slot_of_mm) else {
        forget(STALL_SWAP_IN);
        return 0;
    };
    let flags = read::<u32>(fault, layout!(vm_fault_flags)).unwrap_or(0);
    let nowait = if flags & FAULT_FLAG_RETRY_NOWAIT != 0 { NOTE_NOWAIT } else { 0 };
    begin(STALL_SWAP_IN, slot, remote(slot) | nowait);
    0
}

/// `(struct vm_fault *)`, and the result.
#[fexit]
pub fn swap_in_end(ctx: FExitContext) -> i32 {
    ended(ctx.arg(1));
    0
}

/// `(struct inode *, ...)`.
#[fentry]
pub fn shared_swap_in_begin(ctx: FEntryContext) -> i32 {
    match slot_of_inode(ctx.arg(0)) {
        Some(slot) => begin(STALL_SWAP_IN, slot, remote(slot)),
        None => forget(STALL_SWAP_IN),
    }
    0
}

/// `(..., vm_fault_t *)` as the seventh argument, NULL where no fault asks: what the fault
/// came to. It waits on the spot, whatever the caller wants.
#[fexit]
pub fn shared_swap_in_end(ctx: FExitContext) -> i32 {
    let result: u64 = ctx.arg(6);
    let result = if result == 0 { None } else { read::<u32>(result, 0) };
    ended(result.unwrap_or(0) & VM_FAULT_MAJOR);
    0
}

#[inline(always)]
fn remote(slot: u32) -> u32 {
    let (tgid, _) = current_ids();
    // Not `== Some(slot)`: the compiler would compare the slot of a `None` as well, which
    // older verifiers refuse to read.
    let own = slot_of_process(tgid).unwrap_or(SLOT_OTHER);
    if own == slot { 0 } else { NOTE_REMOTE }
}

#[inline(always)]
fn ended(result: u32) {
    let Some(Ended { slot, note, duration_ns }) = end(STALL_SWAP_IN) else {
        return;
    };
    // Rather a wait of long ago whose end was left out, as was this one's begin.
    if duration_ns >= LONGEST_NS {
        if let Some(host) = host() {
            add_shared!(host, lost_stalls, 1);
        }
        return;
    }
    let Some(row) = counters(slot) else {
        return;
    };
    if result & VM_FAULT_MAJOR != 0 {
        add_shared!(row, swap_in_majors, 1);
    }
    let sent_away = result & VM_FAULT_RETRY != 0 && note & NOTE_NOWAIT != 0;
    if sent_away || result & (VM_FAULT_MAJOR | VM_FAULT_RETRY) == 0 {
        return;
    }
    if note & NOTE_REMOTE == 0 {
        add_shared!(row, swap_in_waits, 1);
        add_shared!(row, swap_in_wait_ns, duration_ns);
    } else {
        add_shared!(row, swap_in_remote_waits, 1);
        add_shared!(row, swap_in_remote_wait_ns, duration_ns);
    }
    record(slot, SWAP_IN, duration_ns);
}
