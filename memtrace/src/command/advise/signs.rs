//! Distress of a guest: signs of too little memory.

use memtrace_core::policy::rules::Rules;
use memtrace_core::units::Bytes;

/// A guest's indicators at one time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Signs {
    pub(super) size: Option<Bytes>,
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
        let share = self.available?.share_of(self.size?)?.0;
        let over = |rate: Option<f64>, limit: f64| rate.is_some_and(|rate| rate >= limit);
        let busy = over(self.faults, rules.guest_faults) || over(self.swap, rules.guest_swap);
        let free = self.free.zip(self.size).and_then(|(free, size)| free.share_of(size));
        let full = free.is_some_and(|share| share.0 < rules.guest_full);
        let near = share < 2.0 * rules.guest_tight;
        let thrashes = near && full && over(self.faults, rules.guest_thrash);
        Some(share < rules.guest_low || share < rules.guest_tight && busy || thrashes)
    }
}
