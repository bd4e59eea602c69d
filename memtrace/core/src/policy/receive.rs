//! Who receives: a VM in distress at once, and all others slowly, when it is calm. What is
//! given is free already: relief comes from what is between the reserve and the calm line,
//! calm returns from what is above it, so that neither takes the other's. A VM that may
//! want some, because too little is known of it, keeps its part reserved.

use super::decision::{Action, Decision};
use super::gate::{allowed, balloon, ours, running};
use super::host::Host;
use super::reason::{Reason, RuleId};
use super::rules::{Rules, Safety, part};
use super::state::VmState;
use super::undo::Undone;
use super::vm::Vm;
use crate::model::OVERHEAD;
use crate::policy::distress::thrashes;
use crate::policy::tri_state::{share, whole_mib};
use crate::units::{Bytes, Nanos};

/// A guest in distress is brought to so much available, per cent.
const COMFORT: f64 = 25.0;

/// The budget: free memory above the reserve that is not promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    pub relief: Bytes,
    pub calm: Bytes,
}

impl Budget {
    pub fn of(rules: &Rules, host: &Host, promised: Bytes) -> Self {
        let reserve = if rules.has(Safety::Reserve) { rules.kept(host.total) } else { Bytes(0) };
        let free = if rules.has(Safety::Reserve) {
            host.available.saturating_sub(promised)
        } else {
            host.available
        };
        let line = part(host.total, rules.calm_above);
        Self {
            relief: free.min(line).saturating_sub(reserve),
            calm: free.saturating_sub(line.max(reserve)),
        }
    }
}

impl Budget {
    /// With so much for relief at least, which the host has to swap for.
    pub fn beyond(self, bytes: Bytes) -> Self {
        Self { relief: self.relief.max(bytes), ..self }
    }
}

/// What a VM wants.
#[derive(Clone, Debug, PartialEq)]
pub enum Demand {
    Wants(Bytes),
    /// Known not to.
    Not(Reason),
    /// It might.
    Unknown(Reason),
}

/// Memory that would end a VM's distress. The guest's own statistics suffice unless contradicted,
/// because relief takes nothing from others.
pub fn relief(rules: &Rules, vm: &Vm<'_>, duplicate: bool) -> Demand {
    if let Err(reason) = allowed(vm, duplicate) {
        return Demand::Not(reason);
    }
    let (Some(actual), Some(ceiling)) = (vm.now.actual, vm.ceiling()) else {
        return Demand::Unknown(Reason::SizeUnknown);
    };
    let space = whole_mib(ceiling.saturating_sub(actual));
    if space.0 == 0 {
        return Demand::Not(Reason::HasAll { ceiling });
    }
    for answer in [running(vm), balloon(vm), ours(vm)] {
        if let Err(reason) = answer {
            return Demand::Unknown(reason);
        }
    }
    let report = match &vm.report {
        Ok(report) if vm.now.cpu_time.is_some() => report,
        Ok(_) => return Demand::Unknown(Reason::CpuTimeUnknown),
        Err(reason) => return Demand::Unknown(reason.clone()),
    };
    // For a guest with little available this is enough evidence: rereads of files show in no
    // counter.
    let needs = vm.is_tight(rules) == Some(true);
    let thrashes = thrashes(rules, vm.now, Some(report), vm.is_kept_from(rules));
    if (needs, thrashes) == (false, Some(false)) {
        return Demand::Not(Reason::GuestHas { share: share(report.available, report.size) });
    }
    let has = report.available.saturating_add(report.grown);
    let short = part(report.size, COMFORT).saturating_sub(has);
    let more = rules.calm.of(ceiling, rules.least_step).saturating_sub(report.grown);
    let more = if vm.is_kept_from(rules) { vm.taken() } else { more };
    let wanted = |thrashes: bool| match (needs, thrashes) {
        (_, true) => short.max(more),
        (true, false) => short,
        (false, false) => Bytes(0),
    };
    let known = wanted(thrashes == Some(true));
    if known.0 > 0 {
        let most = rules.relief.of(ceiling, rules.least_step);
        return Demand::Wants(whole_mib(known.max(rules.least_step).min(most)).min(space));
    }
    // Unknown is not zero: otherwise other VMs would get its part.
    if wanted(thrashes != Some(false)).0 > 0 {
        return Demand::Unknown(Reason::MajorFaultsUnknown);
    }
    Demand::Not(Reason::HasReceived { grown: report.grown })
}

/// Distress that the host measures too, and that justifies taking from other VMs.
pub fn is_seen(rules: &Rules, vm: &Vm<'_>) -> bool {
    use crate::policy::tri_state::{bytes_per_second, percent, rate};
    let over = |value: Option<f64>, limit: f64| value.is_some_and(|value| value >= limit);
    over(bytes_per_second(vm.now.swap_in), rules.host_swap_in)
        || over(rate(vm.now.async_faults), rules.host_faults)
        || over(percent(vm.now.stalled), rules.host_stalled)
}

/// What a VM gets of the relief, when those who want or may want some weigh so much.
pub fn relieve(
    vm: &Vm<'_>,
    wanted: Bytes,
    budget: Bytes,
    weights: f64,
) -> Option<(Decision, Bytes)> {
    let share = (budget.0 as f64 * (weight(vm) / weights)) as u64;
    let reason = Reason::Relief { from: vm.suffering(), wanted, share: Bytes(share), free: budget };
    grow(vm, wanted.min(Bytes(share)).min(budget), reason)
}

/// Undoes a step that costs the VM more than it saves the host, even if the host has to swap for
/// it.
pub fn undo(vm: &Vm<'_>, wanted: Bytes, undone: &Undone) -> Option<(Decision, Bytes)> {
    let &Undone { step, costs, spares } = undone;
    grow(vm, wanted.min(step), Reason::Undone { from: vm.suffering(), step, costs, spares })
}

/// Gives back what was taken from a guest that is about to run out of memory, even if the host has
/// to swap for it: a wait on the host is worth less than a process that the guest's OOM killer
/// ends. A least step at a time; on working seeds 2 or 5 % of the guest's size have a tenth fewer
/// OOM kills, and 1 % more stall where hosts don't fit (docs/population.md).
pub fn rescue(rules: &Rules, vm: &Vm<'_>, wanted: Bytes) -> Option<(Decision, Bytes)> {
    let report = vm.report.as_ref().ok()?;
    let has = share(report.available, report.size);
    if has >= rules.guest_low || !vm.is_kept_from(rules) {
        return None;
    }
    let taken = vm.taken();
    let bytes = wanted.min(taken).min(rules.least_step);
    grow(vm, bytes, Reason::RunsOut { has, low: rules.guest_low, taken })
}

fn grow(vm: &Vm<'_>, bytes: Bytes, reason: Reason) -> Option<(Decision, Bytes)> {
    let actual = vm.now.actual?;
    let bytes = whole_mib(bytes);
    let to = actual.saturating_add(bytes);
    // What was ordered already needs no second order.
    let under_way = vm.memory.order.map_or(actual, |order| order.to);
    if bytes.0 == 0 || (under_way > actual && to.saturating_sub(under_way).0 < 16 << 20) {
        return None;
    }
    let action = Action::Balloon { from: actual, to };
    Some((Decision { vm: vm.now.id, action, rule: RuleId::Distress, reason }, bytes))
}

/// A VM's weight in what is free: more weight and higher priority get more.
pub fn weight(vm: &Vm<'_>) -> f64 {
    use crate::settings::Priority;
    let by_priority = match vm.rules.priority {
        Priority::Low => 0.25,
        Priority::Normal => 1.0,
        Priority::High => 4.0,
    };
    f64::from(vm.rules.weight.max(1)) * by_priority
}

/// A VM's part of `left` towards its former size. The second value is how much of `left` it uses up
/// at most, even where it is unknown whether it will.
pub fn give_back(
    rules: &Rules,
    vm: &Vm<'_>,
    duplicate: bool,
    left: Bytes,
    at: Nanos,
) -> (Option<Decision>, Bytes) {
    let within = |then: Option<Nanos>, pause: Nanos| {
        then.is_some_and(|then| at.saturating_sub(then) < pause)
    };
    let paused = within(vm.memory.grown, rules.calm_pause) || within(vm.memory.shrunk, rules.hold);
    let (Some(base), false, Ok(_)) = (vm.memory.base, paused, allowed(vm, duplicate)) else {
        return (None, Bytes(0));
    };
    let unknown = (None, rules.calm.most.max(rules.least_step));
    let (Some(actual), Some(ceiling)) = (vm.now.actual, vm.ceiling()) else { return unknown };
    let space = whole_mib(base.min(ceiling).saturating_sub(actual));
    if space.0 == 0 {
        return (None, Bytes(0));
    }
    let known = [running(vm), balloon(vm), ours(vm)].iter().all(Result::is_ok);
    if !known || vm.now.cpu_time.is_none() {
        return unknown;
    }
    let step = rules.calm.of(ceiling, rules.least_step).min(space);
    let bytes = whole_mib(step.min(left));
    if bytes < rules.least_step.min(space) {
        return (None, step);
    }
    let decision = Decision {
        vm: vm.now.id,
        action: Action::Balloon { from: actual, to: actual.saturating_add(bytes) },
        rule: RuleId::Calm,
        reason: Reason::Calm { free: left, before: base },
    };
    (Some(decision), step)
}

/// Memory promised to a VM and not used yet, by its RSS; at most what its RSS can still grow by.
pub fn promised(memory: &VmState, at: Nanos, rss: Option<Bytes>) -> Bytes {
    let open = memory.promises.open(at, rss);
    let open = open.fold(Bytes(0), |sum, (_, left)| sum.saturating_add(left));
    rss.and_then(|rss| space(memory, rss)).map_or(open, |space| open.min(space))
}

/// By so much its RSS can still grow, at the size that it has or is sent to. `None`: its size isn't
/// known.
fn space(memory: &VmState, rss: Bytes) -> Option<Bytes> {
    let &(_, actual) = memory.sizes.back()?;
    let size = memory.order.map_or(actual, |order| order.to.max(actual));
    // The VMM's own memory is in its RSS, too.
    let own = memory.beside.map_or(OVERHEAD, |beside| beside.max(OVERHEAD));
    Some(size.saturating_add(own).saturating_sub(rss))
}

/// A VM that uses little allows no conclusion about its ratio.
const MOST_LEARNT: f64 = 3.0;

/// How many times what it uses a VM in distress has, as far as it has filled it.
pub fn too_small(vm: &Vm<'_>) -> Option<f64> {
    let kept = vm.now.rss?.saturating_add(vm.now.swap?).min(vm.now.actual?);
    let used = vm.report.as_ref().ok()?.used.0.max(1);
    Some((kept.0 as f64 / used as f64).min(MOST_LEARNT))
}
