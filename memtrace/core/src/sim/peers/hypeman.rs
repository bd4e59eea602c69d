//! hypeman's rule.
//!
//! Every 2 s. Pressure begins at 10 % available or by PSI, and ends at 15 %. While it
//! lasts, what is missing to 15 % is taken in proportion to headroom above a floor of
//! max(512 MiB, half of a VM's memory), at least 64 and at most 256 MiB a step, with 5 s of
//! cool-down. After it, the same is given back as long as 15 % stay available.

use std::collections::BTreeMap;

use super::common::{Ballooned, MIB, Round, acting, all_ballooned, go, percent};
use crate::policy::{Decision, Decisions, Observation, Policy, VmObservation};
use crate::sample::VmId;
use crate::units::{Nanos, Percent};

const ENTER_PERCENT: u64 = 10;
const LEAVE_PERCENT: u64 = 15;
const PSI: Percent = Percent(10.0);
const FLOOR: u64 = 512 * MIB;
const SMALLEST: u64 = 64 * MIB;
const LARGEST: u64 = 256 * MIB;
const COOL_DOWN_SECONDS: f64 = 5.0;

#[derive(Default)]
pub(super) struct Hypeman {
    round: Round,
    pressed: bool,
    last: BTreeMap<VmId, Nanos>,
}

impl Policy for Hypeman {
    fn name(&self) -> &'static str {
        "hypeman"
    }

    fn step(&mut self, observation: &Observation) -> Decisions {
        let scope = &observation.scope;
        let (Some(total), Some(available)) = (scope.total, scope.available) else {
            return Decisions::default();
        };
        if !self.round.is_due(observation.at, 2) {
            return Decisions::default();
        }
        let leave = percent(total, LEAVE_PERCENT);
        let psi = scope.psi_some.is_some_and(|psi| psi >= PSI);
        if available.0 <= percent(total, ENTER_PERCENT) || psi {
            self.pressed = true;
        } else if available.0 >= leave {
            self.pressed = false;
        }
        let mut vms = all_ballooned(&observation.vms);
        vms.retain(|(vm, _)| self.is_cool(vm.id, observation.at));
        let actions = if self.pressed {
            take(&vms, leave.saturating_sub(available.0))
        } else {
            give(&vms, available.0.saturating_sub(leave))
        };
        self.last.extend(actions.iter().map(|action| (action.vm, observation.at)));
        acting(actions)
    }
}

impl Hypeman {
    fn is_cool(&self, vm: VmId, at: Nanos) -> bool {
        let since = self.last.get(&vm).map(|last| at.saturating_sub(*last));
        since.is_none_or(|since| since.seconds() >= COOL_DOWN_SECONDS)
    }
}

fn headroom(balloon: &Ballooned) -> u64 {
    balloon.actual.saturating_sub(FLOOR.max(balloon.maximum / 2))
}

fn part(amount: u64, own: u64, all: u64) -> u64 {
    let part = amount as f64 * own as f64 / all.max(1) as f64;
    (part as u64).clamp(SMALLEST, LARGEST).min(own)
}

fn take(vms: &[(&VmObservation, Ballooned)], amount: u64) -> Vec<Decision> {
    let all: u64 = vms.iter().map(|(_, balloon)| headroom(balloon)).sum();
    let smaller = |(vm, balloon): &(&VmObservation, Ballooned)| {
        go(vm, balloon.actual - part(amount, headroom(balloon), all))
    };
    if amount == 0 { Vec::new() } else { vms.iter().filter_map(smaller).collect() }
}

fn give(vms: &[(&VmObservation, Ballooned)], amount: u64) -> Vec<Decision> {
    let lack = |balloon: &Ballooned| balloon.maximum - balloon.actual.min(balloon.maximum);
    let all: u64 = vms.iter().map(|(_, balloon)| lack(balloon)).sum();
    let larger = |(vm, balloon): &(&VmObservation, Ballooned)| {
        go(vm, balloon.actual + part(amount, lack(balloon), all))
    };
    if amount < SMALLEST { Vec::new() } else { vms.iter().filter_map(larger).collect() }
}
