//! Events that were not counted, because the kernel skipped the program (another one ran on that
//! CPU), a hook that is attached on demand was at rest, or a map was full. They lower the quality
//! of the numbers that the program counts.

use memtrace_ebpf::VmCounters;

use crate::model::gap::Gap;
use crate::sample::Sample;
use crate::signal::{Quality, Signal, SignalStatus};
use crate::units::Nanos;

/// Limit on the base pages of one event: a huge page.
pub(super) const MOST_PAGES: u64 = 512;

/// Events of a signal that were not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Missed {
    events: u64,
    /// Most of them, or all, because its hook was at rest when memory began to be reclaimed: then
    /// they are as many as there can have been at most.
    at_rest: bool,
}

/// Whether hooks that are attached on demand were detached at some time between two samples.
pub(super) fn rested(previous: Option<&Sample>, now: &Sample) -> bool {
    let before = previous.map_or(Nanos(0), |previous| previous.at);
    let hooks = now.host.hooks.filter(|hooks| hooks.on_demand);
    hooks.is_some_and(|hooks| !hooks.attached || hooks.since > before)
}

/// Events of `signal` that no program saw up to a sample: the kernel skipped it, or it was
/// detached.
fn left_out(sample: &Sample, signal: Signal) -> u64 {
    let counters = sample.host.counters.as_ref();
    let left_out = counters.and_then(|counters| counters.missed_by_signal.get(&signal));
    left_out.copied().unwrap_or(0)
}

/// Those up to a sample that a program saw and had no room for.
fn lost(sample: &Sample, signal: Signal) -> u64 {
    let Some(counters) = &sample.host.counters else { return 0 };
    let host = &counters.host;
    match signal {
        // Each of these is remembered from its begin to its end.
        Signal::DirectReclaim
        | Signal::MemcgReclaim
        | Signal::Compaction
        | Signal::ThrottleWait
        | Signal::SwapInWait
        | Signal::ReclaimForVm => host.lost_stalls,
        // Lost begins of a write are in the same count.
        Signal::ShmemSwap => host.lost_stalls.saturating_add(host.failed_reads),
        Signal::AsyncFaults => host.lost_async_faults,
        // Only an address space without an owner needs a map entry.
        Signal::SwapIn => host.lost_address_spaces.saturating_add(host.failed_reads),
        Signal::MajorFaults
        | Signal::SwapOut
        | Signal::ShmemTaken
        | Signal::ReclaimWrites
        | Signal::OomKills => host.failed_reads,
        Signal::Flows => host.lost_flow_pages.saturating_add(host.failed_reads),
        Signal::GuestFaults
        | Signal::UserFaults
        | Signal::KernelFaults
        | Signal::Throttling
        | Signal::Kswapd
        | Signal::Lifecycle => 0,
    }
}

/// Missed events of `signal` up to a sample.
fn total(sample: &Sample, signal: Signal) -> Missed {
    let (left_out, lost) = (left_out(sample, signal), lost(sample, signal));
    let on_demand = sample.host.hooks.is_some_and(|hooks| hooks.on_demand);
    let at_rest = on_demand && Signal::ON_DEMAND.contains(&signal) && left_out > lost;
    Missed { events: left_out.saturating_add(lost), at_rest }
}

/// Missed events of `signal` from one sample to the next.
pub(super) fn growth(
    previous: Option<&Sample>,
    now: &Sample,
    signal: Signal,
) -> Result<Missed, Gap> {
    let before = previous.ok_or(Gap::FirstSample)?;
    // The count was reset if memtrace restarted.
    let grown = |count: fn(&Sample, Signal) -> u64| {
        let total = count(now, signal);
        total.checked_sub(count(before, signal)).unwrap_or(total)
    };
    let (left_out, lost) = (grown(left_out), grown(lost));
    let on_demand = Signal::ON_DEMAND.contains(&signal) && rested(previous, now);
    Ok(Missed { events: left_out.saturating_add(lost), at_rest: on_demand && left_out > lost })
}

/// What is left of a number of `counted` when `missed` events may belong to it, all of
/// them: exact while even they could not shift it by more than 1 %, in each interval, so
/// that it holds for their sum as well. Of a signal that measures time every missed event
/// counts, because it may be the longest, and of one whose events are folios each may be a huge
/// page. (So may those of swap-ins, which VmSwap is there to check.)
pub(super) fn doubt(signal: Signal, missed: Missed, counted: u64) -> Quality {
    let bearable = match signal {
        Signal::DirectReclaim
        | Signal::MemcgReclaim
        | Signal::Compaction
        | Signal::Throttling
        | Signal::AsyncFaults
        | Signal::Kswapd
        | Signal::SwapInWait
        | Signal::ThrottleWait => 0,
        Signal::ReclaimWrites | Signal::ShmemSwap => counted / 100 / MOST_PAGES,
        _ => counted / 100,
    };
    let Missed { events, at_rest } = missed;
    match events <= bearable {
        true => Quality::Exact,
        false if at_rest => Quality::approximate(format!(
            "its hook was at rest when memory began to be reclaimed: up to {events} of its events \
             were not counted"
        )),
        false => Quality::approximate(format!("{events} of its events were not counted")),
    }
}

/// The signals with the quality that is left, given all that was missed so far.
pub(super) fn signals(now: &Sample) -> Vec<SignalStatus> {
    let worth = |status: &SignalStatus| {
        let counted = main_counter(status.signal).map_or(0, |field| sum_over_parties(now, field));
        let doubt = doubt(status.signal, total(now, status.signal), counted);
        SignalStatus { quality: status.quality.clone().and(doubt), ..status.clone() }
    };
    now.signals.iter().map(worth).collect()
}

/// The counter that a signal's events go to, one each.
fn main_counter(signal: Signal) -> Option<fn(&VmCounters) -> u64> {
    Some(match signal {
        Signal::GuestFaults => |counters| counters.guest_faults,
        Signal::UserFaults => |counters| counters.user_faults,
        Signal::KernelFaults => |counters| counters.kernel_faults,
        Signal::MajorFaults => |counters| counters.major_faults,
        Signal::SwapIn => |counters| counters.swap_in_pages,
        Signal::SwapOut | Signal::Flows => |counters| counters.swap_out_pages,
        Signal::ShmemTaken => |counters| counters.shmem_taken_pages,
        Signal::ShmemSwap => |counters| counters.shmem_swap_out_pages,
        Signal::ReclaimWrites => |counters| counters.reclaim_write_pages,
        _ => return None,
    })
}

fn sum_over_parties(now: &Sample, field: fn(&VmCounters) -> u64) -> u64 {
    let vms = now.vms.iter().filter_map(|vm| vm.counters.as_ref());
    let host = now.host.counters.iter().flat_map(|host| [&host.kswapd, &host.other]);
    vms.chain(host).map(field).fold(0, u64::saturating_add)
}
