//! Plans: balloon targets from what guests will need. Amounts are base pages.

use crate::sim::guest::Guest;
use crate::sim::host::{Host, Vm};
use crate::sim::scenario::BalloonKind;
use crate::sim::size::MIB_PAGES;

/// Kept free in a guest beside its watermarks.
const SLACK: u64 = 16 * MIB_PAGES;
/// Needs are looked at each so many seconds.
const EVERY: usize = 3;
/// Seconds for which a balloon moved by an operator is left alone.
const BY_HAND: u64 = 60;

/// Sizes of a VM, each including more than the one before: hot pages, all allocated pages, files
/// that are read again, files that were read once, everything.
type Sizes = [u64; 5];

const HOT: usize = 0;
const ALLOCATED: usize = 1;
const CACHED: usize = 2;

/// `None`: that balloon stays as it is.
type Targets = Vec<Option<u64>>;

/// What could be done.
pub(super) struct Plans {
    /// All have all.
    open: Targets,
    /// All VMs give the same share, such that it fits.
    fit: Targets,
    /// The same, but without allocated memory and files that are read again.
    allocated: Targets,
    pub(super) surplus: Targets,
}

impl Plans {
    pub(super) fn all(&self) -> [&Targets; 4] {
        [&self.open, &self.surplus, &self.allocated, &self.fit]
    }
}

pub(super) fn plans(host: &Host, ahead: u64) -> Plans {
    let sizes: Vec<Option<Sizes>> =
        host.vms.iter().map(|vm| movable(host, vm).then(|| sizes(host, vm, ahead))).collect();
    let fit = fit(&sizes, room(host, &sizes, ahead));
    let at_least = |level: usize| {
        let larger =
            |(sizes, fit): (&Option<Sizes>, &Option<u64>)| Some((*fit)?.max((*sizes)?[level]));
        sizes.iter().zip(&fit).map(larger).collect()
    };
    Plans {
        open: sizes.iter().map(|sizes| sizes.map(|[.., all]| all)).collect(),
        surplus: at_least(CACHED),
        allocated: at_least(ALLOCATED),
        fit,
    }
}

fn movable(host: &Host, vm: &Vm) -> bool {
    let guest = &vm.guest;
    let by_hand = guest.by_hand.is_some_and(|at| host.second - at <= BY_HAND);
    !matches!(guest.spec.balloon, BalloonKind::None | BalloonKind::Stuck)
        && guest.is_up(host.second)
        && !guest.spec.pinned
        && !guest.migrates(host.second)
        && !by_hand
}

fn sizes(host: &Host, vm: &Vm, ahead: u64) -> Sizes {
    let guest = &vm.guest;
    let mut sizes = [0; 5];
    for second in (host.second..=host.second + ahead).step_by(EVERY) {
        let wanted = guest.wanted(second);
        let parts = [wanted.hot, wanted.cold, wanted.cache, wanted.read_once];
        let mut sum = 2 * guest.marks.high + SLACK;
        for (size, part) in sizes.iter_mut().zip(parts) {
            sum += part;
            *size = sum.max(*size);
        }
    }
    sizes[4] = guest.maximum();
    sizes.map(|size| size.min(guest.maximum()))
}

/// What the host has for those whose balloons move.
fn room(host: &Host, sizes: &[Option<Sizes>], ahead: u64) -> u64 {
    let memory = &host.memory;
    let kept = memory.reserved + memory.cache_floor + 2 * memory.marks.high + host.swap.stored();
    let others = host.vms.iter().zip(sizes).filter(|(_, sizes)| sizes.is_none());
    let others: u64 = others.map(|(vm, _)| will_hold(host, &vm.guest, ahead)).sum();
    memory.total.saturating_sub(kept + others)
}

/// Memory that the host will have for a guest whose balloon isn't inflated.
fn will_hold(host: &Host, guest: &Guest, ahead: u64) -> u64 {
    let now = guest.needs(host.second);
    let later = [ahead / 3, ahead * 2 / 3, ahead].map(|after| guest.needs(host.second + after));
    let grows = later.into_iter().max().unwrap_or(0).saturating_sub(now);
    (guest.memory.resident() + grows).min(guest.maximum())
}

/// All VMs get the same share of the step between two sizes, such that it fits.
fn fit(sizes: &[Option<Sizes>], room: u64) -> Vec<Option<u64>> {
    let sum = |level: usize| sizes.iter().flatten().map(|sizes| sizes[level]).sum::<u64>();
    let level = (HOT..4).rev().find(|level| sum(*level) <= room).unwrap_or(HOT);
    let (low, high) = (sum(level), sum(level + 1));
    let share = room.saturating_sub(low).min(high - low) as f64 / (high - low).max(1) as f64;
    let size =
        |sizes: &Sizes| sizes[level] + ((sizes[level + 1] - sizes[level]) as f64 * share) as u64;
    sizes.iter().map(|sizes| sizes.as_ref().map(size)).collect()
}
