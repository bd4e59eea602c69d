//! Which VMs give how much: by room above the floor, weight and priority, unused memory first.
//! Parts follow from the previous step's knowledge, so that missing knowledge of one VM never makes
//! another give more.

use std::collections::BTreeMap;

use super::decision::{Action, Decision};
use super::floor::{Floor, room};
use super::host::Host;
use super::need::Need;
use super::reason::{Reason, RuleId};
use super::rules::{Rules, Step, part};
use super::state::PolicyState;
use super::thought::Term;
use super::vm::Vm;
use crate::policy::balloon_motion::is_cool;
use crate::policy::tri_state::whole_mib;
use crate::sample::VmId;
use crate::settings::Priority;
use crate::units::{Bytes, Nanos};

/// Weight of unused memory, which its guest doesn't miss.
const DEAD: f64 = 4.0;

/// A VM's part in giving: its room by weight, in bytes.
pub fn capacity(vm: &Vm<'_>, floor: &Floor) -> f64 {
    let Some(report) = vm.report.as_ref().ok().filter(|report| report.doubt.is_none()) else {
        return 0.0;
    };
    let room = room(vm, floor);
    let dead = dead(vm).min(report.free).min(room);
    let by_priority = match vm.rules.priority {
        Priority::Low => 4.0,
        Priority::Normal => 1.0,
        Priority::High => 0.25,
    };
    let by_weight = 1000.0 / f64::from(vm.rules.weight.max(1));
    (room.0 as f64 + DEAD * dead.0 as f64) * by_weight * by_priority
}

fn dead(vm: &Vm<'_>) -> Bytes {
    vm.dead().unwrap_or(Bytes(0))
}

/// The parts of all VMs that may be shrunk now, as of the previous step.
pub struct Parts {
    all: BTreeMap<VmId, f64>,
    sum: f64,
    /// From the largest.
    ranks: BTreeMap<VmId, u64>,
}

impl Parts {
    /// `present`: VMs that are seen now.
    pub fn of(rules: &Rules, state: &PolicyState, at: Nanos, present: &[VmId]) -> Self {
        let all: BTreeMap<VmId, f64> = present
            .iter()
            .filter_map(|id| {
                let vm = state.vms.get(id)?;
                (vm.capacity > 0.0 && is_cool(rules, vm.shrunk, at)).then_some((*id, vm.capacity))
            })
            .collect();
        let mut order: Vec<(VmId, f64)> = all.iter().map(|(id, part)| (*id, *part)).collect();
        order.sort_by(|one, other| other.1.total_cmp(&one.1).then(one.0.cmp(&other.0)));
        let ranks = (0..).zip(order).map(|(rank, (id, _))| (id, rank)).collect();
        Self { sum: all.values().sum(), all, ranks }
    }

    /// A VM's part of a need. Where parts would be below the least step, only the VMs with the
    /// largest parts give, one least step each.
    fn share(&self, rules: &Rules, need: Bytes, id: VmId, capacity: f64) -> Bytes {
        let (Some(&before), Some(&rank)) = (self.all.get(&id), self.ranks.get(&id)) else {
            return Bytes(0);
        };
        if capacity <= 0.0 {
            return Bytes(0);
        }
        let part = capacity.min(before) / self.sum;
        let share = Bytes((need.0 as f64 * part) as u64);
        let least = rules.least_step.max(Bytes(1));
        let worth = need.0 / least.0;
        if share >= least {
            share
        } else if rank < worth {
            least
        } else {
            Bytes(0)
        }
    }
}

/// What a part of the need makes a VM give, and by what.
struct Offer {
    need: Bytes,
    share: Bytes,
    step: Bytes,
}

impl Offer {
    fn bytes(&self) -> Bytes {
        self.share.min(self.step)
    }
}

/// Unused memory is given in the larger steps, because its guest does not wait for it.
fn unused(rules: &Rules, need: Bytes, share: Bytes, vm: &Vm<'_>, maximum: Bytes) -> Offer {
    let spare = vm.report.as_ref().map_or(Bytes(0), |report| {
        report.free.saturating_sub(part(report.size, rules.guest_spare))
    });
    let step = rules.dead_step.of(maximum, rules.least_step);
    Offer { need, share, step: step.min(dead(vm)).min(spare) }
}

/// What a VM whose gates are all open gives.
pub fn give(
    rules: &Rules,
    host: &Host,
    need: &Need,
    parts: &Parts,
    vm: &Vm<'_>,
    floor: &Floor,
) -> Option<(Decision, Term)> {
    let (actual, maximum) = (vm.now.actual?, vm.now.maximum?);
    let capacity = capacity(vm, floor);
    let share = |need: Bytes| parts.share(rules, need, vm.now.id, capacity);
    let unused = unused(rules, need.bytes, share(need.bytes), vm, maximum);
    let pays = if host.quiet { Bytes(0) } else { need.in_use };
    let by_level = host.level.pick(rules.steps);
    // No OOM kill threatens yet, so steps are small and their cost is seen before the next one.
    let most = if need.patient { rules.steps[0].share } else { by_level.share };
    let step = Step { share: most, ..by_level }.of(maximum, rules.least_step);
    let used = Offer { need: pays, share: share(pays), step };
    let is_unused = unused.bytes() >= used.bytes();
    let Offer { need: asked, share, step } = if is_unused { unused } else { used };
    let room = actual.saturating_sub(floor.bytes);
    // Up to a whole MiB, so that rounding doesn't go below the floor.
    let to = actual.saturating_sub(share.min(step).min(room));
    let to = Bytes(to.0.saturating_add((1 << 20) - 1) >> 20 << 20);
    let bytes = actual.saturating_sub(to);
    let term = Term::Share {
        share,
        need: asked,
        part: capacity,
        parts: parts.sum,
        step,
        room,
        gives: bytes,
    };
    if need.bytes.0 == 0 || whole_mib(bytes).0 == 0 {
        return None;
    }
    let rule = match (is_unused, need.forecast) {
        (true, _) => RuleId::Dead,
        (false, true) => RuleId::Forecast,
        (false, false) => RuleId::Pressure,
    };
    let reason = Reason::Short {
        host: host.standing(),
        need: asked,
        room,
        dead: dead(vm),
        soft: rules.soft,
        keeps: floor.bytes.saturating_add(rules.least_step),
    };
    let action = Action::Balloon { from: actual, to };
    Some((Decision { vm: vm.now.id, action, rule, reason }, term))
}
