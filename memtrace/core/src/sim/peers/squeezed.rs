//! Xen squeezed's proportional rule.
//!
//! Every 10 s. Each VM has target = min + g * (max - min) with one g for all, such that
//! the targets fill what there is (here: what VMs hold, and what is available beyond a
//! reserve of 5 %; min is half of a VM's memory). A balloon that made no progress for 5 s
//! is inactive: it counts as it is until it moves, and the others share the rest. (After
//! 20 s it is called uncooperative, which changes no target.) It frees first and allocates
//! second.

use std::collections::BTreeMap;

use super::common::{Ballooned, MIB, Round, acting, all_ballooned, go, percent};
use crate::policy::{Decision, Decisions, Observation, Policy, VmObservation};
use crate::sample::VmId;
use crate::units::Nanos;

const RESERVE_PERCENT: u64 = 5;
const INACTIVE_SECONDS: f64 = 5.0;
/// Balloons that are as near as this are there.
const NEAR: u64 = 4 * MIB;

/// The last that was seen of a balloon.
#[derive(Clone, Copy)]
struct Progress {
    actual: u64,
    target: u64,
    moved: Nanos,
}

#[derive(Default)]
pub(super) struct Squeezed {
    round: Round,
    progress: BTreeMap<VmId, Progress>,
}

impl Policy for Squeezed {
    fn name(&self) -> &'static str {
        "squeezed"
    }

    fn step(&mut self, observation: &Observation) -> Decisions {
        let vms = all_ballooned(&observation.vms);
        self.watch(&vms, observation.at);
        let scope = &observation.scope;
        let (Some(total), Some(available)) = (scope.total, scope.available) else {
            return Decisions::default();
        };
        if !self.round.is_due(observation.at, 10) {
            return Decisions::default();
        }
        let reserve = percent(total, RESERVE_PERCENT);
        let spare = available.0.saturating_sub(reserve);
        let missing = reserve.saturating_sub(available.0);
        let held: u64 = observation.vms.iter().filter_map(|vm| vm.rss).map(|rss| rss.0).sum();
        let targets = self.targets(&vms, (held + spare).saturating_sub(missing), observation.at);
        self.remember(&vms, &targets, observation.at);
        acting(orders(&vms, &targets, spare))
    }
}

/// Smaller ones at once, larger ones once nothing is left to free and they fit.
fn orders(vms: &[(&VmObservation, Ballooned)], targets: &[u64], spare: u64) -> Vec<Decision> {
    let both = || vms.iter().zip(targets);
    let frees = both().any(|((_, balloon), target)| *target + NEAR < balloon.actual);
    let growth = both().map(|((_, balloon), target)| target.saturating_sub(balloon.actual));
    let grows = !frees && growth.sum::<u64>() <= spare;
    both()
        .filter(|((_, balloon), target)| balloon.actual.abs_diff(**target) >= NEAR)
        .filter(|((_, balloon), target)| **target < balloon.actual || grows)
        .filter_map(|((vm, _), target)| go(vm, *target))
        .collect()
}

impl Squeezed {
    fn watch(&mut self, vms: &[(&VmObservation, Ballooned)], at: Nanos) {
        for (vm, balloon) in vms {
            let fresh = Progress { actual: balloon.actual, target: balloon.actual, moved: at };
            let progress = self.progress.entry(vm.id).or_insert(fresh);
            let there = balloon.actual.abs_diff(progress.target) < NEAR;
            if there || balloon.actual != progress.actual {
                *progress = Progress { actual: balloon.actual, moved: at, ..*progress };
            }
        }
    }

    fn remember(&mut self, vms: &[(&VmObservation, Ballooned)], targets: &[u64], at: Nanos) {
        for ((vm, balloon), target) in vms.iter().zip(targets) {
            if let Some(progress) = self.progress.get_mut(&vm.id) {
                let was_there = balloon.actual.abs_diff(progress.target) < NEAR;
                progress.moved = if was_there { at } else { progress.moved };
                // An inactive one keeps what it was told.
                let inactive = *target == balloon.actual;
                progress.target = if inactive && !was_there { progress.target } else { *target };
            }
        }
    }

    fn is_active(&self, vm: VmId, at: Nanos) -> bool {
        let idle = self.progress.get(&vm).map(|progress| at.saturating_sub(progress.moved));
        idle.is_none_or(|idle| idle.seconds() < INACTIVE_SECONDS)
    }

    /// Where each balloon should be.
    fn targets(&self, vms: &[(&VmObservation, Ballooned)], budget: u64, at: Nanos) -> Vec<u64> {
        let active: Vec<bool> = vms.iter().map(|(vm, _)| self.is_active(vm.id, at)).collect();
        let mut left = budget as f64;
        let mut range = 0.0;
        for ((_, balloon), active) in vms.iter().zip(&active) {
            let (least, most) = (balloon.maximum / 2, balloon.maximum);
            left -= if *active { least } else { balloon.actual } as f64;
            range += if *active { (most - least) as f64 } else { 0.0 };
        }
        let share = if range > 0.0 { (left / range).clamp(0.0, 1.0) } else { 1.0 };
        let target = |((_, balloon), active): (&(&VmObservation, Ballooned), &bool)| {
            let least = balloon.maximum / 2;
            let target = least + ((balloon.maximum - least) as f64 * share) as u64;
            if *active { target } else { balloon.actual }
        };
        vms.iter().zip(&active).map(target).collect()
    }
}
