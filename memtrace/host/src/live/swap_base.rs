//! The base of a VM's swap when counting began, to derive swap-ins from VmSwap
//! ([`memtrace_core::sample::VmSample::swap_base`]). Pure.

use memtrace_ebpf::VmCounters;

/// The base of one VM, as long as its row of counters lives.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SwapBase {
    base: Option<i64>,
    last: VmCounters,
    /// The highest number of swap-ins reported so far.
    told: i64,
    /// Swap-outs while the hook was detached, as far as they are known.
    unseen: i64,
}

impl SwapBase {
    /// Whether pages went to swap since the last sample, so that VmSwap and a reading of
    /// even a little while ago don't go together.
    pub(super) const fn has_moved(&self, counters: &VmCounters) -> bool {
        counters.swap_out_pages != self.last.swap_out_pages
    }

    /// Whether no base has been found yet.
    pub(super) const fn is_new(&self) -> bool {
        self.base.is_none()
    }

    /// The base, found now if this is the first reading of the row. `from_start`: the row
    /// was there before anything could be swapped. `swapped` is VmSwap in base pages.
    ///
    /// VmSwap is read a moment later than the counters, so that pages swapped out in between
    /// lead to too few swap-ins. Fewer than there were already would be made good in
    /// the next interval, and so be counted twice: the base is higher by these, this once.
    ///
    /// `later`: the swap-outs that are counted after VmSwap was read, where the hook was detached
    /// for a part of the time since the reading before. A VmSwap that they don't explain has pages
    /// that went out without it.
    pub(super) fn update(
        &mut self,
        counters: &VmCounters,
        from_start: bool,
        swapped: Option<u64>,
        later: Option<u64>,
    ) -> Option<i64> {
        if counters.ran_backwards(&self.last) {
            *self = Self::default();
        }
        self.last = *counters;
        if self.base.is_none() {
            self.base = if from_start { Some(0) } else { beyond(counters, swapped) };
        }
        let base = self.base?;
        let Some(swapped) = swapped.and_then(|pages| i64::try_from(pages).ok()) else {
            return Some(base);
        };
        let beyond = base.saturating_sub(swapped);
        if let Some(later) = later {
            let told = self.out(later).saturating_add(beyond);
            let missing = self.told.saturating_sub(told).max(0);
            self.unseen = self.unseen.saturating_add(missing);
        }
        let told = self.out(counters.swap_out_pages).saturating_add(beyond);
        self.told = self.told.max(told);
        base.checked_add(self.told.saturating_sub(told))
    }

    fn out(&self, counted: u64) -> i64 {
        signed(counted).saturating_add(self.unseen)
    }

    /// The counted swap-outs and those that passed without the hook.
    pub(super) fn with_unseen(&self, counted: u64) -> u64 {
        counted.saturating_add_signed(self.unseen)
    }
}

fn signed(pages: u64) -> i64 {
    i64::try_from(pages).unwrap_or(i64::MAX)
}

/// Pages in swap that the counters don't know of.
fn beyond(counters: &VmCounters, swapped: Option<u64>) -> Option<i64> {
    let [out, back] = [counters.swap_out_pages, counters.swap_in_pages].map(signed);
    i64::try_from(swapped?).ok()?.checked_sub(out.saturating_sub(back))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(swap_out_pages: u64, swap_in_pages: u64) -> VmCounters {
        VmCounters { swap_out_pages, swap_in_pages, ..VmCounters::ZERO }
    }

    #[test]
    fn a_vm_that_was_counted_from_its_start_began_with_nothing_in_swap() {
        let mut base = SwapBase::default();
        assert_eq!(base.update(&counters(700, 1), true, Some(188), None), Some(0));
    }

    /// Swap-ins as they are told of the first, the second, ... reading: of swap-outs, and of
    /// pages that VmSwap has.
    fn told(readings: &[(u64, u64)]) -> Vec<i64> {
        let mut base = SwapBase::default();
        let told = |&(out, swapped): &(u64, u64)| {
            let base = base.update(&counters(out, 0), true, Some(swapped), None).unwrap();
            signed(out) + base - signed(swapped)
        };
        readings.iter().map(told).collect()
    }

    #[test]
    fn a_vmswap_that_is_ahead_of_the_counters_makes_no_swap_in_count_twice() {
        // 103 of the pages that VmSwap has in the second reading are not counted as out yet.
        assert_eq!(told(&[(1000, 900), (1500, 1503), (1703, 1503)]), [100, 100, 200]);
        assert_eq!(told(&[(10, 20), (30, 30), (30, 25)]), [0, 0, 5]);
    }

    #[test]
    fn a_vm_found_later_keeps_its_earlier_swap() {
        let mut base = SwapBase::default();
        assert_eq!(base.update(&counters(0, 0), false, Some(1000), None), Some(1000));
        assert_eq!(base.update(&counters(600, 2), false, Some(5), None), Some(1000));
        // Already some events when it was first looked at.
        let mut base = SwapBase::default();
        assert_eq!(base.update(&counters(10, 4), false, Some(1006), None), Some(1000));
    }

    #[test]
    fn a_row_that_was_reset_gets_a_new_base() {
        let mut base = SwapBase::default();
        base.update(&counters(600, 0), true, Some(600), None);
        assert_eq!(base.update(&counters(0, 0), false, Some(600), None), Some(600));
    }

    #[test]
    fn the_base_waits_for_a_vmswap_that_can_be_read() {
        let mut base = SwapBase::default();
        assert_eq!(base.update(&counters(5, 0), false, None, None), None);
        assert_eq!(base.update(&counters(8, 0), false, Some(9), None), Some(1));
    }

    #[test]
    fn only_pages_that_went_out_call_for_another_look() {
        let mut base = SwapBase::default();
        base.update(&counters(5, 0), true, Some(5), None);
        assert!(!base.has_moved(&counters(5, 3)));
        assert!(base.has_moved(&counters(6, 0)));
    }

    #[test]
    fn what_went_out_while_the_hook_was_detached_shows_in_vmswap() {
        let mut base = SwapBase::default();
        assert_eq!(base.update(&counters(100, 0), true, Some(90), None), Some(0));
        // 60 pages more than before, of which the hook saw 20, and 5 after VmSwap was read.
        assert_eq!(base.update(&counters(120, 0), true, Some(150), Some(125)), Some(5));
        assert_eq!(base.with_unseen(120), 155);
        // The hook goes on, and the 5 are not counted twice.
        assert_eq!(base.update(&counters(130, 0), true, Some(155), None), Some(0));
        assert_eq!(base.with_unseen(130), 165);
    }

    #[test]
    fn what_only_came_back_needs_no_hook() {
        let mut base = SwapBase::default();
        base.update(&counters(100, 0), true, Some(100), None);
        let told = base.update(&counters(100, 0), true, Some(40), Some(100));
        assert_eq!((told, base.with_unseen(100)), (Some(0), 100));
    }

    #[test]
    fn a_vm_that_was_pressed_before_it_was_ever_read_has_all_of_its_vmswap() {
        let mut base = SwapBase::default();
        assert_eq!(base.update(&counters(0, 0), true, Some(70), Some(0)), Some(0));
        assert_eq!(base.with_unseen(0), 70);
    }
}
