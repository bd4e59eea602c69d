//! A VM's swap-outs, swap-ins, pages taken by reclaim, and refaults.

use memtrace_ebpf::VmCounters;

use crate::model::Measured;
use crate::model::cgroup;
use crate::model::missed::MOST_PAGES;
use crate::model::pair::Pair;
use crate::model::rates::{Growth, better, sum};
use crate::sample::{MemoryStat, VmSample};
use crate::signal::{Quality, Signal};
use crate::units::{ByteRate, Bytes, Rate};

pub(super) struct Swapping {
    pub(super) swap_in: Measured<ByteRate>,
    pub(super) swap_out: Measured<ByteRate>,
    pub(super) taken: Measured<Rate>,
    pub(super) refaults: Measured<Rate>,
}

pub(super) fn swapping(pair: &Pair<'_>) -> Swapping {
    let swap_in = Way {
        signal: Signal::SwapIn,
        private: |counters| counters.swap_in_pages,
        shared: |counters| counters.shmem_swap_in_pages,
        line: "pswpin",
        stat: |stat| stat.pswpin,
    };
    let swap_out = Way {
        signal: Signal::SwapOut,
        private: |counters| counters.swap_out_pages,
        shared: |counters| counters.shmem_swap_out_pages,
        line: "pswpout",
        stat: |stat| stat.pswpout,
    };
    Swapping {
        swap_in: pair.context.byte_rate(swap_in.pages(pair)),
        swap_out: pair.context.byte_rate(swap_out.pages(pair)),
        taken: pair.context.rate(taken(pair)),
        refaults: pair.context.rate(refaults(pair)),
    }
}

/// One direction of swap, and its sources.
struct Way {
    signal: Signal,
    private: fn(&VmCounters) -> u64,
    shared: fn(&VmCounters) -> u64,
    line: &'static str,
    stat: fn(&MemoryStat) -> Option<u64>,
}

impl Way {
    /// Base pages by page table entry, as VmSwap counts them, and those of shared guest
    /// memory by file. Where the kernel doesn't let files be counted, which the entries
    /// miss, and without the hook, base pages of I/O as memory.stat has them. What the entries
    /// have of shared memory is next to nothing, and would look as if little were swapped.
    fn pages(&self, pair: &Pair<'_>) -> Growth {
        let entries = pair.counted(self.signal, self.private);
        let entries = match self.signal {
            Signal::SwapIn => by_vmswap(pair, entries),
            _ => entries,
        };
        let io = || {
            cgroup::stat(pair, self.line, self.stat).limited_by(Quality::approximate(format!(
                "{} of its cgroup: I/O, with readahead and without zswap",
                self.line
            )))
        };
        let shared = pair.counted(Signal::ShmemSwap, self.shared);
        match (pair.shared_memory(), shared.value) {
            (_, Some(_)) if entries.value.is_some() => {
                better(sum([("private memory", entries), ("shared memory", shared)]), io)
            }
            (None, _) => better(entries, io),
            (Some(reason), _) => {
                let why = shared.quality.reason().or(entries.quality.reason());
                let why = why.unwrap_or_default();
                better(Measured::absent(format!("{reason}: {why}")), io)
            }
        }
    }
}

/// Swap-ins since counting began, where events don't show them all:
///
/// ```text
/// swap-ins = swap-outs + base - VmSwap
/// ```
///
/// Every swap-out is one event of one page (`try_to_unmap_one` in mm/rmap.c), and VmSwap
/// is the very counter that both move. `None`: the events tell them all, or VmSwap isn't
/// known.
pub(super) fn swap_ins(vm: &VmSample, page_size: Bytes) -> Option<u64> {
    let swapped = vm.process.swap?.0.checked_div(page_size.0)?;
    let told = i128::from(vm.counters?.swap_out_pages) + i128::from(vm.swap_base?);
    // VmSwap is read a moment later than the counter, so it may be a few pages ahead.
    u64::try_from((told - i128::from(swapped)).max(0)).ok()
}

/// Growth of [`swap_ins`], never backwards; as counted where there is no base. The
/// events, of one to 512 pages each, have to make it plausible, unless their hook was detached for
/// a part of the time.
fn by_vmswap(pair: &Pair<'_>, events: Growth) -> Growth {
    let (Some(counted), Some(_)) = (events.value, pair.now.swap_base) else {
        return events;
    };
    let told = |vm| swap_ins(vm, pair.context.now.page_size);
    // Without a sample before, it was counted from its start.
    let before = pair.before().map_or(Some(0), told);
    let (Some(now), Some(before)) = (told(pair.now), before) else {
        let reason = "by events, which have no page counts: VmSwap is unknown";
        return events.limited_by(Quality::approximate(reason));
    };
    let pages = now.saturating_sub(before);
    if pair.context.rested() {
        return Measured::new(Some(pages), events.quality);
    }
    // Up to 6.1 a batch of 64 may be told twice, or not at all.
    let bound = (pages / 100).max(64);
    let told = Measured::new(Some(pages), events.quality);
    if counted > pages.saturating_add(bound) {
        told.limited_by(Quality::approximate("VmSwap shows fewer pages than there were events"))
    } else if pages > counted.saturating_mul(MOST_PAGES).saturating_add(bound) {
        told.limited_by(Quality::approximate("VmSwap shows more pages than the events can have"))
    } else {
        told
    }
}

/// Pages that any reclaim unmapped from the VM: private memory to swap, and shared guest memory.
/// File mappings are not among them.
fn taken(pair: &Pair<'_>) -> Growth {
    sum([
        ("swap-outs", pair.counted(Signal::SwapOut, |counters| counters.swap_out_pages)),
        ("shared memory", pair.counted(Signal::ShmemTaken, |counters| counters.shmem_taken_pages)),
    ])
}

/// Refaults: pages that were reclaimed and soon needed again.
fn refaults(pair: &Pair<'_>) -> Growth {
    let anon = cgroup::stat(pair, "workingset_refault_anon", |stat| stat.workingset_refault_anon);
    let file = cgroup::stat(pair, "workingset_refault_file", |stat| stat.workingset_refault_file);
    sum([("anonymous memory", anon), ("files", file)])
}
