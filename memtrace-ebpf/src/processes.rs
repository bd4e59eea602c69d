//! Which slot a process has: by its mark, and where that doesn't tell, by the table of
//! processes. Knows nothing of who runs, or why it is asked.

use aya_ebpf::bindings::BPF_NOEXIST;
use memtrace_ebpf::{
    MARK_ASK, MARK_NOBODY, SLOT_OTHER, entered, mark_index, mark_of, marked_process, refused,
};

use crate::maps::{MARKS, TGIDS};

/// The slot of a process, if it is a VM.
#[inline(always)]
pub fn slot_of_process(tgid: u32) -> Option<u32> {
    // From a number that is always there: the compiler would carry along the slot of a
    // `None` as well, which verifiers refuse to read.
    match slot_or_other(tgid) {
        SLOT_OTHER => None,
        slot => Some(slot),
    }
}

/// The slot of a process; that of everything else where it has none or was refused one.
#[inline(always)]
fn slot_or_other(tgid: u32) -> u32 {
    let Some(mark) = mark(tgid) else {
        return SLOT_OTHER;
    };
    // SAFETY: an array's values live for ever. A word is read and written whole, and every
    // value that another CPU may put there is a good one.
    let seen = unsafe { mark.read_volatile() };
    if seen == MARK_NOBODY {
        return SLOT_OTHER;
    }
    if marked_process(seen) == tgid {
        return seen as u32;
    }
    // SAFETY: the value is copied at once; values of this map are only ever replaced whole.
    let Some(slot) = unsafe { TGIDS.get(tgid) }.copied() else {
        return SLOT_OTHER;
    };
    // SAFETY: as above.
    unsafe { mark.write_volatile(mark_of(tgid, slot)) };
    slot
}

/// Enters a process. False when it was there already, or the table is full.
#[inline(always)]
pub fn enter(tgid: u32, slot: u32) -> bool {
    let insert = || TGIDS.insert(tgid, slot, u64::from(BPF_NOEXIST)).is_ok();
    entered(insert, || set(tgid, MARK_ASK))
}

/// Notes that there was no slot for a process, until user space enters it. False when the
/// process is in the table all the same.
#[inline(always)]
pub fn refuse(tgid: u32) -> bool {
    let note = || set(tgid, mark_of(tgid, SLOT_OTHER));
    // SAFETY: the value is not read.
    let is_entered = || unsafe { TGIDS.get(tgid) }.is_some();
    refused(note, is_entered, || set(tgid, MARK_ASK))
}

/// Takes back that a process was refused a slot: from here on its id is another's.
#[inline(always)]
pub fn accept(tgid: u32) {
    if is_refused(tgid) {
        set(tgid, MARK_ASK);
    }
}

/// Whether there was no slot for a process.
#[inline(always)]
pub fn is_refused(tgid: u32) -> bool {
    let refused = mark_of(tgid, SLOT_OTHER);
    // SAFETY: as in `slot_of_process`.
    mark(tgid).is_some_and(|mark| unsafe { mark.read_volatile() } == refused)
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
