//! Costs of memory shortage on both sides, in seconds waited per second. Host side: waits of VMs
//! for swap-in and direct reclaim. Guest side: waits for file reads that the page cache would have
//! answered without the balloon.

use super::host::Host;
use super::observation::{Observation, ScopeObservation, VmObservation};
use super::receive::Demand;
use super::rules::{MIB, Rules, part};
use super::state::PolicyState;
use super::vm::Vm;
use crate::policy::tri_state::{bytes_per_second, percent, rate};
use crate::units::{Bytes, Nanos};

/// Wait of a guest per reported major fault, in seconds. A virtual disk reads a page in 0.2 ms, and
/// about half of the reads that miss the cache are reported as major faults.
const FAULT: f64 = 0.4e-3;
/// With a swap-in time up to this, host swap costs a guest about what its own disk does. On working
/// seeds 0.2 ms has a tenth more OOM kills, 10 ms more stall (docs/population.md).
const CHEAP: f64 = 1e-3;
/// With a swap-in time up to this, ballooning saves nothing: the guest waits as long for each file
/// page that it loses as the host does for a swap-in, and it is unknown which of them it will read
/// again. On working seeds 0.2 and 0.5 ms differ by less than 2 % (docs/population.md).
pub const AS_FAST: f64 = 0.3e-3;
/// While all VMs together wait less than this per second, being short costs nothing.
pub const PAYS: f64 = 0.02;
/// Below this swap-in rate (pages per second) the swap device's speed is unknown, unless VMs wait
/// much: then the device itself may be the limit.
const PAGES: f64 = 256.0;
const FEW_PAGES: f64 = 16.0;
const MUCH: f64 = 0.25;
const PAGE: f64 = 4096.0;
/// Weight of a new measurement in the average swap-in time, upwards and downwards. It falls slowly,
/// because a device that was slow under load will be so again.
const RISES: f64 = 0.5;
const FALLS: f64 = 0.02;
/// Memory that VMs may get per second beyond what is free, in per cent of the scope's total.
const BEYOND: f64 = 0.1;
/// Lower bound of that: in a pool of 2 GiB a guest would wait minutes for memory that was taken
/// from it a second ago.
const BEYOND_LEAST: u64 = 32 * MIB;
/// Swap that stays free, in per cent of the swap and in per cent of the scope's total.
const SWAP_KEPT: f64 = 10.0;
const SWAP_KEPT_OF_TOTAL: f64 = 2.0;

/// Seconds waited per second, over all VMs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Costs {
    /// For the host: more than one if several threads wait at once.
    pub host: f64,
    /// Waits within guests that want memory which memtrace keeps from them.
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

/// Whether being short costs anything: VMs wait for the host, guests thrash while others could
/// give, or a VM may be killed because swap is full. A host whose memory is full of guests' page
/// cache is short without harm. Unknown values cost nothing.
pub fn pays(rules: &Rules, host: &Host, seen: &Observation) -> bool {
    let known: f64 = seen.vms.iter().filter_map(|vm| percent(vm.stalled)).sum();
    let faults = seen.vms.iter().filter_map(|vm| rate(vm.guest.as_ref()?.major_faults));
    let thrashing: f64 = faults.filter(|rate| *rate >= rules.guest_thrash_kept).sum();
    let waits = known / 100.0 + thrashing * FAULT >= PAYS;
    waits || !rules.capabilities.stalled || has_room(host, &seen.scope) == Some(false)
}

/// Whether host swap is as fast as guests' disks. A swap-in time that is unknown or cannot be
/// measured counts as fast: less knowledge takes no more from guests.
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

/// Memory that guests may get beyond what is free, at the price of host swap-outs. Granted while
/// guests' waits for files cost more than all VMs' waits for the host, and swap is fast and has
/// room. A balloon takes a guest's page cache first, whereas host reclaim finds cold pages.
///
/// Proportional to the time since the last step, up to a second, because steps follow each other
/// faster under pressure.
pub fn beyond(
    state: &PolicyState,
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

/// Average swap-in time of VMs in seconds, updated with this observation. `None`: nothing was
/// measured, or this host does not measure swap-in waits.
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
