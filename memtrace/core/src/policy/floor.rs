//! How far down a VM may go.

use super::host::Host;
use super::reason::FloorTerms;
use super::rules::{Rules, Safety, part};
use super::state::{Level, VmState};
use super::vm::Vm;
use crate::units::{Bytes, Nanos};

/// A guest with this multiple of its used memory is still without distress.
const BARELY: f64 = 1.1;
/// Number of halvings of a burst's reserve within [`Rules::burst_lasts`] on an exhausted host: once
/// a minute.
const EXHAUSTED_HALVES: f64 = 10.0;

/// How far down a VM may go, and from what that follows.
#[derive(Clone, Debug, PartialEq)]
pub struct Floor {
    pub bytes: Bytes,
    pub terms: FloorTerms,
}

/// `None`: not known.
pub fn floor(rules: &Rules, host: Option<&Host>, vm: &Vm<'_>) -> Option<Floor> {
    let (maximum, ceiling) = (vm.now.maximum?, vm.ceiling()?);
    let report = vm.report.as_ref().ok()?;
    let level = host.map_or(Level::Calm, |host| host.level);
    let by_level = level.pick(rules.floor_shares);
    let least = vm.rules.minimum.unwrap_or_else(|| rules.floor_least.max(part(maximum, by_level)));
    let used = times(report.used.saturating_add(report.touched), rules.floor_used);
    let used = if rules.has(Safety::Floor) { used } else { Bytes(0) };
    let learnt = learnt(rules, vm.memory, vm.at, report.used).unwrap_or(Bytes(0));
    let burst = burst(rules, host, vm.memory, vm.at);
    let small =
        if rules.has(Safety::Learnt) { vm.memory.was_too_small(rules, vm.at) } else { Bytes(0) };
    let learnt = learnt.max(part(small, 100.0 + rules.too_small_margin));
    // The largest of all lower bounds, at most what the VM may have.
    let bytes = least.max(used).max(learnt).max(burst).min(ceiling);
    let in_use = report.used.saturating_add(report.touched);
    let terms = FloorTerms {
        floor: bytes,
        bounds: least,
        used: in_use,
        factor: rules.floor_used,
        burst,
        learnt,
    };
    Some(Floor { bytes, terms })
}

/// Memory above the floor that ballooning would free.
pub fn room(vm: &Vm<'_>, floor: &Floor) -> Bytes {
    let (Some(actual), Ok(report)) = (vm.now.actual, &vm.report) else { return Bytes(0) };
    // Memory that the host doesn't keep resident frees nothing; swapped pages would even be read
    // before the guest gives them up.
    let kept = vm.now.rss.unwrap_or(Bytes(0));
    let used = report.used.saturating_add(report.touched).saturating_add(vm.vmm());
    actual.saturating_sub(floor.bytes).min(kept.saturating_sub(used))
}

/// Memory reserved for a repeated burst: only what it used then, if the host is low. It shrinks the
/// longer no burst repeats, and within minutes on an exhausted host.
fn burst(rules: &Rules, host: Option<&Host>, memory: &VmState, at: Nanos) -> Bytes {
    let Some((used, then)) = memory.burst.filter(|_| rules.has(Safety::Burst)) else {
        return Bytes(0);
    };
    let is_low = host.is_some_and(|host| host.level == Level::Low);
    let share = if is_low { BARELY } else { rules.floor_used };
    let since = at.saturating_sub(then).seconds() / rules.burst_lasts.seconds().max(1.0);
    let kept = if host.is_some_and(|host| host.exhausted) {
        (-since * EXHAUSTED_HALVES).exp2()
    } else {
        2.0 * (1.0 - since)
    };
    times(used, share * kept.clamp(0.0, 1.0))
}

/// What was learnt decays to what holds anyway.
fn learnt(rules: &Rules, memory: &VmState, at: Nanos, used: Bytes) -> Option<Bytes> {
    let (share, then) = memory.learnt.filter(|_| rules.has(Safety::Learnt))?;
    let half_lives = at.saturating_sub(then).seconds() / rules.learnt_half_life.seconds().max(1.0);
    let above = (share - rules.floor_used).max(0.0) * (-half_lives).exp2();
    Some(times(used, rules.floor_used + above))
}

fn times(bytes: Bytes, share: f64) -> Bytes {
    Bytes((bytes.0 as f64 * share) as u64)
}
