//! Distress of a guest: signs of too little memory.

use memtrace_core::policy::rules::Rules;
use memtrace_core::units::Bytes;

/// A guest's indicators at one time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Signs {
    pub(super) size: Option<Bytes>,
    pub(super) maximum: Option<Bytes>,
    pub(super) available: Option<Bytes>,
    pub(super) free: Option<Bytes>,
    /// Major faults a second, and bytes from and to its swap.
    pub(super) faults: Option<f64>,
    pub(super) swap: Option<f64>,
    /// Its OOM killer killed a process since the previous sample.
    pub(super) killed: bool,
}

impl Signs {
    /// Whether it is in distress by the policy's thresholds. `None`: unknown.
    pub(super) fn hurt(&self, rules: &Rules) -> Option<bool> {
        if self.killed {
            return Some(true);
        }
        let size = self.size?;
        let share = self.available?.share_of(size)?.0;
        let over = |rate: Option<f64>, limit: f64| rate.is_some_and(|rate| rate >= limit);
        let busy = over(self.faults, rules.guest_faults) || over(self.swap, rules.guest_swap);
        let maximum = self.maximum.unwrap_or(size);
        let full = self.free.is_some_and(|free| rules.is_full(free, size, maximum));
        let near = share < 2.0 * rules.guest_tight;
        let thrashes = near && full && over(self.faults, rules.guest_thrash);
        Some(share < rules.guest_low || share < rules.guest_tight && busy || thrashes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_guest_that_rereads_its_files_hurts_though_its_kernel_keeps_some_free() {
        let mib = |mib: u64| Some(Bytes(mib << 20));
        let hurts = |free: u64| {
            let (size, maximum) = (mib(384), mib(704));
            let faults = Some(1000.0);
            let signs = Signs {
                size,
                maximum,
                available: mib(120),
                free: mib(free),
                faults,
                ..Signs::default()
            };
            signs.hurt(&Rules::default())
        };
        assert_eq!([50, 80, 120].map(hurts), [true, true, false].map(Some));
    }
}
