//! Decides which VMs' files are read in a sample, and which keep their last values. Pure.
//!
//! A VM is *quiet* when none of its [`ActivitySigns`], which are read in each sample, has changed
//! for as long as memory.stat takes to be flushed ([`TOLD`]). Files of a quiet VM are read in turn
//! only, so that no value is older than [`LONGEST`]; of any other VM all files are read.
//!
//! What the signs don't show, and so may be as old as that for a VM that is quiet:
//!
//! - limits that an operator set, and which cgroup the process is in;
//! - huge pages that were given back, and memory that was locked or unlocked (no fault);
//! - pages that CPUs count and have not handed in to the address space or the cgroup yet
//!   (`percpu_counter_batch` in lib/percpu_counter.c, `MEMCG_CHARGE_BATCH` in
//!   mm/memcontrol.c), so what others in its cgroup do within that;
//! - averages of its PSI over a minute and more, which fade (those over 10 s don't: with
//!   them a VM isn't quiet).
//!
//! Rates stay right, as what they come from doesn't move without a sign: a fault, a swap, a
//! reclaim by or from the VM is a counter of the kernel side; a balloon that is filled, a
//! page that its file is read into, or a companion's memory shows in the resident pages
//! or in the cgroup's usage. CPU time is read each time and is no sign: a guest that works
//! within its memory is quiet here.

use memtrace_ebpf::VmCounters;

use crate::hostfs::process::Vitals;
use memtrace_core::sample::{CgroupSample, GuestSample, ProcessSample};
use memtrace_core::signal::{Signal, SignalStatus};
use memtrace_core::units::{Bytes, Nanos};

/// Nothing in a sample is older.
pub(super) const LONGEST: Nanos = Nanos(5_000_000_000);
/// A VM's turn comes once in this time: a tenth less than allowed, as ticks of 5 s may be
/// a little short, and then everything is to be read each time.
const ROUND: u64 = LONGEST.0 - LONGEST.0 / 10;
/// memory.stat has what CPUs held back two seconds later at the latest (FLUSH_TIME in
/// mm/memcontrol.c), and a little.
const TOLD: Nanos = Nanos(2_500_000_000);
const MILLISECOND: u64 = 1_000_000;

/// What is read of a VM in each sample, beside its cgroup's usage, and shows that more may
/// have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ActivitySigns {
    counters: VmCounters,
    minor_faults: u64,
    major_faults: u64,
    threads: u32,
    size: Option<u64>,
    resident_pages: Option<u64>,
    balloon: Option<Bytes>,
}

impl ActivitySigns {
    pub(super) const fn new(counters: VmCounters, now: &Vitals, guest: &GuestSample) -> Self {
        Self {
            counters,
            minor_faults: now.minor_faults,
            major_faults: now.major_faults,
            threads: now.threads,
            size: now.size,
            resident_pages: now.resident_pages,
            balloon: guest.actual,
        }
    }
}

/// Whether the kernel side sees what comes and goes, so that counters that stand still
/// mean something. One program (`rss_stat`) sees both directions of swap.
pub(super) fn are_seen(signals: &[SignalStatus]) -> bool {
    signals.iter().any(|status| status.signal == Signal::SwapIn && status.hooked)
}

/// The last reading, and the signs from just before.
#[derive(Clone, Debug, Default)]
pub(super) struct LastReading {
    pub(super) at: Nanos,
    /// When a sign moved last.
    pub(super) moved: Nanos,
    /// `None`: they can't be seen, or nothing was read yet.
    pub(super) signs: Option<ActivitySigns>,
    /// Content of /proc/PID/status.
    pub(super) process: ProcessSample,
    pub(super) cgroup: Option<CgroupSample>,
}

impl LastReading {
    /// Whether what was read last includes the last changes: it was read long enough after
    /// them, and not only would be by now.
    pub(super) const fn is_told(&self) -> bool {
        self.at.saturating_sub(self.moved).0 >= TOLD.0
    }

    /// Whether no sign has moved. `usage` reads its cgroup's: `None` without a cgroup, or
    /// where it can't be read.
    pub(super) fn is_still(
        &self,
        signs: &ActivitySigns,
        usage: impl FnOnce() -> Option<Bytes>,
    ) -> bool {
        let before = self.cgroup.as_ref().and_then(|cgroup| cgroup.usage);
        self.signs.as_ref() == Some(signs) && self.is_settled() && before == usage()
    }

    /// Everything was there, and nothing fades that a view shows at once.
    fn is_settled(&self) -> bool {
        let stalls = |cgroup: &CgroupSample| cgroup.psi.is_some_and(|psi| psi.some.avg10 > 0.0);
        self.process.rss.is_some()
            && self.cgroup.as_ref().is_none_or(|cgroup| cgroup.problem.is_none() && !stalls(cgroup))
    }
}

/// Whether the turn of `pid` came between two moments. Turns are spread over the round, so
/// that each tick has its share of them.
pub(super) fn turn_came(pid: u32, last: Nanos, now: Nanos) -> bool {
    // Fibonacci hashing: consecutive ids lie far apart.
    let share = u64::from(pid.wrapping_mul(0x9e37_79b9));
    let phase = ((share * (ROUND / MILLISECOND)) >> 32) * MILLISECOND;
    let round = |at: Nanos| at.0.saturating_add(phase) / ROUND;
    round(last) != round(now)
}

#[cfg(test)]
mod tests;
