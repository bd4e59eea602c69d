//! The result of a policy on a scenario, and what is expected of it.

use serde::{Deserialize, Serialize};

/// The result of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunOutcome {
    /// Seconds that vCPUs waited for memory: on the host (swap-in, direct reclaim) and within their
    /// guest (its own swap, file reads that had been cached). Plus the waits of VMs that the host
    /// killed, and one for each second in which a service was down after its guest's OOM killer
    /// ended it.
    pub stall_seconds: f64,
    /// Read back from the host's swap, and from the guests' own.
    pub swap_in_gib: f64,
    /// Processes that guests' OOM killers ended.
    pub guest_ooms: u64,
    /// VMs that the host's OOM killer ended.
    pub kills: u64,
    /// Longest time that some VM was in distress (waited for over a tenth of each second).
    pub relief_seconds: u64,
    /// Turns of a balloon within two minutes of its previous turn.
    pub oscillations: u64,
    /// GiB times seconds that balloons held beyond their initial size although a quarter of the
    /// host's memory was available, or without the host gaining it.
    pub needless_gib_seconds: f64,
    /// Orders that were given.
    pub orders: u64,
    /// Orders to VMs that boot, migrate, are pinned or were just set by hand, or beyond their
    /// memory.
    pub breaches: u64,
    /// Allocations that programs skipped because their guest had too little available.
    #[serde(default)]
    pub refused_allocations: u64,
    /// Memory that loads would have touched without any waiting, summed over seconds; and that they
    /// touched.
    #[serde(default)]
    pub work_wanted_gib: f64,
    #[serde(default)]
    pub work_done_gib: f64,
}

impl RunOutcome {
    /// Of two runs together: sums, and the longer relief.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self {
            stall_seconds: self.stall_seconds + other.stall_seconds,
            swap_in_gib: self.swap_in_gib + other.swap_in_gib,
            guest_ooms: self.guest_ooms + other.guest_ooms,
            kills: self.kills + other.kills,
            relief_seconds: self.relief_seconds.max(other.relief_seconds),
            oscillations: self.oscillations + other.oscillations,
            needless_gib_seconds: self.needless_gib_seconds + other.needless_gib_seconds,
            orders: self.orders + other.orders,
            breaches: self.breaches + other.breaches,
            refused_allocations: self.refused_allocations + other.refused_allocations,
            work_wanted_gib: self.work_wanted_gib + other.work_wanted_gib,
            work_done_gib: self.work_done_gib + other.work_done_gib,
        }
    }

    /// Share of the wanted work that was done, in per cent.
    pub fn work_percent(&self) -> f64 {
        if self.work_wanted_gib > 0.0 {
            self.work_done_gib / self.work_wanted_gib * 100.0
        } else {
            100.0
        }
    }
}

/// What a scenario expects, at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Expectation {
    pub stall_seconds: Option<f64>,
    /// As a share of the stall without any policy.
    pub stall_ratio: Option<f64>,
    pub swap_in_gib: Option<f64>,
    pub guest_ooms: Option<u64>,
    pub kills: Option<u64>,
    pub relief_seconds: Option<u64>,
    pub oscillations: Option<u64>,
    pub needless_gib_seconds: Option<f64>,
    pub orders: Option<u64>,
    pub breaches: Option<u64>,
    pub refused_allocations: Option<u64>,
}

impl Expectation {
    /// Expectations that were missed, as text. `nothing`: the outcome without any policy.
    pub fn missed(&self, outcome: &RunOutcome, nothing: &RunOutcome) -> Vec<String> {
        let count = |limit: Option<u64>| limit.map(|limit| limit as f64);
        let ratio = self.stall_ratio.map(|ratio| ratio * nothing.stall_seconds);
        [
            ("stall seconds", self.stall_seconds, outcome.stall_seconds),
            ("stall seconds against none", ratio, outcome.stall_seconds),
            ("GiB swapped in", self.swap_in_gib, outcome.swap_in_gib),
            ("guest OOMs", count(self.guest_ooms), outcome.guest_ooms as f64),
            ("VMs killed", count(self.kills), outcome.kills as f64),
            ("seconds to relief", count(self.relief_seconds), outcome.relief_seconds as f64),
            ("oscillations", count(self.oscillations), outcome.oscillations as f64),
            ("GiB s needlessly", self.needless_gib_seconds, outcome.needless_gib_seconds),
            ("orders", count(self.orders), outcome.orders as f64),
            ("breaches", count(self.breaches), outcome.breaches as f64),
            (
                "refused allocations",
                count(self.refused_allocations),
                outcome.refused_allocations as f64,
            ),
        ]
        .into_iter()
        .filter_map(|(what, limit, was)| {
            let limit = limit.filter(|limit| was > *limit)?;
            Some(format!("{was:.1} {what}, at most {limit:.1}"))
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missed_is_named() {
        let expect = Expectation {
            stall_ratio: Some(0.1),
            guest_ooms: Some(0),
            orders: Some(5),
            ..Expectation::default()
        };
        let outcome =
            RunOutcome { stall_seconds: 3.0, guest_ooms: 1, orders: 5, ..RunOutcome::default() };
        let nothing = RunOutcome { stall_seconds: 20.0, ..RunOutcome::default() };
        let missed = ["3.0 stall seconds against none, at most 2.0", "1.0 guest OOMs, at most 0.0"];
        assert_eq!(expect.missed(&outcome, &nothing), missed);
        assert_eq!(expect.missed(&RunOutcome::default(), &nothing), [""; 0]);
    }
}
