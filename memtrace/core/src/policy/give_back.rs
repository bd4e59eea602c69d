//! The end of a run with `give_back`: memory that memtrace took is returned, as far as it is free.
//! Nothing supervises the host afterwards, so only memory above the calm line is used, less what is
//! promised, as for slow returns. The pause between these and their step size don't apply.

use super::decision::{Action, Decision, Decisions};
use super::gate::{allowed, balloon, ours};
use super::host::Host;
use super::observation::{Observation, VmObservation};
use super::reason::{Reason, RuleId};
use super::receive::{Budget, promised};
use super::rules::Rules;
use super::state::{PolicyState, VmState};
use super::step::duplicates;
use super::taken::Taken;
use super::vm::Vm;
use crate::policy::balloon_motion::{Motion, SAME, follow, motion};
use crate::policy::tri_state::whole_mib;
use crate::policy::update::{StepOutcome, remember};
use crate::sample::VmId;
use crate::units::{Bytes, Nanos};

/// A part of what a VM is short of that is smaller isn't worth a command.
const LEAST: u64 = 16 << 20;

/// A step of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AtExit {
    pub decisions: Decisions,
    /// Who is still short.
    pub short: Vec<Short>,
}

/// A VM that has not got back everything yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Short {
    pub vm: VmId,
    /// So much is missing. `None`: not known.
    pub bytes: Option<Bytes>,
    pub reason: Reason,
    /// It is worth waiting for.
    pub waits: bool,
}

/// Why a VM does not have its former size yet.
enum Return {
    /// So much could go back, from this size.
    Wants { missing: Bytes, actual: Bytes },
    Short {
        bytes: Option<Bytes>,
        reason: Reason,
        waits: bool,
        /// The most that it may still want, where its state is unknown; other VMs don't get that
        /// part.
        may: Bytes,
    },
}

/// One step. Pure. `taken`: what is to go back.
pub fn at_exit(
    rules: &Rules,
    state: PolicyState,
    seen: &Observation,
    taken: &[Taken],
) -> (PolicyState, AtExit) {
    let mut state = state;
    if state.at.is_some_and(|before| seen.at <= before) {
        return (state, AtExit::default());
    }
    let at = seen.at;
    let duplicates = duplicates(&seen.vms);
    for vm in &seen.vms {
        follow(rules, state.vms.entry(vm.id).or_default(), at, vm);
    }
    let host = Host::of(rules, &state, at, &seen.scope);
    let mut given_back = AtExit::default();
    let mut wants = Vec::new();
    let mut sum = 0.0;
    for taken in taken {
        let found = seen.vms.iter().find(|vm| vm.id == taken.vm);
        let default = VmState::default();
        let memory = state.vms.get(&taken.vm).unwrap_or(&default);
        match standing(rules, memory, at, found, taken, duplicates.contains(&taken.vm)) {
            None => {}
            Some(Return::Wants { missing, actual }) => {
                sum += missing.0 as f64;
                wants.push((taken, missing, actual));
            }
            Some(Return::Short { bytes, reason, waits, may }) => {
                sum += may.0 as f64;
                given_back.short.push(Short { vm: taken.vm, bytes, reason, waits });
            }
        }
    }
    let budget = host.as_ref().map_or(Bytes(0), |host| budget(rules, &state, seen, host));
    for (taken, missing, actual) in wants {
        let share = Bytes((budget.0 as f64 * (missing.0 as f64 / sum)) as u64);
        let to = match share {
            share if share >= missing => Some(actual.saturating_add(missing)),
            share if share.0 >= LEAST => Some(actual.saturating_add(whole_mib(share))),
            _ => None,
        };
        let reason = if let Some(to) = to {
            given_back.decisions.actions.push(decision(taken, actual, to, budget));
            Reason::OnItsWay
        } else if host.is_none() {
            Reason::FreeUnknown
        } else {
            Reason::NotFree
        };
        given_back.short.push(Short { vm: taken.vm, bytes: Some(missing), reason, waits: true });
    }
    given_back.decisions.state = host.as_ref().map(|host| host.level);
    given_back.short.sort_by_key(|short| short.vm);
    let outcome = StepOutcome { decisions: given_back.decisions.clone(), ..StepOutcome::default() };
    remember(rules, &mut state, seen, host.as_ref(), outcome);
    (state, given_back)
}

fn budget(rules: &Rules, state: &PolicyState, seen: &Observation, host: &Host) -> Bytes {
    let promised = seen.vms.iter().fold(Bytes(0), |sum, vm| {
        let memory = state.vms.get(&vm.id);
        sum.saturating_add(memory.map_or(Bytes(0), |memory| promised(memory, seen.at, vm.rss)))
    });
    Budget::of(rules, host, promised).calm
}

/// `None`: it has everything.
fn standing(
    rules: &Rules,
    memory: &VmState,
    at: Nanos,
    now: Option<&VmObservation>,
    taken: &Taken,
    duplicate: bool,
) -> Option<Return> {
    let none = Bytes(0);
    let short =
        |bytes, reason: Reason, waits, may| Some(Return::Short { bytes, reason, waits, may });
    let Some(now) = now else { return short(None, Reason::Gone, false, none) };
    let vm = Vm::of(rules, memory, at, now);
    let (Some(actual), Some(ceiling)) = (now.actual, vm.ceiling()) else {
        let waits = now.no_balloon.is_none();
        let reason = now.no_balloon.clone().unwrap_or(Reason::SizeUnknown);
        let may = if allowed(&vm, duplicate).is_ok() { taken.before } else { none };
        return short(None, reason, waits, may);
    };
    let missing = taken.before.min(ceiling).saturating_sub(actual);
    if missing.0 <= SAME {
        return None;
    }
    let closed = [allowed(&vm, duplicate), balloon(&vm)].into_iter().find_map(Result::err);
    if let Some(reason) = closed {
        return short(Some(missing), reason, false, none);
    }
    // The VM restarted or is booting, or its own driver moved the balloon: earlier orders no longer
    // apply.
    let may = if now.cpu_time.is_none() || now.vcpus.is_none() { missing } else { none };
    if let Err(reason) = ours(&vm) {
        return short(Some(missing), reason, false, may);
    }
    match now.state {
        Some(crate::sample::VmState::Running) => {}
        Some(state) => return short(Some(missing), Reason::NotRunning { state }, false, may),
        None => return short(Some(missing), Reason::StateUnknown, true, missing),
    }
    let grows = memory.order.is_some_and(|order| order.to > actual);
    match motion(rules, memory, at, now.actual) {
        Motion::Moving(_) if grows => short(Some(missing), Reason::OnItsWay, true, may),
        Motion::Stuck(since, left) if grows => {
            let flagged = since >= rules.flagged;
            short(Some(missing), Reason::Stuck { since, left, flagged }, false, may)
        }
        _ => Some(Return::Wants { missing, actual }),
    }
}

fn decision(taken: &Taken, actual: Bytes, to: Bytes, budget: Bytes) -> Decision {
    Decision {
        vm: taken.vm,
        action: Action::Balloon { from: actual, to },
        rule: RuleId::AtExit,
        reason: Reason::Ending { free: budget, before: taken.before },
    }
}
