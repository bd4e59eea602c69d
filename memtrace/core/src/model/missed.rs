//! Events that were not counted, because the kernel skipped the program (another one ran on that
//! CPU) or a map was full. They lower the quality of the numbers that the program counts.

use memtrace_ebpf::VmCounters;

use crate::model::gap::Gap;
use crate::sample::Sample;
use crate::signal::{Quality, Signal, SignalStatus};

/// Limit on the base pages of one event: a huge page.
pub(super) const MOST_PAGES: u64 = 512;

/// Missed events of `signal` up to a sample.
fn total(sample: &Sample, signal: Signal) -> u64 {
    let Some(counters) = &sample.host.counters else { return 0 };
    let host = &counters.host;
    let lost = match signal {
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
    };
    let left_out = counters.missed_by_signal.get(&signal).copied().unwrap_or(0);
    left_out.saturating_add(lost)
}

/// Missed events of `signal` from one sample to the next.
pub(super) fn growth(previous: Option<&Sample>, now: &Sample, signal: Signal) -> Result<u64, Gap> {
    let before = previous.ok_or(Gap::FirstSample)?;
    // The count was reset if memtrace restarted.
    Ok(total(now, signal).checked_sub(total(before, signal)).unwrap_or(total(now, signal)))
}

/// What is left of a number of `counted` when `missed` events may belong to it, all of
/// them: exact while even they could not shift it by more than 1 %, in each interval, so
/// that it holds for their sum as well. Of a signal that measures time every missed event
/// counts, because it may be the longest, and of one whose events are folios each may be a huge
/// page. (So may those of swap-ins, which VmSwap is there to check.)
pub(super) fn doubt(signal: Signal, missed: u64, counted: u64) -> Quality {
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
    if missed <= bearable {
        return Quality::Exact;
    }
    Quality::approximate(format!("{missed} of its events were not counted"))
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
