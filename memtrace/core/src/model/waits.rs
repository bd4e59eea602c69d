//! How long one VM waited in the last minute: the distributions of its intervals added
//! up, because a single interval often has none. Keeps no time; it is fed snapshots.

use std::collections::VecDeque;

use crate::model::Snapshot;
use crate::model::snapshot::VmView;
use crate::sample::VmId;
use crate::units::{Nanos, WallNanos};

/// Length of the window, as long as intervals are shorter.
pub(crate) const SPAN: Nanos = Nanos(60 * Nanos::SECOND.0);
/// Most intervals that are kept.
const MOST: usize = 600;

/// A distribution over some time: counts by bucket (`memtrace_ebpf::bucket_range_ns`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wait {
    pub counts: Vec<u64>,
    /// The time of which they are known.
    pub span: Nanos,
}

#[derive(Clone, Debug)]
struct Interval {
    length: Nanos,
    reclaim: Option<Vec<u64>>,
    async_fault: Option<Vec<u64>>,
    swap_in: Option<Vec<u64>>,
}

/// The last intervals of one VM.
#[derive(Clone, Debug, Default)]
pub struct Waits {
    vm: Option<VmId>,
    /// The snapshot that was seen last.
    seen: Option<WallNanos>,
    intervals: VecDeque<Interval>,
}

impl Waits {
    /// Looks at `vm` from now on, and takes what a snapshot has of it, once.
    pub fn follow(&mut self, snapshot: &Snapshot, vm: Option<VmId>) {
        if self.vm != vm {
            *self = Self { vm, ..Self::default() };
        }
        if self.seen.replace(snapshot.wall) == Some(snapshot.wall) {
            return;
        }
        let view = snapshot.vms.iter().find(|view| Some(view.id) == vm);
        if let (Some(view), Some(length)) = (view, snapshot.interval) {
            self.push(view, length);
        }
    }

    fn push(&mut self, view: &VmView, length: Nanos) {
        let [reclaim, async_fault, swap_in] =
            [&view.reclaim_histogram, &view.async_fault_histogram, &view.swap_in_histogram]
                .map(|histogram| histogram.value.clone());
        self.intervals.push_back(Interval { length, reclaim, async_fault, swap_in });
        while self.intervals.len() > MOST || (self.span() > SPAN && self.intervals.len() > 1) {
            self.intervals.pop_front();
        }
    }

    fn span(&self) -> Nanos {
        let sum = |sum: u64, interval: &Interval| sum.saturating_add(interval.length.0);
        Nanos(self.intervals.iter().fold(0, sum))
    }

    /// Waits in direct and memcg reclaim.
    pub fn reclaim(&self) -> Wait {
        self.sum(|interval| &interval.reclaim)
    }

    /// KVM asynchronous page faults.
    pub fn async_fault(&self) -> Wait {
        self.sum(|interval| &interval.async_fault)
    }

    /// Pages that came back from swap.
    pub fn swap_in(&self) -> Wait {
        self.sum(|interval| &interval.swap_in)
    }

    fn sum(&self, which: fn(&Interval) -> &Option<Vec<u64>>) -> Wait {
        let mut wait = Wait::default();
        for interval in &self.intervals {
            let Some(counts) = which(interval) else { continue };
            wait.span = Nanos(wait.span.0.saturating_add(interval.length.0));
            wait.counts.resize(wait.counts.len().max(counts.len()), 0);
            for (sum, count) in wait.counts.iter_mut().zip(counts) {
                *sum = sum.saturating_add(*count);
            }
        }
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::samples::{sample, vm, without_kernel_side};
    use crate::model::derive;

    /// A snapshot of second `at` in which each VM had `counts` more waits.
    fn snapshot(at: u64, counts: &[u64]) -> Snapshot {
        let mut now = sample(at, vec![vm("a", 7), vm("b", 8)]);
        for vm in &mut now.vms {
            let histograms = vm.histograms.get_or_insert_default();
            histograms.reclaim[..counts.len()].copy_from_slice(counts);
        }
        derive(Some(&sample(at - 1, vec![vm("a", 7), vm("b", 8)])), &now)
    }

    fn id(index: usize) -> Option<VmId> {
        snapshot(2, &[]).vms.get(index).map(|vm| vm.id)
    }

    #[test]
    fn intervals_add_up_and_each_snapshot_counts_once() {
        let mut waits = Waits::default();
        for (at, counts) in [(10, &[1, 2][..]), (10, &[1, 2]), (11, &[]), (12, &[0, 1, 5])] {
            waits.follow(&snapshot(at, counts), id(0));
        }
        assert_eq!(waits.reclaim(), Wait { counts: vec![1, 3, 5], span: Nanos(3_000_000_000) });
        assert_eq!(waits.async_fault().counts, [0; 0]);
    }

    #[test]
    fn time_of_which_nothing_is_known_is_not_time_without_waits() {
        let mut waits = Waits::default();
        waits.follow(&snapshot(10, &[1]), id(0));
        let blind = |at| without_kernel_side(sample(at, vec![vm("a", 7)]), "no CAP_BPF");
        waits.follow(&derive(Some(&blind(10)), &blind(11)), id(0));
        assert_eq!(waits.reclaim(), Wait { counts: vec![1], span: Nanos::SECOND });
    }

    #[test]
    fn only_the_last_minute_is_kept() {
        let mut waits = Waits::default();
        (10..200).for_each(|at| waits.follow(&snapshot(at, &[1]), id(0)));
        assert_eq!(waits.reclaim(), Wait { counts: vec![60], span: SPAN });
    }

    #[test]
    fn another_vm_starts_at_zero() {
        let mut waits = Waits::default();
        waits.follow(&snapshot(10, &[1]), id(0));
        waits.follow(&snapshot(10, &[1]), id(1));
        assert_eq!(waits.reclaim(), Wait { counts: vec![1], span: Nanos::SECOND });
        waits.follow(&snapshot(11, &[1]), None);
        assert_eq!(waits.reclaim(), Wait::default());
    }
}
