//! What a policy made of a scenario, measured on the simulated host itself and not on what
//! it tells.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::host::{Host, Vm};
use super::memory::Kind;
use super::size::{GIB, MIB, PAGE};
use crate::order::Order;
use crate::policy::Action;
use crate::sample::VmId;

/// A VM that waits for such a share of a second is in distress.
const DISTRESS: f64 = 0.1;
/// Distress that comes back within so many seconds hasn't ended.
const BRIDGED: u64 = 5;
/// Turns within so many seconds of each other are an oscillation.
const TURNS: u64 = 120;
/// Smaller moves have no direction.
const MOVE: u64 = 16 * MIB;
/// With this share of the host available nobody needs what the balloons hold.
const PLENTY: u64 = 25;

/// The result of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Seconds that vCPUs waited for memory, in the host (swap-in, direct reclaim) and in
    /// their guest (its own swap, files that it had cached); and, one each, seconds in
    /// which a service was down that an OOM killer ended.
    pub stall_seconds: f64,
    /// Read back from the host's swap, and from the guests' own.
    pub swap_in_gib: f64,
    /// Processes that guests' OOM killers ended.
    pub guest_ooms: u64,
    /// VMs that the host's OOM killer ended.
    pub kills: u64,
    /// Longest time that somebody was in distress (waited for over a tenth of each second).
    pub relief_seconds: u64,
    /// Times that a balloon turned within two minutes of its turn before.
    pub oscillations: u64,
    /// What balloons held beyond their beginning while a quarter of the host's memory was
    /// available, or without the host getting it, times seconds.
    pub needless_gib_seconds: f64,
    /// Orders that were given.
    pub orders: u64,
    /// Those to VMs that boot, migrate, are pinned or were just set by hand, or beyond
    /// their memory.
    pub breaches: u64,
}

impl Outcome {
    /// Of two runs together: sums, and the longer relief.
    pub(super) fn and(&self, other: &Self) -> Self {
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
        }
    }
}

/// What a scenario expects, at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
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
}

impl Expectation {
    /// What wasn't reached, in words. `nothing`: the outcome without any policy.
    pub fn missed(&self, outcome: &Outcome, nothing: &Outcome) -> Vec<String> {
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
        ]
        .into_iter()
        .filter_map(|(what, limit, was)| {
            let limit = limit.filter(|limit| was > *limit)?;
            Some(format!("{was:.1} {what}, at most {limit:.1}"))
        })
        .collect()
    }
}

/// The last turn of a VM's balloon.
#[derive(Clone, Copy, Debug, Default)]
struct Course {
    grows: Option<bool>,
    turned: Option<u64>,
}

/// Measures a run, second by second.
#[derive(Clone, Debug, Default)]
pub(super) struct Measure {
    outcome: Outcome,
    ballooned_before: u64,
    /// First and last second of the distress that goes on.
    distress: Option<(u64, u64)>,
    courses: BTreeMap<VmId, Course>,
}

impl Measure {
    pub(super) fn new(host: &Host) -> Self {
        Self { ballooned_before: host.vms.iter().map(ballooned).sum(), ..Self::default() }
    }

    /// A second has passed.
    pub(super) fn second(&mut self, host: &Host) {
        let waited = |vm: &Vm| vm.suffered.waited + vm.guest.waited;
        let running = || measured(host).filter(|vm| vm.guest.runs(host.second) || vm.guest.gone);
        self.outcome.stall_seconds += running().map(waited).sum::<f64>();
        if running().any(|vm| waited(vm) > DISTRESS) {
            let bridged = self.distress.filter(|(_, last)| host.second - last <= BRIDGED);
            let first = bridged.map_or(host.second, |(first, _)| first);
            self.distress = Some((first, host.second));
            self.outcome.relief_seconds = self.outcome.relief_seconds.max(host.second - first + 1);
        }
        self.outcome.needless_gib_seconds += self.needless(host);
    }

    fn needless(&self, host: &Host) -> f64 {
        let memory = &host.memory;
        let plenty = memory.total / 100 * PLENTY;
        let spare = (memory.free + memory.cache).saturating_sub(plenty);
        let held: u64 = host.vms.iter().map(ballooned).sum();
        let pinned = host.vms.iter().filter(|vm| vm.guest.spec.pinned);
        let in_vain: u64 = pinned.map(ballooned).sum();
        let needless = held.saturating_sub(self.ballooned_before).min(spare.max(in_vain));
        (needless * PAGE.0) as f64 / GIB as f64
    }

    /// An order was given.
    pub(super) fn order(&mut self, order: &Order, second: u64) {
        self.outcome.orders += 1;
        let Action::Balloon { from, to } = order.action else { return };
        if from.0.abs_diff(to.0) < MOVE {
            return;
        }
        let course = self.courses.entry(order.vm).or_default();
        let grows = to > from;
        if course.grows.replace(grows).is_some_and(|before| before != grows) {
            let soon = course.turned.replace(second).is_some_and(|turned| second - turned <= TURNS);
            self.outcome.oscillations += u64::from(soon);
        }
    }

    pub(super) fn end(self, host: &Host) -> Outcome {
        let pages: u64 =
            measured(host).map(|vm| vm.suffered.swap_in + vm.guest.totals.swap_in).sum();
        Outcome {
            swap_in_gib: (pages * PAGE.0) as f64 / GIB as f64,
            guest_ooms: measured(host).map(|vm| vm.guest.totals.ooms).sum(),
            kills: host.totals.kills,
            breaches: host.breaches,
            ..self.outcome
        }
    }
}

/// Those who suffer by no fault of their own.
fn measured(host: &Host) -> impl Iterator<Item = &Vm> {
    host.vms.iter().filter(|vm| !vm.guest.spec.own_fault)
}

fn ballooned(vm: &Vm) -> u64 {
    vm.guest.memory[Kind::Balloon].total()
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
            Outcome { stall_seconds: 3.0, guest_ooms: 1, orders: 5, ..Outcome::default() };
        let nothing = Outcome { stall_seconds: 20.0, ..Outcome::default() };
        let missed = ["3.0 stall seconds against none, at most 2.0", "1.0 guest OOMs, at most 0.0"];
        assert_eq!(expect.missed(&outcome, &nothing), missed);
        assert_eq!(expect.missed(&Outcome::default(), &nothing), [""; 0]);
    }
}
