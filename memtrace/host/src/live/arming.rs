//! Decides when the hooks are attached that have nothing to count while nothing is reclaimed or
//! swapped, and counts what may have passed without them. Pure.
//!
//! They are attached at the first sign, which comes as an event or shows in a sample, and detached
//! when there was none for [`CALM`]. A VM's swap-outs until then are the rise of its VmSwap
//! ([`super::swap_base`]), and who took them is not told. Of all pages that were unmapped there are
//! at most as many as reclaim looked at: by these the numbers of the interval are judged.

use memtrace_core::sample::{HooksSample, Vmstat};
use memtrace_core::units::Nanos;

/// How long there must have been no sign.
const CALM: Nanos = Nanos(10 * Nanos::SECOND.0);

/// Totals of the host that move when memory is reclaimed or swapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Traffic {
    /// Anonymous and shared pages that reclaim looked at, in the host and in cgroups.
    scanned: u64,
    /// Pages that went to swap.
    out: u64,
    back: u64,
}

impl Traffic {
    /// `None`: this kernel doesn't tell all that is needed.
    pub(super) fn of(vmstat: &Vmstat) -> Option<Self> {
        let with_zswap = |pages: u64, zswap: Option<u64>| pages.saturating_add(zswap.unwrap_or(0));
        Some(Self {
            scanned: vmstat.pgscan_anon?,
            out: with_zswap(vmstat.pswpout?, vmstat.zswpout),
            back: with_zswap(vmstat.pswpin?, vmstat.zswpin),
        })
    }

    /// Most pages that can have been taken since. What a process gives up itself (MADV_PAGEOUT)
    /// isn't looked for, but written.
    fn taken_since(&self, before: &Self) -> u64 {
        let looked_at = self.scanned.saturating_sub(before.scanned);
        looked_at.max(self.out.saturating_sub(before.out))
    }
}

/// The state of the hooks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arming {
    attached: bool,
    /// When they were attached or detached.
    since: Nanos,
    /// The last sign of reclaim or swap.
    moved: Nanos,
    last: Option<Traffic>,
    /// Most pages that can have been taken while they were detached, ever.
    missed: u64,
    /// They were detached at some time since the last sample.
    rested: bool,
    /// And something was reclaimed or swapped then.
    stirred: bool,
}

/// What happened since the sample before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rest {
    /// The hooks were detached for a time.
    pub(super) rested: bool,
    /// Something was reclaimed or swapped in that time.
    pub(super) stirred: bool,
}

impl Arming {
    /// They are attached at first: nothing is known of the time before.
    pub(super) const fn new(now: Nanos) -> Self {
        Self {
            attached: true,
            since: now,
            moved: now,
            last: None,
            missed: 0,
            rested: false,
            stirred: false,
        }
    }

    /// Something shows that memory is reclaimed or swapped.
    pub(super) fn sign(&mut self, now: Nanos) {
        self.moved = self.moved.max(now);
    }

    /// Takes in the host's totals. Where they can't be told there is no calm.
    pub(super) fn look(&mut self, now: Nanos, traffic: Option<Traffic>) {
        if traffic.is_none() || self.last != traffic {
            self.sign(now);
            self.stirred |= !self.attached;
        }
        if let (false, Some(before), Some(traffic)) = (self.attached, &self.last, &traffic) {
            self.missed = self.missed.saturating_add(traffic.taken_since(before));
        }
        self.last = traffic;
    }

    pub(super) const fn is_attached(&self) -> bool {
        self.attached
    }

    /// Whether they should be attached.
    pub(super) fn is_wanted(&self, now: Nanos) -> bool {
        self.last.is_none() || now.saturating_sub(self.moved).0 < CALM.0
    }

    /// As if there had been no sign for long.
    #[cfg(any(test, feature = "fixture"))]
    pub(super) const fn calm(&mut self) {
        self.moved = Nanos(0);
    }

    /// They were attached, and `traffic` was read after that: what it has was missed until now.
    pub(super) fn attached(&mut self, now: Nanos, traffic: Option<Traffic>) {
        self.look(now, traffic);
        self.rested = true;
        self.stirred = true;
        (self.attached, self.since) = (true, now);
    }

    /// They were detached, after the last look.
    pub(super) fn detached(&mut self, now: Nanos) {
        self.rested = true;
        (self.attached, self.since) = (false, now);
    }

    /// What happened since the last sample, of which this is the next.
    pub(super) fn take(&mut self) -> Rest {
        let rest = Rest { rested: self.rested, stirred: self.stirred };
        (self.rested, self.stirred) = (!self.attached, false);
        rest
    }

    pub(super) const fn missed(&self) -> u64 {
        self.missed
    }

    pub(super) const fn sample(&self) -> HooksSample {
        HooksSample { attached: self.attached, since: self.since, on_demand: true }
    }
}

#[cfg(test)]
mod tests;
