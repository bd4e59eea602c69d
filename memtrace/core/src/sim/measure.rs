//! Measures a run by the simulated host's own state, not by what it reports.

use std::collections::BTreeMap;

use super::host::{Host, Vm};
use super::memory::PageKind;
use super::outcome::RunOutcome;
use super::size::{GIB, MIB, PAGE};
use crate::order::Order;
use crate::policy::Action;
use crate::sample::VmId;

/// A VM is in distress when it waits for this share of a second.
const DISTRESS: f64 = 0.1;
/// Distress that returns within this many seconds counts as one.
const BRIDGED: u64 = 5;
/// A balloon that turns twice within this many seconds oscillates.
const TURNS: u64 = 120;
/// Smaller moves have no direction.
const MOVE: u64 = 16 * MIB;
/// While this share of the host (per cent) is available, memory held by balloons is needless.
const PLENTY: u64 = 25;

/// The last turn of a VM's balloon.
#[derive(Clone, Copy, Debug, Default)]
struct Course {
    grows: Option<bool>,
    turned: Option<u64>,
}

/// Measures a run, second by second.
#[derive(Clone, Debug, Default)]
pub(super) struct Measure {
    outcome: RunOutcome,
    ballooned_before: u64,
    /// First and last second of the current distress.
    distress: Option<(u64, u64)>,
    courses: BTreeMap<VmId, Course>,
}

impl Measure {
    pub(super) fn new(host: &Host) -> Self {
        Self { ballooned_before: host.vms.iter().map(ballooned).sum(), ..Self::default() }
    }

    /// A second has passed.
    pub(super) fn second(&mut self, host: &Host) {
        let running = || measured(host).filter(|vm| vm.guest.runs(host.second) || vm.guest.gone);
        self.outcome.stall_seconds += running().map(Vm::waited).sum::<f64>();
        if running().any(|vm| vm.waited() > DISTRESS) {
            let bridged = self.distress.filter(|(_, last)| host.second - last <= BRIDGED);
            let first = bridged.map_or(host.second, |(first, _)| first);
            self.distress = Some((first, host.second));
            self.outcome.relief_seconds = self.outcome.relief_seconds.max(host.second - first + 1);
        }
        self.outcome.work_wanted_gib += running().map(|vm| gib(vm.guest.work.wanted)).sum::<f64>();
        self.outcome.work_done_gib += running().map(|vm| gib(vm.guest.work.done)).sum::<f64>();
        self.outcome.needless_gib_seconds += self.needless(host);
    }

    fn needless(&self, host: &Host) -> f64 {
        let memory = &host.memory;
        let plenty = memory.total / 100 * PLENTY;
        let spare = (memory.free + memory.cache).saturating_sub(plenty);
        let held: u64 = host.vms.iter().map(ballooned).sum();
        let pinned = host.vms.iter().filter(|vm| vm.guest.spec.pinned);
        let in_vain: u64 = pinned.map(ballooned).sum();
        let needless = held.saturating_sub(self.ballooned_before).min(spare.max(in_vain));
        gib(needless as f64)
    }

    /// An order was given.
    pub(super) fn order(&mut self, order: &Order, second: u64) {
        self.outcome.orders += 1;
        let Action::Balloon { from, to } = order.action else { return };
        if from.0.abs_diff(to.0) < MOVE {
            return;
        }
        let course = self.courses.entry(order.vm).or_default();
        let grows = to > from;
        if course.grows.replace(grows).is_some_and(|before| before != grows) {
            let soon = course.turned.replace(second).is_some_and(|turned| second - turned <= TURNS);
            self.outcome.oscillations += u64::from(soon);
        }
    }

    pub(super) fn end(self, host: &Host) -> RunOutcome {
        let pages: u64 =
            measured(host).map(|vm| vm.suffered.swap_in + vm.guest.totals.swap_in).sum();
        RunOutcome {
            swap_in_gib: gib(pages as f64),
            refused_allocations: measured(host).map(|vm| vm.guest.totals.refused).sum(),
            guest_ooms: measured(host).map(|vm| vm.guest.totals.ooms).sum(),
            kills: host.totals.kills,
            breaches: host.breaches,
            ..self.outcome
        }
    }
}

/// Those who suffer by no fault of their own.
fn measured(host: &Host) -> impl Iterator<Item = &Vm> {
    host.vms.iter().filter(|vm| !vm.guest.spec.own_fault)
}

fn gib(pages: f64) -> f64 {
    pages * PAGE.0 as f64 / GIB as f64
}

fn ballooned(vm: &Vm) -> u64 {
    vm.guest.memory[PageKind::Balloon].total()
}
