//! The same file in the simulator, under the same rule.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use memtrace_core::policy::{Memtrace, Policy, Rules};
use memtrace_core::sim::{RunOutcome, Scenario, peers, watch};
use memtrace_core::units::{Bytes, Nanos};

use crate::live::Rule;

const MIB: u64 = 1 << 20;

/// What came of it, and the guests' own major faults.
pub(super) fn simulate(scenario: &Scenario, rule: Rule) -> Result<(RunOutcome, u64)> {
    let mut policy = policy(rule)?;
    let mut faults: BTreeMap<String, u64> = BTreeMap::new();
    let outcome = watch(scenario, policy.as_mut(), |look| {
        for vm in &look.sample.vms {
            let told = vm.guest.stats.and_then(|stats| stats.major_faults);
            if let Some(count) = told {
                faults.insert(vm.name.clone(), count);
            }
        }
    })?;
    Ok((outcome, faults.values().sum()))
}

fn policy(rule: Rule) -> Result<Box<dyn Policy>> {
    if rule == Rule::Memtrace {
        return Ok(Box::new(Memtrace::new(rules())));
    }
    let name = rule.name();
    let peer = peers::all().into_iter().find(|peer| peer.name() == name);
    peer.with_context(|| format!("the simulator has no policy {name}"))
}

/// As the configuration of real runs (`memtrace_lab_host::roles::CONFIGURATION`) makes them.
fn rules() -> Rules {
    let mut rules = Rules {
        floor_least: Bytes(128 * MIB),
        least_step: Bytes(16 * MIB),
        boot: Nanos(Nanos::SECOND.0),
        ..Rules::default()
    };
    rules.calm.share = 20.0;
    rules
}

#[cfg(test)]
mod tests {
    use memtrace_lab_host::roles::CONFIGURATION;

    use super::*;

    #[test]
    fn the_rules_are_those_of_the_configuration() {
        for line in ["floor = \"128MiB\"", "least_step = \"16MiB\"", "boot = \"1s\"", "share = 20"]
        {
            assert!(CONFIGURATION.contains(line), "{line}");
        }
        let set = CONFIGURATION.lines().filter(|line| line.contains(" = ")).count();
        assert_eq!(set, 4, "a setting that the simulated run hasn't");
    }

    #[test]
    fn what_only_looks_is_no_policy_of_the_simulator() {
        assert!(policy(Rule::Looks).is_err());
        assert!([Rule::Nothing, Rule::Pi, Rule::Memtrace].iter().all(|rule| policy(*rule).is_ok()));
    }
}
