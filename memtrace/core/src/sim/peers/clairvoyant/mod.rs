//! A bound, not a policy: what balloons can achieve with knowledge of the next minute.
//!
//! It keeps a copy of the host, in step with the host that it acts on. Every 10 s it runs further
//! copies a minute ahead, one under each of a few plans, and takes the plan under which guests wait
//! least and do most. Balloons have the same speed, bounds and faults as for all others. It isn't
//! the optimum, because the plans are few, but it could always choose to do nothing.

mod plan;

use anyhow::Result;
use plan::Plans;

use crate::order::{Actuator as _, Order};
use crate::policy::{Action, Decision, Decisions, Observation, Policy, Reason, RuleId};
use crate::sim::host::{Host, Vm};
use crate::sim::scenario::Scenario;
use crate::sim::size::{MIB_PAGES, bytes};

/// Seconds that are known ahead.
const AHEAD: u64 = 60;
/// Seconds to the next look: if some VM waits within the next minute, and if none does.
const NEXT: u64 = 10;
const NEXT_CALM: u64 = 30;
/// A minute with a lower cost is calm: programs that allocate always lag a moment behind their
/// demand.
const CALM: f64 = 0.5;
/// Share of the host that is kept free of unneeded memory, in per cent.
const SPARE: u64 = 10;
/// A plan has to beat the one that changes nothing by this much.
const BETTER: f64 = 0.99;
/// Seconds that an OOM kill in a guest costs, a refused allocation and a killed VM: about what
/// lies behind the minute.
const OOM: f64 = 60.0;
const REFUSED: f64 = 30.0;
const KILLED: f64 = 3600.0;
/// Smaller moves are none.
const LEAST: u64 = 4 * MIB_PAGES;

pub struct Clairvoyant {
    twin: Host,
    next: u64,
}

impl Clairvoyant {
    /// # Errors
    /// When the scenario can't begin.
    pub fn new(scenario: &Scenario) -> Result<Self> {
        let mut twin = Host::new(scenario)?;
        twin.totals.flows = None;
        Ok(Self { twin, next: 0 })
    }
}

impl Policy for Clairvoyant {
    fn name(&self) -> &'static str {
        "clairvoyant"
    }

    fn step(&mut self, _observation: &Observation) -> Decisions {
        self.twin.pass();
        if self.twin.second < self.next {
            return Decisions::default();
        }
        let (targets, wait) = choose(&self.twin);
        self.next = self.twin.second + wait;
        let actions = orders(&self.twin, &targets);
        act(&mut self.twin, &actions);
        Decisions { actions, ..Decisions::default() }
    }
}

/// Where balloons should be (`None`: as they are), and in how many seconds to look again.
fn choose(now: &Host) -> (Vec<Option<u64>>, u64) {
    let hold = vec![None; now.vms.len()];
    let Some(least) = ahead(now, &hold, f64::INFINITY) else { return (hold, NEXT) };
    let plans = plan::plans(now, AHEAD);
    if least.pain < CALM {
        return (spare(now, &plans).unwrap_or(hold), NEXT_CALM);
    }
    let (mut best, mut least) = (hold, least.all * BETTER);
    for plan in plans.all() {
        if let Some(cost) = ahead(now, plan, least)
            && cost.all < least
        {
            (best, least) = (plan.clone(), cost.all);
        }
    }
    (best, NEXT)
}

/// Unneeded memory is taken in advance if the host has little free, because balloons may be slow
/// when it is needed.
fn spare(now: &Host, plans: &Plans) -> Option<Vec<Option<u64>>> {
    if now.memory.free >= now.memory.total / 100 * SPARE {
        return None;
    }
    let plan = &plans.surplus;
    ahead(now, plan, f64::INFINITY).is_some_and(|cost| cost.pain < CALM).then(|| plan.clone())
}

/// What the next minute costs, in seconds.
#[derive(Clone, Copy, Debug)]
struct Cost {
    /// Within it.
    pain: f64,
    /// And what it leaves behind.
    all: f64,
}

/// Under a plan. `None`: more than `most`.
fn ahead(now: &Host, targets: &[Option<u64>], most: f64) -> Option<Cost> {
    let mut host = now.clone();
    act(&mut host, &orders(now, targets));
    let before = harm(&host);
    let mut pain = 0.0;
    for _ in 0..AHEAD {
        host.pass();
        pain += measured(&host).map(|vm| pain_of(&host, vm)).sum::<f64>();
        if pain >= most {
            return None;
        }
    }
    pain += harm(&host) - before;
    let debts = measured(&host).map(|vm| debt(&host, vm)).sum::<f64>();
    Some(Cost { pain, all: pain + debts })
}

fn measured(host: &Host) -> impl Iterator<Item = &Vm> {
    host.vms.iter().filter(|vm| !vm.guest.spec.own_fault)
}

/// Seconds waited in this second, and the part of it in which work wasn't done.
fn pain_of(host: &Host, vm: &Vm) -> f64 {
    if !(vm.guest.runs(host.second) || vm.guest.gone) {
        return 0.0;
    }
    let work = vm.guest.work;
    let undone = if work.wanted > 0.0 { 1.0 - work.done / work.wanted } else { 0.0 };
    vm.waited() + undone
}

fn harm(host: &Host) -> f64 {
    let totals = measured(host).map(|vm| vm.guest.totals);
    let guests = totals.map(|totals| totals.ooms as f64 * OOM + totals.refused as f64 * REFUSED);
    guests.sum::<f64>() + host.totals.kills as f64 * KILLED
}

/// Waits to come for memory that the guest had before: working set and files that aren't resident.
fn debt(host: &Host, vm: &Vm) -> f64 {
    use crate::sim::guest::DISK_SECONDS;
    use crate::sim::memory::PageKind;
    let guest = &vm.guest;
    let swapped = guest.memory[PageKind::Hot].swapped + guest.memory[PageKind::CacheHot].swapped;
    let cached = guest.memory[PageKind::CacheHot].total();
    let missing = guest.wanted(host.second).cache.saturating_sub(cached);
    let (_, own) = guest.own_device();
    swapped as f64 * host.swap.latency + guest.own.hot as f64 * own + missing as f64 * DISK_SECONDS
}

fn orders(host: &Host, targets: &[Option<u64>]) -> Vec<Decision> {
    let order = |(vm, target): (&Vm, &Option<u64>)| {
        let (to, from) = ((*target)?, vm.guest.actual());
        (to.abs_diff(from) >= LEAST).then(|| Decision {
            vm: vm.guest.id,
            action: Action::Balloon { from: bytes(from), to: bytes(to) },
            rule: RuleId::Other,
            reason: Reason::Unrecorded,
        })
    };
    host.vms.iter().zip(targets).filter_map(order).collect()
}

fn act(host: &mut Host, decisions: &[Decision]) {
    for decision in decisions {
        host.begin(&Order {
            id: 0,
            vm: decision.vm,
            pid: 0,
            name: String::new(),
            action: decision.action,
        });
    }
    host.ended();
}

#[cfg(test)]
mod tests;
