//! A scenario from its beginning to its end, under one policy.

use anyhow::Result;

use super::host::Host;
use super::outcome::{Measure, Outcome};
use super::scenario::Scenario;
use crate::actuate::{Actuator, Order};
use crate::model::derive;
use crate::policy::{Observer, Policy};
use crate::sample::Sample;
use crate::source::Source;

/// Runs it: each second a sample, a step, and its orders.
///
/// # Errors
/// When the scenario can't begin, or the physics broke.
pub fn run(scenario: &Scenario, policy: &mut dyn Policy) -> Result<Outcome> {
    let mut host = Host::new(scenario)?;
    let mut measure = Measure::new(&host);
    let mut observer = Observer::default();
    let mut previous: Option<Sample> = None;
    let mut next = 1;
    for second in 1..=scenario.seconds {
        let now = host.sample(None)?;
        measure.second(&host);
        let snapshot = derive(previous.as_ref(), &now);
        let decisions = policy.step(&observer.observe(&now, &snapshot));
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
