//! oVirt MOM's balloon rule.
//!
//! Every 10 s, on averages of the last 10 readings of 5 s. Host free (free, buffers, page
//! cache) under 20 %: every guest shrinks, down to what it uses and as large a share of
//! free memory as the host has; at or under 5 % of the host, down to 5 points less than
//! that, so that it swaps. Else every guest grows. Steps are 5 % of its size, none under
//! 0.25 %.

use std::collections::{BTreeMap, VecDeque};

use super::common::{Ballooned, Round, acting, ballooned, go};
use crate::policy::{Decision, Decisions, Observation, Policy, VmObservation};
use crate::sample::VmId;

const READINGS: usize = 10;
const PRESSURE: f64 = 0.20;
const CRITICAL: f64 = 0.05;
const STEP: f64 = 0.05;
const SMALLEST: f64 = 0.0025;

#[derive(Default)]
pub(super) struct Mom {
    monitor: Round,
    policy: Round,
    host_free: VecDeque<f64>,
    guest_free: BTreeMap<VmId, VecDeque<f64>>,
}

impl Policy for Mom {
    fn name(&self) -> &'static str {
        "mom"
    }

    fn step(&mut self, observation: &Observation) -> Decisions {
        if self.monitor.is_due(observation.at, 5) {
            self.read(observation);
        }
        if !self.policy.is_due(observation.at, 10) {
            return Decisions::default();
        }
        let Some(free) = average(&self.host_free) else { return Decisions::default() };
        acting(observation.vms.iter().filter_map(|vm| self.size(vm, free)))
    }
}

impl Mom {
    fn read(&mut self, observation: &Observation) {
        let scope = &observation.scope;
        if let (Some(available), Some(total)) = (scope.available, scope.total) {
            keep(&mut self.host_free, available.0 as f64 / total.0.max(1) as f64);
        }
        for vm in &observation.vms {
            if let Some(free) = ballooned(vm).and_then(|balloon| balloon.free) {
                keep(self.guest_free.entry(vm.id).or_default(), free as f64);
            }
        }
    }

    fn size(&self, vm: &VmObservation, host_free: f64) -> Option<Decision> {
        let Ballooned { actual, maximum, .. } = ballooned(vm)?;
        let size = actual as f64;
        let guest_free = average(self.guest_free.get(&vm.id)?)?;
        let to = if host_free < PRESSURE {
            let kept = if host_free <= CRITICAL { host_free - 0.05 } else { host_free };
            let least = size - guest_free + kept * size;
            (size * (1.0 - STEP)).max(least).min(size)
        } else {
            (size * (1.0 + STEP)).min(maximum as f64)
        };
        let enough = (to - size).abs() > SMALLEST * size;
        enough.then(|| go(vm, to as u64)).flatten()
    }
}

fn keep(readings: &mut VecDeque<f64>, reading: f64) {
    readings.push_back(reading);
    if readings.len() > READINGS {
        readings.pop_front();
    }
}

fn average(readings: &VecDeque<f64>) -> Option<f64> {
    (!readings.is_empty()).then(|| readings.iter().sum::<f64>() / readings.len() as f64)
}
