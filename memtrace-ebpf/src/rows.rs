//! This CPU's rows of the counter maps. Knows nothing of whose they are.

use memtrace_ebpf::{HostCounters, VmCounters, VmHistograms};

use crate::maps::{COUNTERS, HISTOGRAMS, HOST};

/// The host's counters on this CPU.
#[inline(always)]
pub fn host() -> Option<&'static mut HostCounters> {
    // SAFETY: the value is this CPU's own. Programs may interleave on a CPU, but each
    // counter belongs to one program, which never nests; the worst is a lost increment
    // of a loss counter that several programs share.
    HOST.get_ptr_mut(0).map(|host| unsafe { &mut *host })
}

/// The counters of `slot` on this CPU.
#[inline(always)]
pub fn counters(slot: u32) -> Option<&'static mut VmCounters> {
    // SAFETY: as for `host`: the row is this CPU's, a field belongs to one program.
    COUNTERS.get_ptr_mut(slot).map(|row| unsafe { &mut *row })
}

/// The distributions of `slot` on this CPU.
#[inline(always)]
pub fn histograms(slot: u32) -> Option<&'static mut VmHistograms> {
    // SAFETY: as for `host`; `reclaim` is shared by two programs that never nest.
    HISTOGRAMS.get_ptr_mut(slot).map(|row| unsafe { &mut *row })
}
