//! What goes to swap and comes back, what reclaim took, and what was missed afterwards,
//! for one VM.

use memtrace_ebpf::VmCounters;

use crate::model::Measured;
use crate::model::cgroup;
use crate::model::pair::Pair;
use crate::model::rates::{Growth, better, sum};
use crate::sample::{MemoryStat, VmSample};
use crate::signal::{Quality, Signal};
use crate::units::{ByteRate, Rate};

pub(super) struct Swapping {
    pub(super) swap_in: Measured<ByteRate>,
    pub(super) swap_out: Measured<ByteRate>,
    pub(super) taken: Measured<Rate>,
    pub(super) refaults: Measured<Rate>,
}

pub(super) fn swapping(pair: &Pair<'_>) -> Swapping {
    let swap_in = Way {
        signal: Signal::SwapIn,
        counter: |counters| counters.swap_in_pages,
        line: "pswpin",
        stat: |stat| stat.pswpin,
    };
    let swap_out = Way {
        signal: Signal::SwapOut,
        counter: |counters| counters.swap_out_pages,
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

/// One direction of swap, and its two sources.
struct Way {
    signal: Signal,
    counter: fn(&VmCounters) -> u64,
    line: &'static str,
    stat: fn(&MemoryStat) -> Option<u64>,
}

impl Way {
    /// Base pages by page table entry, as VmSwap counts them. For shared guest memory,
    /// which those miss, and without the hook, base pages of I/O as memory.stat has them.
    fn pages(&self, pair: &Pair<'_>) -> Growth {
        let entries = pair.counted(self.signal, self.counter);
        let entries =
            if self.signal == Signal::SwapIn { reconcile(pair, entries) } else { entries };
        let io = cgroup::stat(pair, self.line, self.stat).limited_by(Quality::approximate(
            format!("{} of its cgroup: I/O, with readahead and without zswap", self.line),
        ));
        match pair.shared_memory() {
            None => better(entries, io),
            Some(reason) => better(io, entries.limited_by(Quality::approximate(reason))),
        }
    }
}

/// Swap-ins by event, held against what VmSwap says: swap-outs less its growth. A huge
/// page that comes back whole is one event of its many entries, and the event doesn't
/// tell how many.
fn reconcile(pair: &Pair<'_>, events: Growth) -> Growth {
    /// Less than a huge page, more than what moves between the two readings.
    const NOISE: i64 = 256;
    let outs = pair.counted(Signal::SwapOut, |counters| counters.swap_out_pages).value;
    let (Some(counted), Some(outs), Some(growth)) = (events.value, outs, swap_growth(pair)) else {
        return events;
    };
    let told = i64::try_from(outs).unwrap_or(i64::MAX).saturating_sub(growth);
    let missing = told.saturating_sub(i64::try_from(counted).unwrap_or(i64::MAX));
    if missing >= NOISE {
        let pages = u64::try_from(told).unwrap_or(counted);
        return Measured::approximate(pages, "with huge pages, so from the growth of VmSwap");
    }
    // Within the bound that an exact number has to keep: 1 % or 16 pages.
    if missing.unsigned_abs() <= (counted / 100).max(16) {
        return Measured::exact(counted);
    }
    events
}

/// Growth of VmSwap in base pages.
fn swap_growth(pair: &Pair<'_>) -> Option<i64> {
    let pages = |vm: &VmSample| {
        let swap = vm.process.swap?.0.checked_div(pair.context.now.page_size.0)?;
        i64::try_from(swap).ok()
    };
    pages(pair.now)?.checked_sub(pages(pair.before().ok()?)?)
}

/// Pages that reclaim, anybody's, unmapped from the VM: private memory to swap, and
/// shared guest memory. File mappings are not among them.
fn taken(pair: &Pair<'_>) -> Growth {
    sum([
        ("swap-outs", pair.counted(Signal::SwapOut, |counters| counters.swap_out_pages)),
        ("shared memory", pair.counted(Signal::ShmemTaken, |counters| counters.shmem_taken_pages)),
    ])
}

/// Pages that were reclaimed and soon needed again.
fn refaults(pair: &Pair<'_>) -> Growth {
    let anon = cgroup::stat(pair, "workingset_refault_anon", |stat| stat.workingset_refault_anon);
    let file = cgroup::stat(pair, "workingset_refault_file", |stat| stat.workingset_refault_file);
    sum([("anonymous memory", anon), ("files", file)])
}
