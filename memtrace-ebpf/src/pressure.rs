//! That there is pressure, told to user space at once, so that it need not wait for its tick.
//! At most once in a while for the same pressure. Knows nothing of who calls, and why.

use memtrace_ebpf::PRESSURE_PAUSE_NS;

use crate::attribution::{current_ids, emit, now_ns};
use crate::maps::PRESSURE_TOLD;

/// Sends an event of this kind about `slot`, unless one went out for `row` just before.
#[inline(always)]
pub fn tell(kind: u32, row: u32, slot: u32) {
    let Some(last) = PRESSURE_TOLD.get_ptr_mut(row) else {
        return;
    };
    let now = now_ns();
    // SAFETY: an array's values live for ever, and a word is read and written whole. CPUs
    // that are here at the same moment may each tell, which is harmless.
    let before = unsafe { last.read_volatile() };
    if now.saturating_sub(before) < PRESSURE_PAUSE_NS {
        return;
    }
    // SAFETY: as above.
    unsafe { last.write_volatile(now) };
    let (tgid, _) = current_ids();
    emit(kind, tgid, slot, 0, 0);
}
