//! One step, from what was remembered and what is seen to what is done and remembered.

use std::collections::{BTreeMap, BTreeSet};

use super::costs::{Costs, beyond, has_room};
use super::decision::{Decision, Decisions};
use super::floor::{Floor, floor, room};
use super::gate::{gate, gates};
use super::give::{Parts, capacity, give};
use super::hook::{HookStep, Left};
use super::host::Host;
use super::need::{Need, need};
use super::observation::{Observation, VmObservation};
use super::reason::GateKind;
use super::receive::{self, Budget, Demand, promised};
use super::rules::{Rules, part};
use super::state::{Level, PolicyState, VmState};
use super::thought::Term;
use super::thought::{Gate, Thought};
use super::undo::{Undone, undone};
use super::vm::Vm;
use super::{escalation, reclaim_backoff};
use crate::policy::balloon_motion::{Motion, follow, motion, to_come};
use crate::policy::distress::killed;
use crate::policy::update::{StepOutcome, remember};
use crate::policy::what_if::{Outlook, of_host, otherwise};
use crate::sample::VmId;
use crate::units::{Bytes, Nanos};

/// One step. Pure: the same state and observation give the same decisions, in whatever
/// order the VMs are.
pub fn step(rules: &Rules, state: PolicyState, seen: &Observation) -> (PolicyState, Decisions) {
    let mut state = state;
    // A clock that stands or runs backwards tells nothing of what happened since.
    if state.at.is_some_and(|before| seen.at <= before) {
        return (state, Decisions::default());
    }
    let at = seen.at;
    let duplicates = duplicates(&seen.vms);
    let mut vms: Vec<&VmObservation> = seen.vms.iter().collect();
    vms.sort_by_key(|vm| vm.id);
    vms.dedup_by_key(|vm| vm.id);
    for vm in &vms {
        let memory = state.vms.entry(vm.id).or_default();
        follow(rules, memory, at, vm);
        reclaim_backoff::follow(rules, memory, state.at, at, vm);
    }
    let host = Host::of(rules, &state, at, &seen.scope);
    let outcome = {
        let default = VmState::default();
        let views =
            vms.iter().map(|vm| Vm::of(rules, state.vms.get(&vm.id).unwrap_or(&default), at, vm));
        Round { rules, state: &state, at, host: host.as_ref(), duplicates: &duplicates, seen }
            .run(&views.collect::<Vec<_>>())
    };
    let decisions = outcome.decisions.clone();
    remember(rules, &mut state, seen, host.as_ref(), outcome);
    (state, decisions)
}

/// Identities that more than one VM has.
pub(super) fn duplicates(vms: &[VmObservation]) -> BTreeSet<VmId> {
    let mut once = BTreeSet::new();
    vms.iter().map(|vm| vm.id).filter(|id| !once.insert(*id)).collect()
}

struct Round<'a> {
    rules: &'a Rules,
    state: &'a PolicyState,
    at: Nanos,
    host: Option<&'a Host>,
    duplicates: &'a BTreeSet<VmId>,
    seen: &'a Observation,
}

/// What was found of VMs.
#[derive(Default)]
struct Weighed {
    outcome: StepOutcome,
    /// VMs whose gates are all open.
    givers: BTreeMap<VmId, Floor>,
    left: Left,
}

/// What VMs in distress may be given of.
struct Means<'a> {
    /// Free memory.
    budget: Bytes,
    undone: &'a BTreeMap<VmId, Undone>,
    /// The host's swap has room for more.
    has_room: bool,
}

impl Round<'_> {
    fn run(&self, vms: &[Vm<'_>]) -> StepOutcome {
        let mut weighed = Weighed::default();
        let mut thoughts: BTreeMap<VmId, Thought> = BTreeMap::new();
        let level = self.host.map_or(Level::Calm, |host| host.level);
        for vm in vms {
            let gates = self.weigh(vm, level, &mut weighed);
            let id = vm.now.id;
            thoughts.insert(id, Thought { vm: Some(id), gates, ..Thought::default() });
        }
        let Weighed { mut outcome, givers, left } = weighed;
        let mut scope = Thought {
            gates: escalation::steps(self.rules, self.state, self.at, self.host),
            ..Thought::default()
        };
        if let Some(host) = self.host {
            outcome.decisions.state = Some(host.level);
            outcome.decisions.ahead = host.ahead(self.rules);
            outcome.decisions.reclaimable = Some(left.balloons);
            scope.otherwise = of_host(self.rules, host);
            scope.arithmetic.extend(host.terms(self.rules, &self.seen.scope));
            let need = self.need(vms, host);
            scope.arithmetic.push(need.term.clone());
            outcome.need = need.bytes;
            self.shrink(vms, host, &need, &givers, &mut outcome, &mut thoughts);
            self.grow(vms, host, &mut outcome, &mut scope, &mut thoughts);
            if scope.gate(GateKind::Reclaim) == Some(true) {
                let each = Bytes(need.bytes.0 / vms.len().max(1) as u64);
                let decide = |vm: &Vm<'_>| {
                    escalation::win_back(self.rules, vm, self.duplicates.contains(&vm.now.id), each)
                };
                outcome.decisions.actions.extend(vms.iter().filter_map(decide));
            }
            self.look_ahead(vms, host, &need, &outcome, &mut thoughts);
            let hook = HookStep::of(self.rules, self.state, self.at, host, (need.bytes, left), vms);
            scope.gates.push(hook.gate);
            scope.arithmetic.extend(hook.term);
            (outcome.short, outcome.decisions.hook) = (hook.short, hook.call);
        } else {
            scope.gates.push(HookStep::unknown());
            scope.arithmetic.push(Term::ScopeUnknown);
        }
        outcome.decisions.actions.sort_by_key(|decision| decision.vm);
        outcome.decisions.thoughts = [scope].into_iter().chain(thoughts.into_values()).collect();
        outcome
    }

    /// What a VM could give, and what it suffers. Returns its gates.
    fn weigh(&self, vm: &Vm<'_>, level: Level, to: &mut Weighed) -> Vec<Gate> {
        let id = vm.now.id;
        let floor = floor(self.rules, self.host, vm);
        let gates = gates(self.rules, level, vm, floor.as_ref(), self.duplicates.contains(&id));
        // Its part next time doesn't depend on whether it has cooled down by then. Of a
        // stuck balloon others take the part.
        let motion = motion(self.rules, vm.memory, self.at, vm.now.actual);
        let stuck = matches!(motion, Motion::Stuck(..));
        if matches!(motion, Motion::Stuck(since, _) if since >= self.rules.flagged) {
            to.outcome.decisions.flagged.push(id);
        }
        let willing = |gate: &Gate| match gate.kind {
            GateKind::CooledDown => true,
            GateKind::Moving => !stuck,
            _ => gate.open,
        };
        let willing = gates.iter().all(willing);
        let above = floor.as_ref().filter(|_| willing).map_or(Bytes(0), |floor| room(vm, floor));
        to.left.add(self.rules, vm, self.duplicates.contains(&id), above);
        if let Some(floor) = floor {
            let part = if willing { capacity(vm, &floor) } else { 0.0 };
            to.outcome.capacities.insert(id, part);
            if gates.iter().all(|gate| gate.open) {
                to.givers.insert(id, floor);
            }
        }
        if let Ok(report) = &vm.report {
            to.outcome.used.insert(id, (report.used.saturating_sub(report.grown), report.said));
        }
        if vm.guest_in_distress == Some(true) {
            to.outcome.hurt.insert(id);
            let size = vm.now.actual.filter(|_| vm.is_kept_from(self.rules));
            to.outcome.too_small.extend(size.map(|size| (id, size)));
        }
        if killed(vm.now, vm.report.as_ref().ok()) {
            to.outcome.learnt.extend(receive::too_small(vm).map(|share| (id, share)));
        }
        gates
    }

    /// Says what it would take to decide otherwise.
    fn look_ahead(
        &self,
        vms: &[Vm<'_>],
        host: &Host,
        need: &Need,
        outcome: &StepOutcome,
        thoughts: &mut BTreeMap<VmId, Thought>,
    ) {
        let mut decided: BTreeMap<VmId, Vec<&Decision>> = BTreeMap::new();
        for decision in &outcome.decisions.actions {
            decided.entry(decision.vm).or_default().push(decision);
        }
        for vm in vms {
            let Some(thought) = thoughts.get_mut(&vm.now.id) else { continue };
            let demand = receive::relief(self.rules, vm, self.duplicates.contains(&vm.now.id));
            let decisions = decided.get(&vm.now.id).map_or(&[][..], Vec::as_slice);
            let gates = &thought.gates;
            let outlook = Outlook { host, need, gates, demand: &demand, decisions };
            thought.otherwise = otherwise(self.rules, vm, &outlook);
            let rests = reclaim_backoff::rests(vm.memory, self.at).map(Err);
            thought.gates.extend(rests.map(|why| gate(GateKind::ColdPages, why)));
        }
    }

    fn need(&self, vms: &[Vm<'_>], host: &Host) -> Need {
        let coming = vms.iter().fold(Bytes(0), |sum, vm| {
            sum.saturating_add(to_come(self.rules, vm.memory, self.at, vm.now.actual))
        });
        need(self.rules, self.state, host, coming, self.seen)
    }

    fn shrink(
        &self,
        vms: &[Vm<'_>],
        host: &Host,
        need: &Need,
        givers: &BTreeMap<VmId, Floor>,
        outcome: &mut StepOutcome,
        thoughts: &mut BTreeMap<VmId, Thought>,
    ) {
        if !self.rules.inflate {
            return;
        }
        let present: Vec<VmId> = vms.iter().map(|vm| vm.now.id).collect();
        let parts = Parts::of(self.rules, self.state, self.at, &present);
        for vm in vms {
            let Some(floor) = givers.get(&vm.now.id) else { continue };
            if let Some((decision, term)) = give(self.rules, host, need, &parts, vm, floor) {
                outcome.decisions.actions.push(decision);
                if let Some(thought) = thoughts.get_mut(&vm.now.id) {
                    thought.arithmetic.push(term);
                }
            }
        }
    }

    fn grow(
        &self,
        vms: &[Vm<'_>],
        host: &Host,
        outcome: &mut StepOutcome,
        scope: &mut Thought,
        thoughts: &mut BTreeMap<VmId, Thought>,
    ) {
        let promised = vms
            .iter()
            .fold(Bytes(0), |sum, vm| sum.saturating_add(promised(vm.memory, self.at, vm.now.rss)));
        let demands = self.demands(vms);
        let costs = Costs::of(self.rules, &demands);
        scope.arithmetic.push(Term::Costs {
            host: costs.map(|costs| costs.host),
            guests: costs.map(|costs| costs.guests),
            swap_wait: self.state.swap_wait,
        });
        let beyond = beyond(self.state, self.at, host, &self.seen.scope, costs);
        let budget = Budget::of(self.rules, host, promised).beyond(beyond);
        scope.arithmetic.push(Term::Budget {
            relief: budget.relief,
            calm: budget.calm,
            kept: self.rules.kept(host.total),
            promised,
            beyond,
        });
        let room = has_room(host, &self.seen.scope) == Some(true);
        let undone = undone(self.rules, self.at, room, costs, &demands);
        let means = Means { budget: budget.relief, undone: &undone, has_room: room };
        let mut grown = self.relieve(&demands, host, &means, outcome, thoughts);
        if host.quiet && host.at_ease {
            for decision in self.give_back(vms, budget.calm) {
                let more = decision.size() > grown.get(&decision.vm).map_or(0, Decision::size);
                if more {
                    grown.insert(decision.vm, decision);
                }
            }
        }
        outcome.decisions.actions.extend(grown.into_values());
    }

    fn demands<'v>(&self, vms: &'v [Vm<'v>]) -> Vec<(&'v Vm<'v>, Demand)> {
        let duplicate = |vm: &Vm<'_>| self.duplicates.contains(&vm.now.id);
        vms.iter().map(|vm| (vm, receive::relief(self.rules, vm, duplicate(vm)))).collect()
    }

    fn relieve(
        &self,
        demands: &[(&Vm<'_>, Demand)],
        host: &Host,
        &Means { budget, undone, has_room }: &Means<'_>,
        outcome: &mut StepOutcome,
        thoughts: &mut BTreeMap<VmId, Thought>,
    ) -> BTreeMap<VmId, Decision> {
        let may = |demand: &Demand| !matches!(demand, Demand::Not(_));
        let weights: f64 = demands
            .iter()
            .filter(|(_, demand)| may(demand))
            .map(|(vm, _)| receive::weight(vm))
            .sum();
        let mut grown = BTreeMap::new();
        for (vm, demand) in demands {
            let term = match demand {
                Demand::Wants(wanted) => {
                    outcome.learnt.extend(receive::too_small(vm).map(|share| (vm.now.id, share)));
                    let relief = receive::relieve(vm, *wanted, budget, weights);
                    let undone = undone.get(&vm.now.id);
                    let undone = undone.and_then(|undone| receive::undo(vm, *wanted, undone));
                    let rescue = receive::rescue(self.rules, vm, *wanted).filter(|_| has_room);
                    let relief = relief.into_iter().chain(undone).chain(rescue);
                    let relief = relief.max_by_key(|(_, bytes)| *bytes);
                    let given = relief.as_ref().map_or(Bytes(0), |(_, bytes)| *bytes);
                    outcome.waiting |= given < *wanted;
                    if receive::is_seen(self.rules, vm) {
                        outcome.owed = outcome.owed.saturating_add(wanted.saturating_sub(given));
                    }
                    if let Some((decision, _)) = relief {
                        grown.insert(vm.now.id, decision);
                    }
                    Term::Wants { wanted: *wanted, given }
                }
                Demand::Not(reason) => Term::WantsNothing { reason: reason.clone() },
                Demand::Unknown(reason) => Term::MayWant { reason: reason.clone() },
            };
            if let Some(thought) = thoughts.get_mut(&vm.now.id) {
                thought.arithmetic.push(term);
            }
        }
        outcome.owed = outcome.owed.min(part(host.total, 10.0));
        grown
    }

    /// Who waited longest comes first.
    fn give_back(&self, vms: &[Vm<'_>], budget: Bytes) -> Vec<Decision> {
        let mut order: Vec<&Vm<'_>> = vms.iter().collect();
        order.sort_by_key(|vm| (vm.memory.grown, vm.now.id));
        let mut left = budget;
        let mut decisions = Vec::new();
        for vm in order {
            let duplicate = self.duplicates.contains(&vm.now.id);
            let (decision, used) = receive::give_back(self.rules, vm, duplicate, left, self.at);
            decisions.extend(decision);
            left = left.saturating_sub(used);
        }
        decisions
    }
}
