//! Time that one VM waited for memory, and how often.

use crate::model::Measured;
use crate::model::pair::Pair;
use crate::model::rates::sum;
use crate::signal::Signal;
use crate::units::{Percent, Rate};

pub(super) struct Stalls {
    pub(super) direct_reclaims: Measured<Rate>,
    pub(super) memcg_reclaims: Measured<Rate>,
    pub(super) throttles: Measured<Rate>,
    pub(super) compactions: Measured<Rate>,
    pub(super) stalled: Measured<Percent>,
}

pub(super) fn stalls(pair: &Pair<'_>) -> Stalls {
    let rate = |signal, field: fn(&memtrace_ebpf::VmCounters) -> u64| {
        pair.context.rate(pair.counted(signal, field))
    };
    Stalls {
        direct_reclaims: rate(Signal::DirectReclaim, |counters| counters.direct_reclaims),
        memcg_reclaims: rate(Signal::MemcgReclaim, |counters| counters.memcg_reclaims),
        throttles: rate(Signal::Throttling, |counters| counters.throttles),
        compactions: rate(Signal::Compaction, |counters| counters.compactions),
        stalled: stalled(pair),
    }
}

/// (direct reclaim + memcg reclaim + direct compaction + asynchronous faults + swap-in +
/// throttling before direct reclaim) / interval. The last two are known only where the
/// kernel allows the programs for them; PSI has them everywhere.
///
/// They exclude each other within a thread. Reclaim and compaction run with
/// `PF_MEMALLOC`, under which no further one begins. A thread in an asynchronous fault is
/// halted, or runs other tasks of the guest. Bringing a page back may allocate and so
/// reclaim; the programs take that out of the swap-in (`not_swap_in` in memtrace-ebpf).
/// What KVM's workers wait for a page is in the asynchronous fault and not in the swap-in.
/// Throttling within reclaim is left out because `mm_vmscan_throttled` is emitted between
/// the begin and the end of a reclaim, whose time has it already (`reclaim_throttle` in
/// mm/vmscan.c); `throttle_direct_reclaim` comes before the begin (`try_to_free_pages`).
/// Several threads add up, so it may go over 100. A wait counts when it ends.
fn stalled(pair: &Pair<'_>) -> Measured<Percent> {
    let waited = sum([
        (
            "direct reclaim",
            pair.counted(Signal::DirectReclaim, |counters| counters.direct_reclaim_ns),
        ),
        ("memcg reclaim", pair.counted(Signal::MemcgReclaim, |counters| counters.memcg_reclaim_ns)),
        ("compaction", pair.counted(Signal::Compaction, |counters| counters.compaction_ns)),
        (
            "asynchronous faults",
            pair.counted(Signal::AsyncFaults, |counters| counters.async_fault_ns),
        ),
        ("swap-in", pair.counted(Signal::SwapInWait, |counters| counters.swap_in_wait_ns)),
        ("throttling", pair.counted(Signal::ThrottleWait, |counters| counters.throttle_wait_ns)),
    ]);
    pair.context.share(waited)
}
