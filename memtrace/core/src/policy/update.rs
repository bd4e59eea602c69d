//! What a step leaves in the state for the next one.

use std::collections::{BTreeMap, BTreeSet};

use super::costs;
use super::decision::{Action, Decisions};
use super::host::Host;
use super::need::hold;
use super::observation::Observation;
use super::reason::RuleId;
use super::rules::{Rules, part};
use super::state::{PolicyState, VmState};
use crate::policy::balloon_motion::ordered;
use crate::policy::reclaim_backoff;
use crate::sample::VmId;
use crate::units::{Bytes, Nanos};

/// Of a small VM's maximum, per cent, that counts as a burst.
const BURST_SHARE: f64 = 10.0;

/// What came out of a step.
#[derive(Default)]
pub struct StepOutcome {
    pub decisions: Decisions,
    /// By VM, its part in giving from now on.
    pub capacities: BTreeMap<VmId, f64>,
    pub hurt: BTreeSet<VmId>,
    /// Sizes of those that suffer while memtrace keeps memory from them.
    pub too_small: BTreeMap<VmId, Bytes>,
    /// What guests use, as far as they can be believed.
    pub used: BTreeMap<VmId, (Bytes, Nanos)>,
    /// VMs that were too small, and how many times what they use they had.
    pub learnt: BTreeMap<VmId, f64>,
    pub owed: Bytes,
    pub waiting: bool,
    pub need: Bytes,
    /// What balloons and cold pages can still give is less than what is needed.
    pub short: bool,
}

pub fn remember(
    rules: &Rules,
    state: &mut PolicyState,
    seen: &Observation,
    host: Option<&Host>,
    outcome: StepOutcome,
) {
    let at = seen.at;
    remember_vms(rules, state, seen, &outcome);
    remember_orders(state, seen, &outcome);
    remember_host(rules, state, at, host, &outcome);
    remember_swap(rules, state, seen);
    if outcome.decisions.hook.is_some() {
        state.told = Some(at);
    }
    state.owed = outcome.owed;
    state.waiting = outcome.waiting;
    state.at = Some(at);
    state.look(at, host.map(|host| host.available));
    state.forget(at);
}

/// How long a page of swap takes. One of another size is, or has beside it, another device.
fn remember_swap(rules: &Rules, state: &mut PolicyState, seen: &Observation) {
    let total = seen.scope.swap_total;
    let has_changed = state.swap_total.zip(total).is_some_and(|(before, now)| before != now);
    let before = state.swap_wait.filter(|_| !has_changed);
    state.swap_total = total.or(state.swap_total);
    state.swap_wait = costs::follow(rules, before, seen);
}

/// What each VM showed.
fn remember_vms(rules: &Rules, state: &mut PolicyState, seen: &Observation, outcome: &StepOutcome) {
    let at = seen.at;
    let maxima: BTreeMap<VmId, Bytes> =
        seen.vms.iter().filter_map(|vm| Some((vm.id, vm.maximum?))).collect();
    for (id, memory) in &mut state.vms {
        memory.capacity = outcome.capacities.get(id).copied().unwrap_or(0.0);
        if outcome.hurt.contains(id) {
            memory.hurt = Some(at);
        }
        if let Some(&size) = outcome.too_small.get(id) {
            memory.too_small = Some((memory.was_too_small(rules, at).max(size), at));
        }
        if let Some(&(used, said)) = outcome.used.get(id) {
            let burst = maxima
                .get(id)
                .map_or(rules.burst, |maximum| rules.burst.min(part(*maximum, BURST_SHARE)));
            remember_use(rules, memory, (used, burst), said);
        }
        if let Some(share) = outcome.learnt.get(id) {
            memory.learnt = Some((share * (1.0 + rules.learnt_margin / 100.0), at));
        }
    }
}

/// What was decided for VMs.
fn remember_orders(state: &mut PolicyState, seen: &Observation, outcome: &StepOutcome) {
    let at = seen.at;
    for decision in &outcome.decisions.actions {
        let Some(memory) = state.vms.get_mut(&decision.vm) else { continue };
        let rss = seen.vms.iter().find(|vm| vm.id == decision.vm).and_then(|vm| vm.rss);
        match decision.action {
            Action::Balloon { from, to } => {
                ordered(memory, at, from, to);
                memory.step = step(memory.step, at, decision.rule, (from, to));
                if to > from {
                    memory.given = Some(at);
                    memory.promises.add(at, rss, to.saturating_sub(from));
                }
            }
            Action::Reclaim { bytes } => {
                memory.reclaimed = Some(at);
                reclaim_backoff::taken(memory, at, bytes);
            }
        }
    }
}

/// For how long the host has been as it is.
fn remember_host(
    rules: &Rules,
    state: &mut PolicyState,
    at: Nanos,
    host: Option<&Host>,
    outcome: &StepOutcome,
) {
    if let Some(host) = host {
        let capacity: f64 = outcome.capacities.values().sum();
        state.held = hold(rules, state, at, host, capacity > 0.0);
        state.level = host.level;
        let calm = host.at_ease && host.share >= rules.calm_above && outcome.owed.0 == 0;
        state.quiet_since = calm.then(|| state.quiet_since.unwrap_or(at));
        let unmet = outcome.need.0 > 0 && capacity <= 0.0;
        state.unmet_since = unmet.then(|| state.unmet_since.unwrap_or(at));
        state.short_since = outcome.short.then(|| state.short_since.unwrap_or(at));
        let exhausted = host.is_exhausted(rules);
        state.exhausted_since = exhausted.then(|| state.exhausted_since.unwrap_or(at));
    } else {
        state.quiet_since = None;
        state.unmet_since = None;
        state.short_since = None;
        state.exhausted_since = None;
    }
}

/// The last step that took what the guest uses, after an order.
fn step(
    before: Option<(Nanos, Bytes)>,
    at: Nanos,
    rule: RuleId,
    (from, to): (Bytes, Bytes),
) -> Option<(Nanos, Bytes)> {
    let takes = matches!(rule, RuleId::Pressure | RuleId::Forecast);
    if takes && to < from {
        return Some((at, from.saturating_sub(to)));
    }
    before.map(|(then, left)| (then, left.saturating_sub(to.saturating_sub(from))))
}

/// Remembers a rise faster than relief, which a balloon can't follow.
fn remember_use(rules: &Rules, memory: &mut VmState, (used, least): (Bytes, Bytes), said: Nanos) {
    let Some((before, then)) = memory.used.filter(|(_, then)| *then < said) else {
        memory.used = memory.used.or(Some((used, said)));
        return;
    };
    let sudden = said.saturating_sub(then) <= rules.stale && used.saturating_sub(before) >= least;
    let lasts = memory.burst.is_some_and(|(burst, _)| used >= part(burst, 90.0));
    let held = memory.burst.filter(|(_, then)| said.saturating_sub(*then) < rules.burst_lasts);
    memory.burst = match held {
        Some((burst, _)) if sudden || lasts => Some((burst.max(used), said)),
        None if sudden => Some((used, said)),
        held => held,
    };
    memory.used = Some((used, said));
}
