//! Which slot a process has: by its mark, and where that doesn't tell, by the table of
//! processes. Knows nothing of who runs, or why it is asked.

use aya_ebpf::bindings::BPF_NOEXIST;
use memtrace_ebpf::{MARK_ASK, MARK_NOBODY, mark_index, mark_of, marked_process};

use crate::maps::{MARKS, TGIDS};

/// The slot of a process, if it is a VM.
#[inline(always)]
pub fn slot_of_process(tgid: u32) -> Option<u32> {
    let mark = mark(tgid)?;
    // SAFETY: an array's values live for ever. A word is read and written whole, and every
    // value that another CPU may put there is a good one.
    let seen = unsafe { mark.read_volatile() };
    if seen == MARK_NOBODY {
        return None;
    }
    if marked_process(seen) == tgid {
        return Some(seen as u32);
    }
    // SAFETY: the value is copied at once; values of this map are only ever replaced whole.
    let slot = unsafe { TGIDS.get(tgid) }.copied()?;
    // SAFETY: as above.
    unsafe { mark.write_volatile(mark_of(tgid, slot)) };
    Some(slot)
}

/// Enters a process. False when it was there already, or the table is full.
#[inline(always)]
pub fn enter(tgid: u32, slot: u32) -> bool {
    set(tgid, MARK_ASK);
    TGIDS.insert(tgid, slot, u64::from(BPF_NOEXIST)).is_ok()
}

/// Forgets a process that ends: from here on a reused id is nobody's.
#[inline(always)]
pub fn leave(tgid: u32) {
    let _ = TGIDS.remove(tgid);
    set(tgid, MARK_ASK);
}

#[inline(always)]
fn set(tgid: u32, value: u64) {
    if let Some(mark) = mark(tgid) {
        // SAFETY: as in `slot_of_process`.
        unsafe { mark.write_volatile(value) };
    }
}

#[inline(always)]
fn mark(tgid: u32) -> Option<*mut u64> {
    MARKS.get_ptr_mut(mark_index(tgid))
}
