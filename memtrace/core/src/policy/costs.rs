//! What memory costs on both sides, in the same unit: seconds waited in a second. The host's
//! side is what VMs wait for pages in its swap and for direct reclaim; the guests' side is what
//! they wait for files that their balloons left no room for.

use super::host::Host;
use super::observation::{Observation, ScopeObservation, VmObservation};
use super::receive::Demand;
use super::rules::{MIB, Rules, part};
use super::state::State;
use super::vm::Vm;
use crate::policy::tri_state::{bytes_per_second, percent, rate};
use crate::units::{Bytes, Nanos};

/// Seconds that a guest waits for a major fault: a virtual disk reads a page in 0.2 ms, and of
/// the reads of files that its cache has no room for about half fault; the others show nowhere.
const FAULT: f64 = 0.4e-3;
/// Swap from which a page comes in this time costs a guest about what its own disk does. On working
/// seeds 0.2 ms has a tenth more OOM kills, 10 ms more stall (docs/population.md).
const CHEAP: f64 = 1e-3;
/// Where a page of the host's swap takes no longer than this, a guest that loses its files to a balloon
/// waits as long for each as its host does for a page in swap, and it isn't known before which of them it
/// will read again. On working seeds 0.2 and 0.5 ms differ by less than 2 % (docs/population.md).
pub const AS_FAST: f64 = 0.3e-3;
/// With less than this waited in a second, over all VMs, being short costs nothing.
pub const PAYS: f64 = 0.02;
/// Fewer pages a second than this say nothing of the swap device, unless VMs wait much: it may be so slow
/// that it brings no more.
const PAGES: f64 = 256.0;
const FEW_PAGES: f64 = 16.0;
const MUCH: f64 = 0.25;
const PAGE: f64 = 4096.0;
/// Parts of the difference by which the time of a page follows what is seen, upwards and
/// downwards: a device that was slow under load will be so again.
const RISES: f64 = 0.5;
const FALLS: f64 = 0.02;
/// Of the scope's total, per cent: what VMs get in a second beyond what is free.
const BEYOND: f64 = 0.1;
/// And so much at least: in a pool of 2 GiB a guest would wait minutes for what was taken from it
/// a second ago.
const BEYOND_LEAST: u64 = 32 * MIB;
/// So much of the swap stays free, and so much of the scope's total, per cent.
const SWAP_KEPT: f64 = 10.0;
const SWAP_KEPT_OF_TOTAL: f64 = 2.0;

/// Seconds waited in a second, over all VMs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Costs {
    /// For the host: more than one if several threads wait at once.
    pub host: f64,
    /// Within guests that want memory back that memtrace keeps from them.
    pub guests: f64,
}

impl Costs {
    /// `None`: what some VM waits for isn't known. What isn't known of a guest costs it nothing.
    pub fn of(rules: &Rules, demands: &[(&Vm<'_>, Demand)]) -> Option<Self> {
        let host = waits(demands.iter().map(|(vm, _)| vm.now))?;
        let guests = Self::wanting(rules, demands).filter_map(|vm| Self::of_guest(vm.now)).sum();
        Some(Self { host, guests })
    }

    /// VMs that want memory back that memtrace keeps from them.
    pub fn wanting<'a>(
        rules: &Rules,
        demands: &'a [(&'a Vm<'a>, Demand)],
    ) -> impl Iterator<Item = &'a Vm<'a>> {
        let wants = |demand: &Demand| matches!(demand, Demand::Wants(_));
        let all = demands.iter().filter(move |(_, demand)| wants(demand)).map(|(vm, _)| *vm);
        all.filter(|vm| vm.is_kept_from(rules))
    }

    /// What a guest waits for files, as far as it shows.
    pub fn of_guest(vm: &VmObservation) -> Option<f64> {
        Some(rate(vm.guest.as_ref()?.major_faults)? * FAULT)
    }
}

/// Whether it costs something that little is available: VMs wait for the host, or would be killed,
/// because its swap has no room left; or guests thrash, and others could give to them. A host whose
/// guests fill it with files is short and well. What isn't known costs nothing.
pub fn pays(rules: &Rules, host: &Host, seen: &Observation) -> bool {
    let known: f64 = seen.vms.iter().filter_map(|vm| percent(vm.stalled)).sum();
    let faults = seen.vms.iter().filter_map(|vm| rate(vm.guest.as_ref()?.major_faults));
    let thrashing: f64 = faults.filter(|rate| *rate >= rules.guest_thrash_kept).sum();
    let waits = known / 100.0 + thrashing * FAULT >= PAYS;
    waits || !rules.capabilities.stalled || has_room(host, &seen.scope) == Some(false)
}

/// Whether a page comes from the host's swap as fast as from guests' disks. What wasn't seen yet counts as
/// fast, and so does what this host can't measure: less knowledge takes no more from guests.
pub fn is_as_fast_as_disks(swap_wait: Option<f64>) -> bool {
    swap_wait.is_none_or(|seconds| seconds <= AS_FAST)
}

/// Whether the host's swap has room for more.
pub fn has_room(host: &Host, scope: &ScopeObservation) -> Option<bool> {
    let (total, free) = scope.swap_total.zip(scope.swap_free)?;
    Some(free > part(total, SWAP_KEPT) && free > part(host.total, SWAP_KEPT_OF_TOTAL))
}

/// Seconds that VMs wait for the host in a second. `None`: not known of all.
fn waits<'a>(vms: impl Iterator<Item = &'a VmObservation>) -> Option<f64> {
    vms.map(|vm| percent(vm.stalled).map(|percent| percent / 100.0)).sum()
}

/// What guests may get beyond what is free, where it costs less that the host swaps for it:
/// their own files cost them more than all VMs wait for the host, whose swap is fast and has
/// room. Balloons take a guest's files before anything cold; the host's reclaim knows cold pages.
///
/// In proportion to the time since the step before, up to a second: under pressure steps follow each
/// other more quickly.
pub fn beyond(
    state: &State,
    at: Nanos,
    host: &Host,
    scope: &ScopeObservation,
    costs: Option<Costs>,
) -> Bytes {
    let passed = state.at.map_or(0.0, |before| at.saturating_sub(before).seconds()).min(1.0);
    let is_cheap = state.swap_wait.is_none_or(|seconds| seconds <= CHEAP);
    let pays = costs.is_some_and(|costs| costs.guests > costs.host);
    let room = has_room(host, scope) == Some(true);
    if !(is_cheap && pays && room) {
        return Bytes(0);
    }
    part(host.total, BEYOND * passed).max(Bytes((BEYOND_LEAST as f64 * passed) as u64))
}

/// Seconds that VMs wait for a page of the host's swap, from what was known before and what is
/// seen now. `None`: nothing was seen, or waits for swap-ins aren't among those that this host measures.
pub fn follow(rules: &Rules, before: Option<f64>, seen: &Observation) -> Option<f64> {
    if !rules.capabilities.swap_waits {
        return None;
    }
    let rates: Option<f64> = seen.vms.iter().map(|vm| bytes_per_second(vm.swap_in)).sum();
    let (Some(rate), Some(waits)) = (rates, waits(seen.vms.iter())) else { return before };
    let pages = rate / PAGE;
    let is_slow = pages >= FEW_PAGES && waits >= MUCH;
    if pages < PAGES && !is_slow {
        return before;
    }
    let now = waits / pages;
    if pages < PAGES && before.is_some_and(|before| now < before) {
        return before;
    }
    let Some(before) = before else { return Some(now) };
    let part = if now > before { RISES } else { FALLS };
    Some(before + (now - before) * part)
}
