//! Proxmox VE's rule (pvestatd).
//!
//! Every 10 s. The goal is that 80 % of the host are used: what is used less or more than
//! that, beyond 10 MiB, is given or taken, at most 100 MiB a VM, by shares (here alike),
//! and not below the minimum that was set for a VM (here half of its memory). It takes
//! from VMs with over a quarter free first, and then from all.

use super::common::{Ballooned, MIB, Round, acting, all_ballooned, go, percent};
use crate::policy::{Decision, Decisions, Observation, Policy, VmObservation};
use crate::units::Bytes;

const GOAL_PERCENT: u64 = 80;
const DEAD_BAND: u64 = 10 * MIB;
const STEP: u64 = 100 * MIB;
const FREE_PERCENT: u64 = 25;

#[derive(Default)]
pub(super) struct Proxmox {
    round: Round,
}

impl Policy for Proxmox {
    fn name(&self) -> &'static str {
        "proxmox"
    }

    fn step(&mut self, observation: &Observation) -> Decisions {
        let scope = &observation.scope;
        let (Some(total), Some(available)) = (scope.total, scope.available) else {
            return Decisions::default();
        };
        if !self.round.is_due(observation.at, 10) {
            return Decisions::default();
        }
        let (goal, used) = (percent(total, GOAL_PERCENT), total.saturating_sub(available).0);
        let vms = all_ballooned(&observation.vms);
        if goal.abs_diff(used) <= DEAD_BAND {
            Decisions::default()
        } else if used < goal {
            acting(give(&vms, goal - used))
        } else {
            acting(take(&vms, used - goal))
        }
    }
}

fn give(vms: &[(&VmObservation, Ballooned)], amount: u64) -> Vec<Decision> {
    let lacking = || vms.iter().filter(|(_, balloon)| balloon.actual < balloon.maximum);
    let each = amount.checked_div(lacking().count() as u64).unwrap_or(0).min(STEP);
    let larger = |(vm, balloon): &(&VmObservation, Ballooned)| {
        go(vm, (balloon.actual + each).min(balloon.maximum))
    };
    lacking().filter_map(larger).collect()
}

fn take(vms: &[(&VmObservation, Ballooned)], amount: u64) -> Vec<Decision> {
    let mut left = amount;
    let mut taken = vec![0; vms.len()];
    for from_all in [false, true] {
        let room = |balloon: &Ballooned, taken: u64| {
            let room = balloon.actual.saturating_sub(balloon.maximum / 2).min(STEP);
            room.saturating_sub(taken)
        };
        let asked: Vec<u64> = vms
            .iter()
            .zip(&taken)
            .map(
                |((_, balloon), taken)| {
                    if from_all || has_free(balloon) { room(balloon, *taken) } else { 0 }
                },
            )
            .collect();
        let open = asked.iter().filter(|room| **room > 0).count() as u64;
        let each = left.checked_div(open).unwrap_or(0);
        for (taken, room) in taken.iter_mut().zip(asked) {
            *taken += each.min(room);
            left -= each.min(room);
        }
    }
    let smaller = |((vm, balloon), taken): (&(&VmObservation, Ballooned), &u64)| {
        go(vm, balloon.actual - taken)
    };
    vms.iter().zip(&taken).filter_map(smaller).collect()
}

fn has_free(balloon: &Ballooned) -> bool {
    balloon.free.is_some_and(|free| free > percent(Bytes(balloon.actual), FREE_PERCENT))
}
