//! A PI controller after qemus/qemu.
//!
//! Every 5 s, each VM by itself: PSI some avg10 of the host from 10 (no effort) to 50 (full
//! effort) goes through a PI controller (0.5, 0.05) with anti-windup; full effort is a
//! floor of 33 % of the VM's memory. Moves under 128 MiB are left out.

use std::collections::BTreeMap;

use super::common::{Ballooned, MIB, Round, acting, ballooned, go};
use crate::policy::{Decision, Decisions, Observation, Policy, VmObservation};
use crate::sample::VmId;

const PROPORTIONAL: f64 = 0.5;
const INTEGRAL: f64 = 0.05;
const START: f64 = 10.0;
const FULL: f64 = 50.0;
const FLOOR_PERCENT: u64 = 33;
const DEAD_BAND: u64 = 128 * MIB;

#[derive(Default)]
pub(super) struct Pi {
    round: Round,
    integral: BTreeMap<VmId, f64>,
}

impl Policy for Pi {
    fn name(&self) -> &'static str {
        "pi"
    }

    fn step(&mut self, observation: &Observation) -> Decisions {
        let Some(psi) = observation.scope.psi_some else { return Decisions::default() };
        if !self.round.is_due(observation.at, 5) {
            return Decisions::default();
        }
        let error = ((psi.0 - START) / (FULL - START)).clamp(-1.0, 1.0);
        acting(observation.vms.iter().filter_map(|vm| self.size(vm, error)))
    }
}

impl Pi {
    fn size(&mut self, vm: &VmObservation, error: f64) -> Option<Decision> {
        let Ballooned { actual, maximum, .. } = ballooned(vm)?;
        let integral = self.integral.entry(vm.id).or_default();
        let effort = PROPORTIONAL * error + *integral + INTEGRAL * error;
        // Anti-windup: it integrates no further where that would only saturate it more.
        if (effort < 1.0 || error < 0.0) && (effort > 0.0 || error > 0.0) {
            *integral += INTEGRAL * error;
        }
        let most = maximum - maximum / 100 * FLOOR_PERCENT;
        let target = maximum - (most as f64 * effort.clamp(0.0, 1.0)) as u64;
        (target.abs_diff(actual) >= DEAD_BAND).then(|| go(vm, target)).flatten()
    }
}
