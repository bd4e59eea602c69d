//! What a step leaves in the state for the next one.

use std::collections::{BTreeMap, BTreeSet};

use super::decision::{Action, Decisions};
use super::host::Host;
use super::need::hold;
use super::observation::Observation;
use super::receive;
use super::rules::{Rules, part};
use super::state::{Level, State};
use super::track::ordered;
use crate::sample::VmId;
use crate::units::Bytes;

/// What came out of a step.
#[derive(Default)]
pub struct Outcome {
    pub decisions: Decisions,
    /// By VM, its part in giving from now on.
    pub capacities: BTreeMap<VmId, f64>,
    pub hurt: BTreeSet<VmId>,
    /// VMs that were too small, and at which size.
    pub learnt: BTreeMap<VmId, Bytes>,
    pub owed: Bytes,
    pub need: Bytes,
}

pub fn remember(
    rules: &Rules,
    state: &mut State,
    seen: &Observation,
    host: Option<&Host>,
    outcome: Outcome,
) {
    let at = seen.at;
    for (id, memory) in &mut state.vms {
        memory.capacity = outcome.capacities.get(id).copied().unwrap_or(0.0);
        if outcome.hurt.contains(id) {
            memory.hurt = Some(at);
        }
        if let Some(size) = outcome.learnt.get(id) {
            let learnt = size.saturating_add(part(*size, rules.learnt_margin));
            memory.learnt = Some((learnt, at));
        }
    }
    for decision in &outcome.decisions.actions {
        let Some(memory) = state.vms.get_mut(&decision.vm) else { continue };
        let rss = seen.vms.iter().find(|vm| vm.id == decision.vm).and_then(|vm| vm.rss);
        match decision.action {
            Action::Balloon { from, to } => {
                ordered(memory, at, from, to);
                if to > from {
                    receive::promise(memory, at, rss, to.saturating_sub(from));
                }
            }
            Action::Reclaim { .. } => memory.reclaimed = Some(at),
        }
    }
    if let Some(host) = host {
        let capacity: f64 = outcome.capacities.values().sum();
        state.held = hold(rules, state, at, host, capacity > 0.0);
        state.level = host.level;
        let calm = host.level == Level::Calm && outcome.need.0 == 0 && outcome.owed.0 == 0;
        state.quiet_since = calm.then(|| state.quiet_since.unwrap_or(at));
        let unmet = outcome.need.0 > 0 && capacity <= 0.0;
        state.unmet_since = unmet.then(|| state.unmet_since.unwrap_or(at));
    } else {
        state.quiet_since = None;
        state.unmet_since = None;
    }
    state.owed = outcome.owed;
    state.at = Some(at);
    state.look(at, host.map(|host| host.available));
    state.forget(at);
}
