//! A scenario from its beginning to its end, under one policy.

use anyhow::Result;

use super::host::Host;
use super::measure::Measure;
use super::outcome::RunOutcome;
use super::scenario::Scenario;
use crate::model::{Snapshot, derive};
use crate::order::{Actuator, Order};
use crate::policy::{Decisions, Observation, Observer, Policy};
use crate::sample::Sample;
use crate::source::Source;

/// One second of a run.
pub struct Look<'a> {
    pub second: u64,
    pub sample: &'a Sample,
    pub snapshot: &'a Snapshot,
    pub observation: &'a Observation,
    pub decisions: &'a Decisions,
}

/// Runs it: each second a sample, a step, and its orders.
///
/// # Errors
/// When the scenario can't begin, or the physics broke.
pub fn run(scenario: &Scenario, policy: &mut dyn Policy) -> Result<RunOutcome> {
    let mut host = Host::new(scenario)?;
    // Not used by any policy, and their number grows with the square of that of VMs.
    host.totals.flows = None;
    pass(host, scenario.seconds, policy, |_| {})
}

/// The same, with each second shown to `look`.
///
/// # Errors
/// As [`run`].
pub fn watch(
    scenario: &Scenario,
    policy: &mut dyn Policy,
    look: impl FnMut(&Look<'_>),
) -> Result<RunOutcome> {
    pass(Host::new(scenario)?, scenario.seconds, policy, look)
}

fn pass(
    mut host: Host,
    seconds: u64,
    policy: &mut dyn Policy,
    mut look: impl FnMut(&Look<'_>),
) -> Result<RunOutcome> {
    let mut measure = Measure::new(&host);
    let mut observer = Observer::default();
    let mut previous: Option<Sample> = None;
    let mut next = 1;
    for second in 1..=seconds {
        let now = host.sample(None)?;
        measure.second(&host);
        let snapshot = derive(previous.as_ref(), &now);
        let observation = observer.observe(&now, &snapshot);
        let decisions = policy.step(&observation);
        look(&Look {
            second,
            sample: &now,
            snapshot: &snapshot,
            observation: &observation,
            decisions: &decisions,
        });
        for decision in decisions.actions {
            let vm = now.vms.iter().find(|vm| vm.id == decision.vm);
            let order = Order {
                id: next,
                vm: decision.vm,
                pid: vm.map_or(0, |vm| vm.pid),
                name: vm.map_or_else(String::new, |vm| vm.name.clone()),
                action: decision.action,
            };
            next += 1;
            measure.order(&order, second);
            host.begin(&order);
        }
        // Whether an order moved memory shows in the next samples.
        host.ended();
        previous = Some(now);
    }
    Ok(measure.end(&host))
}
