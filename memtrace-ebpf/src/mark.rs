//! Marks: a quick answer to "is this process a VM?". A word for each process id modulo
//! [`MARKS`], because a look into an array costs a fraction of one into a hash, and the
//! hottest hooks fire for every process of the host.
//!
//! The table of processes (`TGIDS`) stays the truth. A mark may send a program there in
//! vain, but never keeps it from a VM: whoever enters a process marks it afterwards, and only
//! user space takes a mark away, after which it looks who else needs it. Who is entered after
//! that look is marked after it as well.

/// Number of marks. Of 4,000 VMs, one process in seventeen shares a mark with one.
pub const MARKS: u32 = 65_536;
/// No VM has this mark.
pub const MARK_NOBODY: u64 = 0;
/// The table of processes knows.
pub const MARK_ASK: u64 = u64::MAX;

/// Where the mark of process `tgid` is.
pub const fn mark_index(tgid: u32) -> u32 {
    tgid % MARKS
}

/// The mark of a process that has `slot`, when it was the last one to be looked up.
pub const fn mark_of(tgid: u32, slot: u32) -> u64 {
    (tgid as u64) << 32 | slot as u64
}

/// Enters a process and marks it, in this order; whether it was entered. The other way round
/// the mark might be taken away in between, and the look at who needs it come too early.
/// Who is in the table already gets a mark as well: without one it would never be found there.
#[inline(always)]
pub fn entered(insert: impl FnOnce() -> bool, mark: impl FnOnce()) -> bool {
    let inserted = insert();
    mark();
    inserted
}

/// Notes that a process gets no slot, and looks for it in the table afterwards: it is marked
/// when it is there. Whether it remains refused. Whoever enters it after that look also marks
/// it after the note.
#[inline(always)]
pub fn refused(
    note: impl FnOnce(),
    is_entered: impl FnOnce() -> bool,
    mark: impl FnOnce(),
) -> bool {
    note();
    let entered = is_entered();
    if entered {
        mark();
    }
    !entered
}

/// The process that a mark names.
pub const fn marked_process(mark: u64) -> u32 {
    (mark >> 32) as u32
}
