//! Each step that takes memory in use is an experiment: if it costs the guest more than it saves
//! the host, it is undone.

use std::collections::BTreeMap;

use super::costs::{Costs, PAYS};
use super::receive::Demand;
use super::rules::Rules;
use super::vm::Vm;
use crate::sample::VmId;
use crate::units::{Bytes, Nanos};

/// Time for which a guest's waits are attributed to the last step.
const WATCHED: Nanos = Nanos(60_000_000_000);

/// A step that is to be undone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Undone {
    pub step: Bytes,
    /// Seconds that its guest waits in a second.
    pub costs: f64,
    /// Seconds per second that all VMs would wait longer for the host: its part of their waits, in
    /// proportion to swapped memory.
    pub spares: f64,
}

/// Steps to be undone, by VM. None if swap may be full, or if VMs' waits are unknown.
pub fn undone(
    rules: &Rules,
    at: Nanos,
    has_room: bool,
    costs: Option<Costs>,
    demands: &[(&Vm<'_>, Demand)],
) -> BTreeMap<VmId, Undone> {
    let per_byte = per_byte(costs, demands).filter(|_| has_room);
    let Some(per_byte) = per_byte else { return BTreeMap::new() };
    let of = |vm: &Vm<'_>| {
        let (then, step) = vm.memory.step?;
        let (costs, spares) = (Costs::of_guest(vm.now)?, per_byte * step.0 as f64);
        let is_watched = at.saturating_sub(then) <= WATCHED;
        (is_watched && costs >= PAYS && costs > spares)
            .then_some((vm.now.id, Undone { step, costs, spares }))
    };
    Costs::wanting(rules, demands).filter_map(of).collect()
}

/// Seconds that VMs wait for the host in a second, for each byte of theirs in swap.
fn per_byte(costs: Option<Costs>, demands: &[(&Vm<'_>, Demand)]) -> Option<f64> {
    let swapped = |(vm, _): &(&Vm<'_>, Demand)| vm.now.swap.map(|swap| swap.0 as f64);
    let swapped: f64 = demands.iter().map(swapped).sum::<Option<f64>>()?;
    Some(costs?.host / swapped.max(1.0))
}
